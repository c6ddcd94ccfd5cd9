"""A tiny bundle, bundles whose session does as a test says, and a server on a free port of the loopback interface."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from smelt.runtime.bundle import Bundle
from smelt.runtime.manifest import Manifest
from smelt.serve.app import build_app
from smelt.serve.guard import Rules
from smelt.serve.house import House, Model
from smelt.serve.limits import Limits
from smelt.serve.listener import Place, listen
from smelt.serve.version import Opening
from tests.runtime.conftest import FACTS, codec, sealed_bundle, static_network  # noqa: F401


@dataclass
class Session:
    """Scores the number of tokens; takes as long as it is told; notes its batches."""

    seconds: float = 0.0
    fails: bool = False
    bad: bool = False
    batches: list = field(default_factory=list)
    runtime: str = "onnxruntime"
    precision: str = "fp32"
    threads: int = 1
    held: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.held.set()

    def scores(self, arrays):
        self.held.wait(10)
        lengths = np.diff(arrays.offsets)
        self.batches.append(lengths.tolist())
        time.sleep(self.seconds)
        if self.fails:
            raise RuntimeError("the secret reason")
        scores = np.zeros((len(lengths), 3), np.float32)
        scores[np.arange(len(lengths)), lengths % 3] = 2.0
        return scores * (np.nan if self.bad else 1)


@pytest.fixture
def make_bundle(codec):  # noqa: F811
    def make(**facts):
        return Bundle(Session(**facts), codec, Manifest(**(FACTS | {"runtime": "onnxruntime", "family": "network"})))

    return make


@dataclass
class Client:
    """Asks a server, one connection per request."""

    port: int

    def ask(self, method, path, body=None, headers=None):
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, raw, headers or {})
            response = connection.getresponse()
            return Response(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post(self, path, body, **headers):
        return self.ask("POST", path, body, headers)


@dataclass
class Response:
    status: int
    headers: dict
    raw: bytes

    @property
    def json(self):
        return json.loads(self.raw)


@pytest.fixture
def start():
    """Starts a server in a thread; it ends with the test."""
    running = []

    def begin(house, rules=None):
        listener = listen(Place(port=0))
        config = uvicorn.Config(build_app(house, rules or Rules()), log_config=None, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        server.capture_signals = server.install_signal_handlers = None

        async def work():
            house.start()
            await server._serve([listener])
            await house.stop()

        thread = threading.Thread(target=asyncio.run, args=(work(),), daemon=True)
        thread.start()
        running.append((server, thread))
        while not server.started:
            time.sleep(0.005)
        return Client(listener.getsockname()[1])

    yield begin
    for server, thread in running:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@contextlib.contextmanager
def served(bundle, *options):
    """`smelt serve` as a process, and a client of it."""
    command = [sys.executable, "-m", "smelt", "serve", f"tiny={bundle}", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"SMELT_LANG": "en"}) as process:
        said = process.stdout.readline()
        assert said.startswith("tiny at http://127.0.0.1:"), said
        yield process, Client(int(said.split(":")[2].split()[0]))
        if process.poll() is None:
            process.kill()


@pytest.fixture
def house_of():
    def make(bundle, name="tiny", **limits):
        house = House(Limits(**limits))
        opening = Opening(name=name, limits=house.limits, metrics=house.metrics)
        house.models[name] = Model(opening, opening.take(1, Path("nowhere"), bundle))
        return house

    return make


@pytest.fixture
def client(start, sealed_bundle):  # noqa: F811
    house = House(Limits())
    house.open("tiny", sealed_bundle)
    return start(house)
