"""Fifty ends and a hundred exchanges under load. Minutes long."""

import shutil
import signal
import threading
import time
from collections import Counter

import pytest

from smelt.serve.house import House
from smelt.serve.limits import Limits
from tests.serve.conftest import served

pytestmark = pytest.mark.slow
BODY = {"input": ["rate cut", "bond"]}


def asking(client, codes, stop):
    """Asks until it is told to stop, or nobody listens any more."""
    while not stop.is_set():
        try:
            codes[client.post("/v1/classify", BODY).status] += 1
        except ConnectionRefusedError:
            return
        except (OSError, Exception) as fault:  # noqa: BLE001  whatever it is, it is counted
            codes[type(fault).__name__] += 1


def test_fifty_ends_under_load_lose_nothing_that_was_taken_on(sealed_bundle):
    codes: Counter = Counter()
    for _ in range(50):
        with served(sealed_bundle) as (process, client):
            stop = threading.Event()
            threads = [threading.Thread(target=asking, args=(client, codes, stop)) for _ in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            stop.set()
            for thread in threads:
                thread.join(10)
    assert codes[200] > 1000
    assert set(codes) <= {200, 503}, codes


def test_a_hundred_exchanges_and_twenty_ways_back_under_load(start, sealed_bundle, tmp_path):
    folders = [shutil.copytree(sealed_bundle, tmp_path / "bundles" / name) for name in ("first", "second")]
    house = House(Limits(), tmp_path / "bundles")
    house.open("tiny", folders[0])
    client, codes, stop = start(house), Counter(), threading.Event()
    threads = [threading.Thread(target=asking, args=(client, codes, stop)) for _ in range(4)]
    for thread in threads:
        thread.start()
    before = threading.active_count()
    for number in range(100):
        assert client.post("/admin/models/tiny", {"bundle": str(folders[number % 2])}).status == 200
        if number % 5 == 4:
            assert client.post("/admin/models/tiny/rollback", {}).status == 200
    stop.set()
    for thread in threads:
        thread.join(10)
    assert set(codes) == {200}
    assert codes[200] > 200
    time.sleep(1.0)
    assert threading.active_count() < before + 40
