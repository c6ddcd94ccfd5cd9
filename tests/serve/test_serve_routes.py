"""The wire formats of other servers, as their clients see them."""

import numpy as np
import pytest

from smelt.runtime.bundle import open_bundle

JSON = {"content-type": "application/json"}


def test_predict_answers_as_text_embeddings_inference_does(client, sealed_bundle):
    want = open_bundle(sealed_bundle).answers(["rate cut"])
    response = client.post("/predict", {"inputs": "rate cut"})
    assert response.status == 200
    assert response.json[0]["label"] == want.predictions[0]
    np.testing.assert_allclose([one["score"] for one in response.json], sorted(want.probabilities[0], reverse=True), atol=1e-6)
    assert client.post("/predict", {"inputs": ["rate cut"]}).json == response.json
    batch = client.post("/predict", {"inputs": [["rate cut"], ["bond"]]}).json
    assert len(batch) == 2
    assert [one["label"] for one in batch[0]] == [one["label"] for one in response.json]
    logs = client.post("/predict", {"inputs": "rate cut", "raw_scores": True}).json
    np.testing.assert_allclose(np.exp([one["score"] for one in logs]), [one["score"] for one in response.json], rtol=1e-5)
    for name in ("compute-time", "total-time", "tokenization-time", "queue-time", "inference-time", "compute-tokens", "compute-characters"):
        assert response.headers[f"x-{name}"].isdigit()
    assert "inference;dur=" in response.headers["server-timing"]


@pytest.mark.parametrize("inputs", [["a", "b"], [["a", "b"]], [["a"], ["b", "c"]], [], [[]]])
def test_pairs_are_refused(client, inputs):
    response = client.post("/predict", {"inputs": inputs})
    assert response.status == 422
    assert response.json["error_type"] == "validation"
    assert response.json["error"].startswith("inputs")


def test_truncation_is_told_or_refused(client):
    long = "rate " * 50
    assert client.post("/predict", {"inputs": long}).status == 413
    response = client.post("/predict", {"inputs": [[long], ["rate"]], "truncate": True})
    assert response.status == 200
    assert response.headers["x-truncated"] == "1"
    assert [one["truncated"] for one in client.post("/v1/classify", {"input": [long, "rate"]}).json["data"]] == [True, False]


def test_hugging_faces_client_works(client):
    from huggingface_hub import InferenceClient

    found = InferenceClient(f"http://127.0.0.1:{client.port}", token="-").text_classification("rate cut")
    assert [one.label for one in found] == [one["label"] for one in client.post("/predict", {"inputs": "rate cut"}).json]


def test_info_names_model_labels_and_limits(client):
    info = client.get("/info").json
    assert info["model_id"] == "tiny"
    assert info["model_type"]["classifier"]["id2label"] == {"0": "down", "1": "up", "2": "中"}
    assert info["max_input_length"] == 9


def test_classify_answers_as_vllm_does(client, sealed_bundle):
    want = open_bundle(sealed_bundle).answers(["rate cut", "bond"])
    found = client.post("/v1/classify", {"model": "tiny", "input": ["rate cut", "bond"], "user": "me"}).json
    assert found["object"] == "list"
    assert [one["label"] for one in found["data"]] == want.predictions
    np.testing.assert_allclose([one["probs"] for one in found["data"]], want.probabilities, atol=1e-6)
    assert [one["num_classes"] for one in found["data"]] == [3, 3]
    assert found["usage"]["total_tokens"] == 7
    assert client.post("/classify", {"input": "rate cut"}).json["data"][0]["label"] == want.predictions[0]


def test_models_are_listed_with_what_is_certified(client):
    found = client.get("/v1/models").json
    assert found["models"] == ["tiny"]
    assert found["data"][0]["certified"] is False
    assert client.get("/v1/models/tiny").json["labels"] == ["down", "up", "中"]
    missing = client.get("/v1/models/other")
    assert missing.status == 404
    assert missing.json["error"]["code"] == "not_found"


