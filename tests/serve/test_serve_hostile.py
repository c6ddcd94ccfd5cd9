"""What clients send that mean no good, or err: each is refused with its status, and the server lives on."""

import json
import socket
import time

import pytest

from smelt.serve.guard import Rules
from smelt.serve.keys import make_key, read_keys


@pytest.fixture
def small(start, house_of, make_bundle):
    return start(house_of(make_bundle(), body_bytes=10_000, inputs=5, characters=500, body_seconds=0.3))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"\xff\xfe", 400), (b'{"input": "\xff"}', 400), (b"{" * 5000, 400), (b'{"input":' + b"[" * 4000, 400), (b"null", 422),
        (b'{"input": []}', 422), (b'{"input": {"a": 1}}', 422), (b'{"input": [1]}', 422), (b'{"input": null}', 422), (b"{}", 422),
        (b'{"input": "\\ud800"}', 400), (json.dumps({"input": ["a"] * 6}).encode(), 413), (json.dumps({"input": "a" * 501}).encode(), 413),
        (json.dumps({"input": "a" * 20_000}).encode(), 413), (b'{"input": "a", "model": "../../etc/passwd"}', 404),
        (b'{"input": "a", "model": 3}', 422), (b'"' + b'\\"' * 4900, 400), (b'{"input": NaN}', 422), (b'{"input": 1e999}', 422),
    ],
)  # fmt: skip
def test_bodies(small, body, status):
    response = small.post("/v1/classify", body)
    assert response.status == status, response.raw
    assert set(response.json["error"]) == {"message", "type", "param", "code"}
    assert small.post("/v1/classify", {"input": "rate"}).status == 200


def test_a_body_that_says_no_length_is_cut_off_when_it_is_too_long(small):
    with socket.create_connection(("127.0.0.1", small.port), timeout=10) as wire:
        wire.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent, answer = 0, b""
        wire.settimeout(0.005)
        while not answer and sent < 10_000_000:
            try:
                wire.sendall(b"400\r\n" + b"a" * 1024 + b"\r\n")
                sent += 1024
                answer = wire.recv(100)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        assert answer.startswith(b"HTTP/1.1 413")
        assert sent < 1_000_000


def test_a_body_that_never_ends_is_given_up(small):
    with socket.create_connection(("127.0.0.1", small.port), timeout=10) as wire:
        wire.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
        started = time.monotonic()
        assert wire.recv(100).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "path", ["/v1/models/..%2f..%2fetc%2fpasswd", "/v2/models/%2e%2e/infer", "//etc/passwd", "/v2/models/a%00b", "/%ff"]
)
def test_tricks_with_paths(small, path):
    assert small.get(path).status in (404, 405)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "evil.example:8080", "[::2]", "", "127.0.0.1@evil.example"],
)
def test_foreign_hosts_are_refused_but_for_probes(small, host):
    assert small.get("/v1/models", Host=host).status == 403
    assert small.get("/health/live", Host=host).status == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:80", "LOCALHOST:1"])
def test_own_names_are_not(small, host):
    assert small.get("/v1/models", Host=host).status == 200


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
def test_pages_of_other_sites_may_not_ask(small, headers):
    assert small.post("/predict", {"inputs": "a"}, **headers).status == 403


def test_own_pages_and_allowed_sites_may(start, house_of, make_bundle):
    client = start(house_of(make_bundle()), Rules(origins=("https://friend.example",), hosts=("api.example",)))
    own = f"127.0.0.1:{client.port}"
    assert client.post("/predict", {"inputs": "a"}, Origin=f"http://{own}", Host=own).status == 200
    assert client.post("/predict", {"inputs": "a"}, Origin="https://friend.example").status == 200
    assert client.post("/predict", {"inputs": "a"}, Host="api.example").status == 200


