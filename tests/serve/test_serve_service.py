import asyncio

import numpy as np
import pytest

from smelt.runtime.bundle import open_bundle
from smelt.serve.faults import Refusal
from smelt.serve.limits import Limits
from smelt.serve.service import Server


def serving(bundle, work, **limits):
    """Run a coroutine with a server of this bundle."""

    async def whole():
        server = Server(bundle, Limits(**limits))
        server.start()
        try:
            return await work(server)
        finally:
            await asyncio.to_thread(server.stop)

    return asyncio.run(whole())


def test_the_answers_are_those_of_predict_in_their_order(sealed_bundle):
    texts = ["rate cut", "", "bond", "央行", "rate cuts bond " * 5, "rate cut"]

    async def work(server):
        return await asyncio.gather(server.classify(texts), *(server.classify([text]) for text in texts))

    bundle = open_bundle(sealed_bundle)
    want = bundle.answers(texts)
    together, *alone = serving(bundle, work)
    assert [answer.label for answer in together.answers] == want.predictions
    for number, reply in enumerate(alone):
        np.testing.assert_allclose(reply.answers[0].probabilities, want.probabilities[number], atol=1e-6)
        assert reply.answers[0].confidence == pytest.approx(float(want.confidences[number]), abs=1e-6)
    assert [answer.truncated for answer in together.answers] == [False, False, False, False, True, False]
    assert together.tokens == sum(answer.tokens for answer in together.answers)


def test_identical_texts_are_computed_once(make_bundle):
    bundle = make_bundle(seconds=0.05)

    async def work(server):
        return await asyncio.gather(server.classify(["rate"]), *(server.classify(["cut", "cut"]) for _ in range(5)))

    first, *rest = serving(bundle, work)
    assert sum(map(len, bundle.session.batches)) == 2
    assert len(first.answers) == 1
    assert all(len(reply.answers) == 2 for reply in rest)


def test_what_comes_too_late_is_refused_and_not_computed(make_bundle):
    bundle = make_bundle()
    bundle.session.held.clear()

    async def work(server):
        first = asyncio.ensure_future(server.classify(["rate"]))
        await asyncio.sleep(0.05)
        with pytest.raises(Refusal, match="deadline") as caught:
            await server.classify(["cut bond"], seconds=0.05)
        bundle.session.held.set()
        await first
        return caught.value

    assert serving(bundle, work).status == 504
    assert bundle.session.batches == [[3]]


def test_work_of_clients_that_left_is_not_done(make_bundle):
    bundle = make_bundle()
    bundle.session.held.clear()

    async def work(server):
        first = asyncio.ensure_future(server.classify(["rate"]))
        await asyncio.sleep(0.05)
        leaving = asyncio.ensure_future(server.classify(["cut bond", "bond"]))
        staying = asyncio.ensure_future(server.classify(["bond"]))
        await asyncio.sleep(0.05)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        bundle.session.held.set()
        await first
        return await staying

    assert serving(bundle, work).answers[0].tokens == 3
    assert bundle.session.batches == [[3], [3]]


@pytest.mark.parametrize("fault", [{"fails": True}, {"bad": True}])
def test_a_model_that_fails_is_told_without_its_reason_and_the_server_lives(make_bundle, fault, caplog):
    bundle = make_bundle(**fault)

    async def work(server):
        with pytest.raises(Refusal) as caught:
            await server.classify(["rate"])
        bundle.session.fails = bundle.session.bad = False
        await server.classify(["rate"])
        return caught.value

    refusal = serving(bundle, work)
    assert refusal.status == 500
    assert "secret" not in refusal.message
    assert ("the secret reason" in caplog.text) == ("fails" in fault)  # whoever runs the server is told


def test_what_would_wait_too_long_is_refused_at_once_with_a_time_to_come_again(make_bundle):
    bundle = make_bundle(seconds=0.02)

    async def work(server):
        await server.classify(["rate"])  # now it is known what one costs
        first = [asyncio.ensure_future(server.classify([f"bond {n}"])) for n in range(3)]
        await asyncio.sleep(0.005)
        big = asyncio.ensure_future(server.classify([f"rate {n}" for n in range(200)]))
        await asyncio.sleep(0.005)
        found = await asyncio.gather(*(server.classify([f"cut {n}"]) for n in range(100)), return_exceptions=True)
        await asyncio.gather(*first, big)
        return found

    found = serving(bundle, work, wait_seconds=0.05, batch_texts=1)
    refused = [one for one in found if isinstance(one, Refusal)]
    assert 50 < len(refused) < 100
    assert all(one.status == 429 and one.retry_after > 0 for one in refused)


def test_a_small_request_does_not_wait_behind_all_of_a_large_one(make_bundle):
    bundle = make_bundle(seconds=0.005)

    async def work(server):
        for _ in range(5):
            await server.classify(["rate"])
        large = asyncio.ensure_future(server.classify([f"rate {'cut ' * (n % 5)}{n}" for n in range(100)]))
        await asyncio.sleep(0.02)
        await server.classify(["bond bond"])
        done = large.done()
        await large
        return done

    assert not serving(bundle, work, wait_seconds=10.0, batch_texts=1)


def test_a_text_that_may_not_be_cut_is_refused(make_bundle):
    async def work(server):
        with pytest.raises(Refusal, match="longer than the 9 tokens") as caught:
            await server.classify(["rate " * 20], truncate=False)
        return caught.value

    assert serving(make_bundle(), work).status == 413


def test_stopping_answers_what_waits(make_bundle):
    bundle = make_bundle(seconds=0.02)

    async def whole():
        server = Server(bundle, Limits(batch_texts=1))
        server.start()
        waiting = [asyncio.ensure_future(server.classify([f"rate {n}"])) for n in range(10)]
        await asyncio.sleep(0.01)
        await asyncio.to_thread(server.stop)
        return await asyncio.gather(*waiting)

    assert len(asyncio.run(whole())) == 10


def test_one_text_that_the_model_cannot_bear_fails_alone(make_bundle):
    bundle = make_bundle()
    plain = bundle.session.scores

    class Choosy:
        runtime, precision, threads = "onnxruntime", "fp32", 1

        def scores(self, arrays):
            scores = plain(arrays)
            scores[np.diff(arrays.offsets) == 5] = np.nan
            return scores

    object.__setattr__(bundle, "session", Choosy())
    bundle_session = plain.__self__
    bundle_session.held.clear()

    async def work(server):
        first = asyncio.ensure_future(server.classify(["rate"]))
        await asyncio.sleep(0.05)
        rest = [asyncio.ensure_future(server.classify([text])) for text in ("rate cut", "rate cut bond", "bond cut")]
        await asyncio.sleep(0.05)
        bundle_session.held.set()
        await first
        return await asyncio.gather(*rest, return_exceptions=True)

    found = serving(bundle, work, padding=1.0)
    assert [isinstance(one, Refusal) for one in found] == [False, True, False]


def test_a_request_that_cannot_be_done_in_its_time_is_refused_before_work(make_bundle):
    bundle = make_bundle(seconds=0.02)

    async def work(server):
        for number in range(8):
            await server.classify([f"rate {number}"])
        with pytest.raises(Refusal) as caught:
            await server.classify([f"bond {'cut ' * 5}{number}" for number in range(500)], seconds=0.1)
        return caught.value

    assert serving(bundle, work).status in (429, 504)