def test_the_open_inference_protocol_answers_in_json(client, sealed_bundle):
    want = open_bundle(sealed_bundle).answers(["rate cut", "央"])
    body = {"id": "7", "inputs": [{"name": "text", "shape": [2, 1], "datatype": "BYTES", "data": [["rate cut"], ["央"]]}]}
    found = client.post("/v2/models/tiny/infer", body).json
    assert (found["model_name"], found["model_version"], found["id"]) == ("tiny", "1", "7")
    tensors = {one["name"]: one for one in found["outputs"]}
    assert tensors["label"]["data"] == want.predictions
    assert tensors["probabilities"]["shape"] == [2, 3]
    np.testing.assert_allclose(tensors["probabilities"]["data"], want.probabilities.ravel(), atol=1e-6)
    assert client.get("/v2").json["name"] == "smelt"
    assert client.get("/v2/models/tiny").json["inputs"][0]["datatype"] == "BYTES"
    assert client.get("/v2/models/tiny/versions/1/ready").status == 200
    assert client.get("/v2/models/tiny/versions/9/ready").status == 404
    assert client.get("/v2/health/ready").status == client.get("/v2/health/live").status == 200


def packed(texts):
    return b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)


def test_the_open_inference_protocol_reads_and_writes_binary_tensors(client, sealed_bundle):
    import json

    want = open_bundle(sealed_bundle).answers(["rate cut", "央"])
    tail = packed(["rate cut", "央"])
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(tail)}}
    wanted = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "probabilities", "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": [tensor], "outputs": wanted}).encode()
    response = client.post("/v2/models/tiny/infer", head + tail, **{"Inference-Header-Content-Length": str(len(head))})
    assert response.status == 200
    size = int(response.headers["inference-header-content-length"])
    outputs, rest = json.loads(response.raw[:size])["outputs"], response.raw[size:]
    labels = packed(want.predictions)
    assert rest[: len(labels)] == labels
    np.testing.assert_allclose(np.frombuffer(rest[len(labels) :], np.float32), want.probabilities.ravel(), atol=1e-6)
    assert [one["parameters"]["binary_data_size"] for one in outputs] == [len(packed(want.predictions)), 24]


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [3]}, {"shape": [-1, -2]}, {"data": [1, 2]}, {"data": [["a", ["b"]]]},
        {"parameters": {"binary_data_size": 99}}, {"parameters": {"binary_data_size": "9"}}, {"data": []},
    ],
)  # fmt: skip
def test_tensors_that_make_no_sense_are_refused(client, change):
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]} | change
    response = client.post("/v2/models/tiny/infer", {"inputs": [tensor]})
    assert response.status == 400
    assert list(response.json) == ["error"]


def test_live_and_ready_differ(client):
    assert client.get("/health/live").json == {"status": "live"}
    assert client.get("/health/ready").json == {"status": "ready", "models": ["tiny"]}
    assert client.get("/health").status == client.get("/ping").status == 200


def test_metrics_count_requests_batches_labels(client):
    client.post("/v1/classify", {"input": ["rate cut", "bond"]}, **{"x-request-id": "mine"})
    lines = client.get("/metrics").raw.decode().splitlines()
    found = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
    assert found['smelt_requests_total{route="/v1/classify",status="200"}'] == 1
    assert found['smelt_tokens_total{model="tiny"}'] == 7
    assert found['smelt_batch_texts_sum{model="tiny"}'] == 2
    assert sum(value for name, value in found.items() if name.startswith("smelt_answers_total")) == 2
    assert found['smelt_confidence_count{model="tiny"}'] == 2
    assert found["smelt_ready"] == 1


def test_a_request_keeps_its_number(client):
    assert client.post("/predict", {"inputs": "a"}, **{"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert client.post("/predict", {"inputs": "a"}, **{"x-request-id": "a b\tc"}).headers["x-request-id"] != "a b\tc"