def test_keys_open_what_their_scopes_say(tmp_path, start, house_of, make_bundle):
    path = tmp_path / "keys.json"
    secrets = {name: make_key(path, name, (name,)) for name in ("predict", "metrics", "admin")}
    assert not any(secret in path.read_text(encoding="utf-8") for secret in secrets.values())
    assert path.stat().st_mode & 0o077 == 0
    client = start(house_of(make_bundle()), Rules(keys=read_keys(path)))
    bearer = {name: {"Authorization": f"Bearer {secret}"} for name, secret in secrets.items()}
    assert client.post("/predict", {"inputs": "a"}).status == 401
    assert client.post("/predict", {"inputs": "a"}, Authorization="Bearer smelt-wrong").status == 401
    assert client.post("/predict", {"inputs": "a"}, **bearer["predict"]).status == 200
    assert client.post("/predict", {"inputs": "a"}, **{"x-api-key": secrets["predict"]}).status == 200
    assert client.post("/predict", {"inputs": "a"}, **bearer["metrics"]).status == 403
    assert client.get("/metrics", **bearer["predict"]).status == 403
    assert client.get("/metrics", **bearer["metrics"]).status == 200
    assert client.get("/metrics", **bearer["admin"]).status == 200
    assert client.get("/health/ready").status == 200


@pytest.mark.parametrize("said", ["0", "-5", "1.5", "soon", "1" * 400, "1" * 5000])
def test_deadlines_that_make_no_sense(small, said):
    response = small.post("/predict", {"inputs": "a"}, **{"x-request-timeout-ms": said})
    assert response.status == 400


def test_a_deadline_of_the_client_is_kept(start, house_of, make_bundle):
    client = start(house_of(make_bundle(seconds=0.5)))
    started = time.monotonic()
    response = client.post("/predict", {"inputs": "a"}, **{"x-request-timeout-ms": "100"})
    assert response.status == 504
    assert time.monotonic() - started < 0.4


def test_the_text_of_an_exception_is_not_told(start, house_of, make_bundle):
    client = start(house_of(make_bundle(fails=True)))
    for path, body in (("/predict", {"inputs": "a"}), ("/v1/classify", {"input": "a"})):
        response = client.post(path, body)
        assert response.status == 500
        assert b"secret" not in response.raw


def test_who_comes_while_the_server_is_behind_is_refused_at_once(start, house_of, make_bundle):
    house = house_of(make_bundle())
    client = start(house)
    house.lag = 1.0
    response = client.post("/predict", {"inputs": "a"})
    assert response.status == 429
    assert response.headers["retry-after"]
    assert client.get("/health/ready").status == 200
    house.lag = 0.0
    assert client.post("/predict", {"inputs": "a"}).status == 200


def test_strings_that_never_end_are_read_once():
    from smelt.serve.body import check_depth

    began = time.perf_counter()
    for body in (b'"' + b'\\"' * 500_000, b'{"a": "' + b"x" * 1_000_000, b'"' * 1_000_001, b"[" * 10 + b'"' + b"\\" * 999_999):
        check_depth(body, 16)
    assert time.perf_counter() - began < 3


def test_pages_of_allowed_sites_are_let_in_by_browsers(start, house_of, make_bundle):
    client = start(house_of(make_bundle()), Rules(origins=("https://friend.example",)))
    asked = client.ask("OPTIONS", "/v1/classify", headers={"Origin": "https://friend.example", "Access-Control-Request-Method": "POST"})
    assert asked.status == 204
    assert asked.headers["access-control-allow-origin"] == "https://friend.example"
    assert "content-type" in asked.headers["access-control-allow-headers"]
    answered = client.post("/v1/classify", {"input": "a"}, Origin="https://friend.example")
    assert answered.headers["access-control-allow-origin"] == "https://friend.example"
    assert "access-control-allow-origin" not in client.ask("OPTIONS", "/v1/classify", headers={"Origin": "https://evil.example"}).headers


def test_a_text_that_is_too_long_to_be_explained_is_refused(client):
    long = "rate cut " * 20_000
    assert client.post("/explain", {"text": long, "method": "shapley"}).status == 413
    assert client.post("/explain", {"text": "rate cut bond", "method": "shapley"}).status == 200
    assert client.post("/explain", {"text": "rate", "label": "no"}).status == 404
    assert client.post("/explain", {"text": ""}).json["words"] == []
