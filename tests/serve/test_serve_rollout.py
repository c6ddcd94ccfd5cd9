"""Bundles are exchanged while they answer: no error, no mixed answer; what fails is taken back."""

import asyncio
import json
import shutil
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from smelt.runtime.manifest import Manifest
from smelt.serve.faults import Refusal
from smelt.serve.guard import Rules
from smelt.serve.house import House
from smelt.serve.limits import Limits
from smelt.serve.version import Opening, Watching
from tests.runtime.conftest import FACTS


@pytest.fixture
def folders(sealed_bundle, tmp_path):
    return [shutil.copytree(sealed_bundle, tmp_path / "bundles" / name) for name in ("first", "second")]


@pytest.fixture
def house(folders):
    found = House(Limits(), folders[0].parent)
    found.open("tiny", folders[0])
    return found


def test_a_bundle_is_exchanged_under_load_without_an_error(start, house, folders):
    client, stop, seen, codes = start(house), threading.Event(), [], Counter()

    def ask():
        while not stop.is_set():
            response = client.post("/v1/classify", {"input": ["rate cut", "bond"]})
            codes[response.status] += 1
            seen.append(int(response.headers["x-model-version"]))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(10):
        assert client.post("/admin/models/tiny", {"bundle": str(folders[number % 2])}).status == 200
        if number % 3 == 0:
            assert client.post("/admin/models/tiny/rollback", {}).status == 200
    stop.set()
    for thread in threads:
        thread.join()
    assert set(codes) == {200}
    assert len(set(seen)) > 3
    told = client.get("/live").json["models"][0]
    assert told["versions"]["current"]["number"] == 10 or told["versions"]["current"]["number"] == 11


def test_a_share_of_the_requests_goes_to_the_version_on_trial(start, house, folders):
    client = start(house)
    assert client.post("/admin/models/tiny", {"bundle": str(folders[1]), "share": 0.25}).status == 200
    versions = Counter(client.post("/predict", {"inputs": "rate"}).headers["x-model-version"] for _ in range(200))
    assert versions["2"] == pytest.approx(50, abs=2)
    assert client.post("/admin/models/tiny/promote", {}).json["versions"]["current"]["number"] == 2
    assert client.post("/predict", {"inputs": "rate"}).headers["x-model-version"] == "2"
    assert client.post("/admin/models/tiny/rollback", {}).json["versions"]["current"]["number"] == 1
    assert client.post("/admin/models/tiny/rollback", {}).status == 409
    assert client.post("/admin/models/tiny/promote", {}).status == 409


def test_what_may_not_be_opened_is_refused_and_the_old_one_answers(start, house, folders, tmp_path):
    client = start(house)
    elsewhere = shutil.copytree(folders[1], tmp_path / "elsewhere")
    (folders[1] / "codec.json").write_text("{}", encoding="utf-8")
    for bundle, status in (
        (elsewhere, 403),
        (folders[1], 422),
        (folders[0] / ".." / ".." / "elsewhere", 403),
        (folders[0].parent / "none", 422),
    ):
        response = client.post("/admin/models/tiny", {"bundle": str(bundle)})
        assert response.status == status
        assert str(tmp_path) not in response.raw.decode()
    for body in (
        {},
        {"bundle": ""},
        {"bundle": "a\0b"},
        {"bundle": "x", "share": 0},
        {"bundle": "x", "share": 2},
        {"bundle": "x", "more": 1},
    ):
        assert client.post("/admin/models/tiny", body).status == 422
    assert client.post("/admin/models/other", {"bundle": str(folders[0])}).status == 404
    assert client.post("/predict", {"inputs": "rate"}).headers["x-model-version"] == "1"


def test_nothing_is_exchanged_where_no_folder_is_named(start, folders):
    house = House(Limits())
    house.open("tiny", folders[0])
    assert start(house).post("/admin/models/tiny", {"bundle": str(folders[1])}).status == 403


