"""`smelt serve` as a process: it starts, answers, and ends without losing what it took on."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from smelt.cli.main import main
from smelt.cli.serve import named
from smelt.errors import UsageFault
from smelt.serve.keys import read_keys
from smelt.serve.listener import Place, let_nobody_in, listen
from tests.serve.conftest import served

ATTACH_FILTER, LOCK_FILTER = 26, 44
"""Of Linux. After the second one no filter can be set, by anybody."""


@pytest.fixture
def process(sealed_bundle):
    with served(sealed_bundle) as found:
        yield found


def test_nothing_that_was_taken_on_is_lost_when_it_is_told_to_end(process):
    found, client = process
    codes, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                codes.append(client.post("/v1/classify", {"input": ["rate cut", "bond"]}).status)
            except ConnectionRefusedError:
                return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    found.send_signal(signal.SIGTERM)
    assert found.wait(15) == 0
    stop.set()
    for thread in threads:
        thread.join(10)
    assert len(codes) > 20
    assert set(codes) <= {200, 503}


def test_it_says_that_it_is_not_ready_before_it_stops_to_listen(process):
    found, client = process
    assert client.get("/health/ready").status == 200
    found.send_signal(signal.SIGTERM)
    time.sleep(0.15)
    response = client.get("/health/ready")
    assert response.status == 503
    assert response.headers["retry-after"]
    assert client.get("/health/live").status == 200
    assert client.post("/predict", {"inputs": "rate"}).status == 200
    assert found.wait(15) == 0


def test_other_machines_need_keys(sealed_bundle, capsys):
    assert main(["serve", str(sealed_bundle), "--host", "0.0.0.0"]) == 2
    assert "there are no keys" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(process, sealed_bundle, capsys):
    _, client = process
    assert main(["serve", str(sealed_bundle), "--port", str(client.port)]) == 5
    assert f"127.0.0.1:{client.port}" in capsys.readouterr().err


def test_a_folder_that_is_no_bundle_is_refused(tmp_path, capsys):
    assert main(["serve", str(tmp_path), "--port", "0"]) == 5
    assert "no bundle" in capsys.readouterr().err


def test_a_bundle_is_called_after_its_run(tmp_path):
    run = tmp_path / "tickets" / "export" / "bundle"
    run.mkdir(parents=True)
    assert named([str(run), f"b={run}"]) == {"tickets": run, "b": run}
    with pytest.raises(UsageFault, match="two bundles are named 'tickets'"):
        named([str(run), str(run)])


def test_keys_are_made_and_shown_once(tmp_path, capsys):
    path = tmp_path / "keys.json"
    assert main(["key", "ann", "--file", str(path)]) == 0
    assert main(["key", "bob", "--file", str(path), "--scope", "metrics", "--scope", "admin"]) == 0
    secret = capsys.readouterr().out.split()[0]
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert [(key["name"], key["scopes"]) for key in kept] == [("ann", ["predict"]), ("bob", ["metrics", "admin"])]
    assert secret not in json.dumps(kept)
    assert main(["key", "ann", "--file", str(path)]) == 2
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    assert main(["key", "ann", "--file", str(tmp_path / "other.json")]) == 2


@pytest.fixture
def crew(sealed_bundle):
    with served(sealed_bundle, "--workers", "2") as found:
        yield found


def members(process):
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts processes by ps")
def test_several_processes_answer_at_one_address_and_one_that_dies_is_replaced(crew):
    found, client = crew
    first = members(found)
    assert len(first) == 2
    for number in range(40):
        assert client.post("/predict", {"inputs": f"rate {number}"}).status == 200
    lines = client.get("/metrics").raw.decode().splitlines()
    counted = next(line for line in lines if line.startswith('smelt_requests_total{route="/predict",status="200"}'))
    assert float(counted.split()[-1]) == 40
    os.kill(first[0], signal.SIGKILL)
    deadline = time.monotonic() + 20
    while len(set(members(found)) - {first[0]}) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(set(members(found)) - {first[0]}) == 2
    for number in range(10):
        assert client.post("/predict", {"inputs": f"bond {number}"}).status == 200
    found.send_signal(signal.SIGTERM)
    assert found.wait(20) == 0
    with pytest.raises(ConnectionRefusedError):
        client.get("/health")


def test_cores_are_shared_evenly():
    from smelt.serve.crew import share_cores

    assert share_cores([0, 1, 2, 3, 8], 2) == [[0, 1], [2, 3, 8]]
    assert share_cores([4, 5], 2) == [[4], [5]]
    assert share_cores([4, 5], 3) == [[4], [5], [4]]
    assert share_cores([1, 2, 3], 1) == [[1, 2, 3]]


def test_answers_are_sent_at_once(client):
    """Head and body are two writes; held back until the first is acknowledged, they take 40 ms."""
    import http.client

    connection, seconds = http.client.HTTPConnection("127.0.0.1", client.port), []
    for number in range(20):
        began = time.perf_counter()
        connection.request("POST", "/predict", json.dumps({"inputs": f"rate {number}"}))
        connection.getresponse().read()
        seconds.append(time.perf_counter() - began)
    connection.close()
    assert sorted(seconds)[5] < 0.03


def test_a_file_without_keys_opens_nothing(sealed_bundle, tmp_path, capsys):
    (tmp_path / "keys.json").write_text("[]", encoding="utf-8")
    assert main(["serve", str(sealed_bundle), "--port", "0", "--keys", str(tmp_path / "keys.json")]) == 2
    assert "no key in it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--port", "99999"), "from 0 to 65535"), (("--port", "-1"), "from 0 to 65535"), (("--threads", "0"), "from 1"),
        (("--workers", "0"), "from 1"), (("--timeout", "0"), "above 0"), (("--max-wait", "soon"), "above 0"),
        (("--max-inputs", "0"), "from 1"),
        (("--bundles", "/nowhere/at/all"), "no such folder"), (("--shadow", "1%"), "needs the bundle to compare with"),
        (("--shadow", "150%", "--reference", "x"), "want a share"), (("--reference", "other=x"), "no bundle is named other"),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused_with_what_is_accepted(sealed_bundle, capsys, options, said):
    try:
        code = main(["serve", str(sealed_bundle), *([] if "--port" in options else ["--port", "0"]), *options])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert said in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="packet filters of Linux")
def test_a_kernel_that_refuses_the_filter_leaves_the_listener_as_it_is():
    with listen(Place(port=0)) as listener:
        let_nobody_in(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(listener.getsockname(), timeout=0.2)
    with listen(Place(port=0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, LOCK_FILTER, 1)
        with pytest.raises(PermissionError):
            listener.setsockopt(socket.SOL_SOCKET, ATTACH_FILTER, bytes(16))
        let_nobody_in(listener)
        with socket.create_connection(listener.getsockname(), timeout=5):
            accepted, _ = listener.accept()
            accepted.close()


def test_keys_that_may_not_be_read_are_no_missing_keys(tmp_path, monkeypatch):
    path = tmp_path / "keys.json"
    path.write_text("[]", encoding="utf-8")

    def refused(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "read_text", refused)
    with pytest.raises(UsageFault, match="may not be read by the user that serves") as caught:
        read_keys(path)
    assert "owner" in caught.value.step


def test_onnx_runtime_does_not_tell_its_maker():
    told = subprocess.run(
        [sys.executable, "-c", "import os, smelt; print(os.environ['ORT_DISABLE_TELEMETRY'])"],
        capture_output=True, text=True, check=True, env={key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"},
    )  # fmt: skip
    assert told.stdout.strip() == "1"
