"""The models that a server answers with, by name."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from smelt.language import say
from smelt.run.disk import sha256_file
from smelt.runtime.bundle import Bundle, open_bundle
from smelt.runtime.manifest import FILE, read_manifest
from smelt.serve.faults import Refusal
from smelt.serve.limits import Limits
from smelt.serve.metrics import Metrics
from smelt.serve.service import Reply, Server


@dataclass(slots=True, eq=False)
class Model:
    """A name that clients ask, and the bundle that answers for it now."""

    name: str
    folder: Path
    server: Server
    created: int
    sha: str
    """Of the bundle's manifest, which holds those of its files."""
    version: int = 1

    @property
    def bundle(self) -> Bundle:
        """The bundle that answers."""
        return self.server.bundle


@dataclass(slots=True, eq=False)
class House:
    """All models, and the state of the server."""

    limits: Limits
    metrics: Metrics = field(default_factory=Metrics)
    models: dict[str, Model] = field(default_factory=dict)
    ready: bool = False
    """Whether balancers shall send requests here."""
    draining: bool = False
    """Whether requests are refused, as the server is about to end."""

    def open(self, name: str, folder: Path, *, threads: int | None = None) -> Model:
        """Open a bundle, let it answer once, and give it a name.

        Raises:
            BundleFault: it is damaged or unsafe.
        """
        bundle = open_bundle(folder, threads=threads or open_threads(folder))
        server = Server(bundle, self.limits)
        server.hear(self.metrics.watch(name, pads=server.worker.cost.pads))
        server.worker.warm()
        self.models[name] = Model(name, folder, server, int(time.time()), sha256_file(folder / FILE))
        return self.models[name]

    def start(self) -> None:
        """Begin to answer, in the running event loop."""
        for model in self.models.values():
            model.server.start()
        self.ready = True
        self.metrics.ready.set(1)

    def leave(self) -> None:
        """Say that requests should go elsewhere; those that come are still answered."""
        self.ready = False
        self.metrics.ready.set(0)

    def drain(self) -> None:
        """Take no more requests; those that are here are answered."""
        self.draining = True

    async def stop(self) -> None:
        """Work off what waits, then end all threads."""
        await asyncio.gather(*(asyncio.to_thread(model.server.stop) for model in self.models.values()))

    def find(self, name: str | None) -> Model:
        """Return a model; without a name the first one.

        Raises:
            Refusal: there is none of that name.
        """
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            raise Refusal(
                "not_found", say("there is no model of that name; there are: {names}", names=", ".join(self.models)), parameter="model"
            )
        return self.models[name]

    async def classify(self, model: Model, texts: Sequence[str], *, seconds: float | None, truncate: bool) -> Reply:
        """Answer some texts.

        Raises:
            Refusal: see `Server.classify`; or the server is about to end.
        """
        if self.draining:
            raise Refusal("draining", say("the server is not ready"), retry_after=1.0)
        return await model.server.classify(texts, seconds=seconds, truncate=truncate)

    def observe(self) -> None:
        """Write down how much waits now."""
        for model in self.models.values():
            queue = model.server.worker.queue
            self.metrics.waiting.labels(model.name).set(len(queue))
            self.metrics.waiting_tokens.labels(model.name).set(queue.tokens)


def open_threads(folder: Path) -> int:
    """Return with how many threads a bundle answered a single text fastest, as its manifest says."""
    return max(1, read_manifest(folder).threads)