def test_a_version_on_trial_whose_batches_fail_is_taken_back(house_of, make_bundle):
    house = house_of(make_bundle())
    model = house.models["tiny"]

    async def work():
        house.start()
        model.canary, model.share = model.opening.take(2, Path("nowhere"), make_bundle(fails=True)), 0.5
        model.canary.start()
        codes = Counter()
        for number in range(40):
            try:
                await house.classify(model, [f"rate {number}"], seconds=None, truncate=True)
                codes[200] += 1
            except Refusal as refusal:
                codes[refusal.status] += 1
        await house.stop()
        return codes

    codes = asyncio.run(work())
    assert codes[500] == 3
    assert model.canary is None
    assert "its batches failed" in model.news


def test_what_fails_is_taken_back_and_a_healthy_version_on_trial_stays(house_of, make_bundle):
    house = house_of(make_bundle())
    model = house.models["tiny"]

    async def work():
        house.start()
        model.previous, model.current = model.current, model.opening.take(2, Path("nowhere"), make_bundle(fails=True))
        model.canary, model.share = model.opening.take(3, Path("nowhere"), make_bundle()), 0.1
        model.current.start()
        model.canary.start()
        for number in range(20):
            await asyncio.gather(house.classify(model, [f"rate {number}"], seconds=None, truncate=True), return_exceptions=True)
        await house.stop()

    asyncio.run(work())
    assert (model.current.number, model.canary.number) == (1, 3)


def test_a_version_that_is_taken_back_answers_what_it_has_begun_to_read(house_of, make_bundle, monkeypatch):
    house = house_of(make_bundle())
    model = house.models["tiny"]
    slow = type(model.current.server)._encoded

    def encoded(self, texts):
        time.sleep(0.3)
        return slow(self, texts)

    monkeypatch.setattr(type(model.current.server), "_encoded", encoded)

    async def work():
        house.start()
        model.canary, model.share = model.opening.take(2, Path("nowhere"), make_bundle()), 1.0
        model.canary.start()
        asked = asyncio.ensure_future(house.classify(model, ["rate " * 1000], seconds=5.0, truncate=True))
        await asyncio.sleep(0.1)
        await house.roll_back("tiny")
        reply, version = await asked
        await house.stop()
        return reply, version

    reply, version = asyncio.run(work())
    assert version.number == 2
    assert len(reply.answers) == 1


def test_the_open_inference_protocol_asks_the_version_it_names(start, house, folders):
    client = start(house)
    client.post("/admin/models/tiny", {"bundle": str(folders[1]), "share": 0.5})
    body = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["rate"]}]}
    for number in ("1", "2"):
        for _ in range(6):
            response = client.post(f"/v2/models/tiny/versions/{number}/infer", body)
            assert response.json["model_version"] == response.headers["x-model-version"] == number
    assert client.get("/v2/models/tiny").json["versions"] == ["1", "2"]
    for _ in range(6):
        response = client.post("/v2/models/tiny/infer", body)
        assert response.json["model_version"] == response.headers["x-model-version"]


class Other:
    """Answers as another session does, but for every n-th text."""

    runtime, precision, threads = "onnxruntime", "fp32", 1

    def __init__(self, session, every):
        self.session, self.every, self.count = session, every, 0

    def scores(self, arrays):
        scores = self.session.scores(arrays)
        for row in scores:
            self.count += 1
            if self.count % self.every == 0:
                row[:] = np.roll(row, 1)
        return scores


