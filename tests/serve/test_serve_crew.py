"""Several processes at one address exchange their bundles together: none answers with what another has given up."""

import asyncio
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smelt.serve.house import House, Model
from smelt.serve.limits import Limits
from smelt.serve.orders import Order, Orders, Standing, forget
from tests.serve.conftest import served
from tests.serve.test_serve_run import members

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts processes by ps")
DONE, WAIT_SECONDS = 0, 30


@pytest.fixture
def folders(sealed_bundle, tmp_path):
    return [shutil.copytree(sealed_bundle, tmp_path / "bundles" / name) for name in ("first", "second", "third")]


def versions(client, requests=40):
    return {client.post("/predict", {"inputs": f"rate {number}"}).headers["x-model-version"] for number in range(requests)}


def kill_one(process):
    """Kill a process of the crew and wait until another is in its place, and has had time to open bundles."""
    killed = members(process)[0]
    os.kill(killed, signal.SIGKILL)
    end = time.monotonic() + WAIT_SECONDS
    while len(set(members(process)) - {killed}) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(2.0)
    return killed


@linux
def test_all_processes_exchange_take_back_and_remember_when_one_is_started_again(folders):
    with served(folders[0], "--workers", "2", "--bundles", str(folders[0].parent)) as (process, client):
        told = client.post("/admin/models/tiny", {"bundle": str(folders[1])})
        assert (told.status, told.json["behind"]) == (200, DONE)
        assert versions(client) == {"2"}
        assert client.post("/admin/models/tiny/rollback", {}).json["behind"] == DONE
        assert versions(client) == {"1"}
        assert client.post("/admin/models/tiny/rollback", {}).status == 409
        assert client.post("/admin/models/tiny", {"bundle": str(folders[2]), "share": 0.5}).json["behind"] == DONE
        assert versions(client) == {"1", "3"}
        assert client.post("/admin/models/tiny/promote", {}).json["behind"] == DONE
        kill_one(process)
        assert versions(client) == {"3"}
        told = client.post("/admin/models/tiny/rollback", {}).json
        assert (told["behind"], told["versions"]["current"]["number"]) == (DONE, 1)
        assert versions(client) == {"1"}


@linux
def test_a_crew_exchanges_under_load_without_an_error(folders):
    with served(folders[0], "--workers", "2", "--bundles", str(folders[0].parent)) as (_, client):
        stop, codes = threading.Event(), Counter()

        def ask():
            while not stop.is_set():
                codes[client.post("/v1/classify", {"input": ["rate cut", "bond"]}).status] += 1

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(6):
            assert client.post("/admin/models/tiny", {"bundle": str(folders[number % 3])}).json["behind"] == DONE
            assert versions(client, 8) == {str(number + 2)}
        stop.set()
        for thread in threads:
            thread.join()
        assert set(codes) == {200}
        assert codes[200] > 50


@linux
def test_a_version_before_that_was_deleted_keeps_no_process_from_starting_again(folders):
    with served(folders[0], "--workers", "2", "--bundles", str(folders[0].parent)) as (process, client):
        for number in (1, 2):
            assert client.post("/admin/models/tiny", {"bundle": str(folders[number])}).json["behind"] == DONE
        shutil.rmtree(folders[1])
        killed = kill_one(process)
        assert killed not in members(process)
        assert versions(client) == {"3"}
        assert {client.post("/admin/models/tiny/rollback", {}).status for _ in range(8)} == {409}
        assert versions(client) == {"3"}
        assert client.post("/admin/models/tiny", {"bundle": str(folders[0])}).json["behind"] == DONE
        assert versions(client) == {"4"}


@linux
def test_a_damaged_bundle_is_refused_for_all(folders):
    (folders[1] / "codec.json").write_text("{}", encoding="utf-8")
    with served(folders[0], "--workers", "2", "--bundles", str(folders[0].parent)) as (process, client):
        first = members(process)
        assert client.post("/admin/models/tiny", {"bundle": str(folders[1])}).status == 422
        assert versions(client) == {"1"}
        assert members(process) == first


@linux
def test_a_crew_ends_when_its_leader_is_killed(folders):
    with served(folders[0], "--workers", "2") as (process, client):
        left = members(process)
        process.kill()
        process.wait()
        end = time.monotonic() + WAIT_SECONDS
        while any(Path(f"/proc/{number}").exists() for number in left) and time.monotonic() < end:
            time.sleep(0.1)
        assert not [number for number in left if Path(f"/proc/{number}").exists()]
        with pytest.raises(ConnectionRefusedError):
            client.get("/health")


def test_orders_come_back_once_in_turn_and_half_a_line_waits(tmp_path):
    here, there = Orders(tmp_path), Orders(tmp_path)
    assert here.fresh() == []
    given_orders = [Order(action="open", model="a", bundle="x/中", share=0.5), Order(action="promote", model="a", number=2)]
    here.give(given_orders[0])
    assert there.fresh() == given_orders[:1]
    there.give(given_orders[1])
    assert (here.fresh(), there.fresh(), here.fresh()) == (given_orders, given_orders[1:], [])
    with (tmp_path / "orders.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"action": "pro')
    assert here.fresh() == []


def test_who_has_died_is_not_waited_for(tmp_path):
    orders = Orders(tmp_path)
    orders.carried_out(3)
    (tmp_path / "done-1").write_text("2", encoding="ascii")
    assert (orders.behind(2), orders.behind(3), orders.behind(4)) == (0, 1, 2)
    forget(tmp_path, [1])
    assert orders.behind(3) == 0


def stub(number):
    return SimpleNamespace(number=number, start=lambda: None, stop=lambda: None)


@given(st.lists(st.tuples(st.sampled_from(["open", "promote", "roll_back"]), st.sampled_from([0.5, 1.0]), st.integers(1, 6)), max_size=12))
@settings(max_examples=300, deadline=None)
def test_who_starts_later_stands_where_the_orders_led(steps):
    house = House(Limits())
    house.models["a"] = model = Model(SimpleNamespace(name="a"), stub(1))  # pyright: ignore[reportArgumentType]
    standing = Standing()

    async def work():
        for action, share, number in steps:
            order = Order(action=action, model="a", bundle="b", share=share, number=number)
            house._carry_out(order, stub(0) if action == "open" else None)
            standing.after(order)

    asyncio.run(work())
    roles = (model.current, model.canary, model.previous)
    assert [role and role.number for role in roles] == [role and role[0] for role in (standing.current, standing.canary, standing.previous)]
    if model.canary:
        assert model.share == standing.share
