"""What the server answers is what its document says: fuzzed by schemathesis, asked by the real clients."""

import re
from pathlib import Path

import numpy as np
import pytest

from smelt.runtime.bundle import open_bundle
from smelt.serve.app import ROUTES


def test_every_route_is_in_the_document(client):
    document = client.get("/openapi.json").json
    assert {(path, method.upper()) for path, methods in document["paths"].items() for method in methods} == {
        (one.path, one.method) for one in ROUTES
    }
    assert document["info"]["title"] == "smelt"
    assert not [path for path, methods in document["paths"].items() for one in methods.values() if "HTTPValidationError" in str(one)]


def test_the_page_and_its_parts_load_nothing_from_elsewhere(client):
    parts = re.findall(r"(?:src|href)=\"(/page/[^\"]+)\"", client.get("/").raw.decode() + client.get("/docs").raw.decode())
    assert len(set(parts)) == 3
    for path in ("/", "/docs", *parts, "/page/words.js", "/page/table.js"):
        response = client.get(path)
        assert response.status == 200
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert not re.findall(r"https?://(?!www.w3.org/2000/svg)", response.raw.decode())
    for path in ("/page/../app.py", "/page/..%2fapp.py", "/page/index.html"):
        assert client.get(path).status == 404


def test_both_languages_have_every_word():
    text = (Path(__file__).parents[2] / "smelt/serve/pages/words.js").read_text(encoding="utf-8")
    english, chinese = (set(re.findall(r"(\w+): [\"`(]", part)) for part in text.split("zh: {"))
    assert english == chinese
    assert len(english) > 40


def test_the_pages_say_only_words_that_are_there():
    folder = Path(__file__).parents[2] / "smelt/serve/pages"
    known = set(re.findall(r"(\w+): [\"`(]", (folder / "words.js").read_text(encoding="utf-8")))
    used = set(re.findall(r'data-say="(\w+)"', (folder / "index.html").read_text(encoding="utf-8")))
    used |= set(re.findall(r'say\("(\w+)"', (folder / "page.js").read_text(encoding="utf-8")))
    assert used <= known


def test_openais_client_works(client):
    openai = pytest.importorskip("openai")
    asked = openai.OpenAI(base_url=f"http://127.0.0.1:{client.port}/v1", api_key="-")
    with asked:
        assert [one.id for one in asked.models.list()] == ["tiny"]
        assert asked.models.retrieve("tiny").owned_by == "smelt"
        with pytest.raises(openai.NotFoundError, match="no model of that name"):
            asked.models.retrieve("other")
        found = asked.post("/classify", body={"input": ["rate cut"]}, cast_to=object)
    assert found["data"][0]["label"] in ("down", "up", "中")


def test_tritons_client_works(client, sealed_bundle):
    triton = pytest.importorskip("tritonclient.http")
    want = open_bundle(sealed_bundle).answers(["rate cut", "央"])
    with triton.InferenceServerClient(f"127.0.0.1:{client.port}") as asked:
        assert asked.is_server_live()
        assert asked.is_server_ready()
        assert asked.is_model_ready("tiny")
        assert asked.get_model_metadata("tiny")["outputs"][0]["name"] == "label"
        for binary in (True, False):
            tensor = triton.InferInput("text", [2], "BYTES")
            tensor.set_data_from_numpy(np.array([b"rate cut", "央".encode()], object), binary_data=binary)
            wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("label", "probabilities")]
            found = asked.infer("tiny", [tensor], outputs=wanted)
            labels = [one.decode() if isinstance(one, bytes) else one for one in found.as_numpy("label").tolist()]
            assert labels == want.predictions
            np.testing.assert_allclose(found.as_numpy("probabilities"), want.probabilities, atol=1e-6)


CASES = 3000
PLAIN = ("/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}/infer", "/predict")
"""A tensor's shape has to fit its data, and texts that may not be cut the model, which a schema cannot say."""
KNOWN = {"model": "tiny", "version": "1"}


def test_three_thousand_cases_find_no_answer_that_the_document_does_not_have(client):
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings

    document = schemathesis.openapi.from_url(f"http://127.0.0.1:{client.port}/openapi.json")
    operations = [found.ok() for found in document.get_all_operations()]
    schemathesis.checks.load_all_checks()
    plain, seen = schemathesis.checks.CHECKS.get_by_names(["positive_data_acceptance"]), [0]
    asking = [operation for operation in operations if operation.body]
    rest = [operation for operation in operations if not operation.body]

    def fuzz(operation, mode, count):
        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=count, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )  # fmt: skip
        def try_it(case):
            seen[0] += 1
            if mode is schemathesis.GenerationMode.POSITIVE:
                case.path_parameters = {name: KNOWN.get(name, value) for name, value in (case.path_parameters or {}).items()}
            case.call_and_validate(excluded_checks=plain if operation.path in PLAIN else [])

        try_it()

    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
        for operation in asking:
            fuzz(operation, mode, CASES // (2 * len(asking)))
    for operation in rest:
        fuzz(operation, schemathesis.GenerationMode.POSITIVE, 5)
    assert seen[0] > CASES * 0.8
    assert client.get("/health/ready").status == 200