def promised(folder, reseal, **facts):
    verdict = {"margin_points": 1.0, "confidence": 0.95, "agreement": 0.999, "disagreement_upper_points": 0.5} | facts
    (folder / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    reseal(folder)
    return folder


@pytest.fixture
def reseal():
    from smelt.runtime.manifest import read_manifest, seal

    def write(folder):
        (folder / "manifest.sha256").unlink()
        (folder / "manifest.json").unlink()
        seal(folder, Manifest(**FACTS))
        read_manifest(folder)

    return write


def shadowed(folder, every, texts, **facts):
    opening = Opening(name="tiny", limits=Limits(), metrics=House(Limits()).metrics, watching=Watching(reference=folder, share=1.0))
    version = opening.open(1, folder)
    session = version.shadow._server.bundle.session
    object.__setattr__(version.shadow._server.bundle, "session", Other(session, every))

    async def work():
        version.start()
        for number in range(texts):
            await version.server.classify([f"rate {'cut ' * (number % 5)} bond {number}"])
            while len(version.shadow._tasks) > 30:
                await asyncio.sleep(0.001)
        while version.shadow._tasks:
            await asyncio.sleep(0.01)
        version.stop()

    asyncio.run(work())
    return version.shadow.look()


def test_a_reference_that_answers_alike_gives_a_live_certificate(folders, reseal):
    seen = shadowed(promised(folders[0], reseal), 10**9, 800)
    assert seen.compared == seen.drawn == seen.answered == 800
    assert seen.share_achieved == 1.0
    assert seen.label_bias == 0.0
    assert seen.certificate is True
    assert seen.alarm is False


def test_a_reference_that_answers_otherwise_raises_the_alarm(folders, reseal):
    seen = shadowed(promised(folders[0], reseal), 20, 600)
    assert seen.alarm is True
    assert seen.certificate is False
    assert seen.bounds.lower > 0.005


def test_what_cannot_be_reached_is_not_offered(folders, reseal):
    seen = shadowed(promised(folders[0], reseal, agreement=0.97, disagreement_upper_points=4.0), 50, 200)
    assert seen.certificate is None
    assert seen.alarm is False


def test_without_a_promise_there_is_no_statement(folders):
    seen = shadowed(folders[0], 50, 50)
    assert (seen.certificate, seen.alarm) == (None, None)


def test_texts_unlike_those_of_training_are_seen(sealed_bundle, tmp_path, reseal):
    from smelt.runtime.bundle import open_bundle
    from smelt.runtime.predict import answer_texts
    from smelt.runtime.profile import make_profile, write_profile

    folder, bundle = shutil.copytree(sealed_bundle, tmp_path / "profiled"), open_bundle(sealed_bundle)
    texts = [f"rate {'cut ' * (number % 4)}" for number in range(600)]
    part = answer_texts(bundle, texts)
    write_profile(folder, make_profile(part.predictions, part.lengths, part.unknown, bundle.labels))
    reseal(folder)

    def looked(ask):
        version = Opening(name="tiny", limits=Limits(), metrics=House(Limits()).metrics).open(1, folder)

        async def work():
            version.start()
            for start in range(0, 600, 50):
                await asyncio.gather(*(version.server.classify([ask(start + number)]) for number in range(50)))
            version.stop()

        asyncio.run(work())
        return version.drift.look()

    alike = looked(lambda number: texts[number] + " " * number)
    assert alike.texts == 600
    assert alike.labels < 0.01
    assert alike.lengths < 0.01
    assert alike.unknown == alike.unknown_in_training == 0.0
    other = looked(lambda number: f"央行 bond bond {number}")
    assert other.lengths > 0.25
    assert other.unknown > 0.1


def test_administration_needs_its_key(tmp_path, start, house, folders):
    from smelt.serve.keys import make_key, read_keys

    secrets = {scope: make_key(tmp_path / "keys.json", scope, (scope,)) for scope in ("predict", "admin")}
    client = start(house, Rules(keys=read_keys(tmp_path / "keys.json")))
    body = {"bundle": str(folders[1])}
    assert client.post("/admin/models/tiny", body, Authorization=f"Bearer {secrets['predict']}").status == 403
    assert client.post("/admin/models/tiny", body, Authorization=f"Bearer {secrets['admin']}").status == 200
