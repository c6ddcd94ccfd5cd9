"""The models that a server answers with, by name; each can be exchanged while it answers, and taken back."""

import asyncio
import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from smelt.errors import BundleFault, SmeltError
from smelt.language import say
from smelt.runtime.bundle import Bundle
from smelt.runtime.manifest import FILE
from smelt.serve.faults import Refusal
from smelt.serve.limits import Limits
from smelt.serve.metrics import Metrics
from smelt.serve.orders import Order, Orders, Standing
from smelt.serve.service import Reply
from smelt.serve.version import Opening, Version, Watching

_LOG = logging.getLogger("smelt.serve")
FOLLOW_SECONDS, _EVERYWHERE_SECONDS = 0.05, 30.0
"""How often orders from other processes are looked for; and how long an answer waits until all processes have done as it says."""
_GOLDEN = 0.6180339887498949
"""Multiples of it, without their whole part, fill the unit interval evenly: a share of the requests is the share of those below it."""


@dataclass(slots=True, eq=False)
class Model:
    """A name that clients ask. Whoever answers is one pointer: a request is answered by one version, a batch holds texts of one version."""

    opening: Opening
    current: Version
    canary: Version | None = None
    """Answers a share of the requests on trial."""
    share: float = 0.0
    previous: Version | None = None
    """Answered before; open still, to be taken back at once."""
    gone: bool = False
    """Others have a version before this one; here, in a process that was started later, it could not be opened."""
    news: str = ""
    """What was last exchanged, and why."""
    behind: int = 0
    """Processes of the server that had not followed when the last order was answered."""
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(2))
    requests: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def name(self) -> str:
        """By which clients ask."""
        return self.opening.name

    @property
    def bundle(self) -> Bundle:
        """The bundle that answers most requests."""
        return self.current.bundle

    def pick(self) -> Version:
        """Return the version that answers the next request."""
        if self.canary is None or next(self.requests) * _GOLDEN % 1 >= self.share:
            return self.current
        return self.canary

    def versions(self) -> list[Version]:
        """Return all that are open."""
        return [one for one in (self.current, self.canary, self.previous) if one]

    def tell(self, news: str) -> None:
        """Write down what was exchanged."""
        self.news = news
        _LOG.warning("%s: %s", self.name, news)


@dataclass(slots=True, eq=False)
class House:
    """All models, and the state of the server."""

    limits: Limits
    bundles: Path | None = None
    """Folder in which bundles must lie that are to be exchanged for others; None: nothing can be."""
    metrics: Metrics = field(default_factory=Metrics)
    models: dict[str, Model] = field(default_factory=dict)
    ready: bool = False
    """Whether balancers shall send requests here."""
    draining: bool = False
    """Whether requests are refused, as the server is about to end."""
    cancelled: int = 0
    """Requests that were taken on and not answered, as the server's end could not wait for them any longer."""
    lag: float = 0.0
    """Seconds that the event loop is behind: what it does late it reads late, too."""
    rolls_back_on_alarm: bool = False
    orders: Orders | None = None
    """Where several processes answer together: what all of them have to do."""
    _opened: dict[str, Version] = field(default_factory=dict)
    _given: set[tuple[str, int]] = field(default_factory=set)
    _places: dict[str, int] = field(default_factory=dict)

    def open(self, name: str, folder: Path, *, threads: int | None = None, watching: Watching | None = None) -> Model:
        """Open a bundle, let it answer once, and give it a name.

        Raises:
            BundleFault: it is damaged or unsafe.
        """
        opening = Opening(name=name, limits=self.limits, metrics=self.metrics, threads=threads, watching=watching or Watching())
        self.models[name] = Model(opening, opening.open(1, folder))
        return self.models[name]

    def start(self) -> None:
        """Begin to answer, in the running event loop."""
        for model in self.models.values():
            model.current.start()
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
        versions = [version for model in self.models.values() for version in model.versions()]
        await asyncio.gather(*(asyncio.to_thread(version.stop) for version in versions))

    def find(self, name: str | None) -> Model:
        """Return a model; without a name the first one.

        Raises:
            Refusal: there is none of that name.
        """
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            names = ", ".join(self.models)
            raise Refusal("not_found", say("there is no model of that name; there are: {names}", names=names), parameter="model")
        return self.models[name]

    async def classify(
        self, model: Model, texts: Sequence[str], *, seconds: float | None, truncate: bool, version: Version | None = None
    ) -> tuple[Reply, Version]:  # fmt: skip
        """Answer some texts, by a version or by whose turn it is; return who did.

        Raises:
            Refusal: see `Server.classify`; or the server is about to end.
        """
        if self.draining:
            raise Refusal("draining", say("the server is not ready"), retry_after=1.0)
        version = version or model.pick()
        try:
            return await version.server.classify(texts, seconds=seconds, truncate=truncate), version
        finally:
            self._look_after(model)

    async def exchange(self, name: str, folder: Path, share: float) -> Version:
        """Open another bundle for a name, and let it answer: all requests from now on, or a share of them on trial.

        Raises:
            Refusal: the folder lies elsewhere than it may, the bundle is damaged, or answers other labels.
        """
        model = self.find(name)
        if self.bundles is None or not folder.resolve().is_relative_to(self.bundles.resolve()):
            raise Refusal("forbidden", say("bundles have to lie in the folder that --bundles names"), parameter="bundle")
        try:
            version = await asyncio.to_thread(model.opening.open, 0, folder)
        except (SmeltError, OSError) as error:
            _LOG.warning("%s: %s", name, error)
            raise Refusal("unprocessable", say("the bundle was refused; the server's log has the reason"), parameter="bundle") from None
        if version.bundle.labels != model.bundle.labels:
            raise Refusal("unprocessable", say("the bundle answers other labels"), parameter="bundle")
        await self._order(Order(action="open", model=name, bundle=str(folder.resolve()), share=share), version)
        return version

    async def promote(self, name: str) -> Version:
        """Let the version on trial answer all requests.

        Raises:
            Refusal: none is on trial.
        """
        model = self.find(name)
        if model.canary is None:
            raise Refusal("conflict", say("no version is on trial"))
        await self._order(Order(action="promote", model=name, number=model.canary.number))
        return model.current

    async def roll_back(self, name: str) -> Version:
        """End the trial; where there is none, let the version before answer again.

        Raises:
            Refusal: there is neither.
        """
        model = self.find(name)
        if model.canary is None and model.previous is None:
            raise Refusal("conflict", say("there is nothing to go back to"))
        if self._deleted(model):
            raise Refusal("conflict", say("the bundle of the version before was deleted"))
        await self._order(Order(action="roll_back", model=name, number=(model.canary or model.current).number))
        return model.current

    async def _order(self, order: Order, version: Version | None = None) -> None:
        """Have an order carried out: here, or by all processes, each after the orders before it."""
        if self.orders is None:
            self._carry_out(order, version)
            return
        if version:
            self._opened[order.sign] = version
        self.orders.give(order)
        end = time.monotonic() + _EVERYWHERE_SECONDS
        number, model = 0, self.models[order.model]
        while time.monotonic() < end:
            number = number or self._places.get(order.sign, 0)
            model.behind = self.orders.behind(number) if number else 1
            if not model.behind:
                return
            await asyncio.sleep(FOLLOW_SECONDS)
        _LOG.warning("%s: %s", model.name, say("{n} processes have not followed yet", n=model.behind))

    async def follow(self) -> None:
        """Carry out what was ordered since the last time, wherever it was.

        Raises:
            BundleFault: a bundle cannot be opened here, though it could elsewhere.
        """
        if self.orders is None:
            return
        for number, order in enumerate(self.orders.fresh(), start=self.orders.done + 1):
            version = self._opened.pop(order.sign, None)
            if order.action == "open" and version is None:
                opening = self.models[order.model].opening
                version = await asyncio.to_thread(opening.open, 0, Path(order.bundle))
            self._carry_out(order, version)
            self._places[order.sign] = number
            self.orders.carried_out(number)

    async def catch_up(self) -> None:
        """Come, in a process that starts later than others, to where their orders have led; open only what answers now.

        Raises:
            BundleFault: a bundle cannot be opened.
        """
        if self.orders is None:
            return
        found = {name: Standing() for name in self.models}
        orders = self.orders.fresh()
        for order in orders:
            found[order.model].after(order)
        for name, standing in found.items():
            await self._stand(self.models[name], standing)
        self.orders.carried_out(len(orders))

    async def _stand(self, model: Model, standing: Standing) -> None:
        async def opened(role: tuple[int, str | None] | None) -> Version | None:
            if role is None or role[1] is None:
                return role and first
            version = await asyncio.to_thread(model.opening.open, role[0], Path(role[1]))
            version.start()
            return version

        first = model.current
        model.current, model.canary = await opened(standing.current) or first, await opened(standing.canary)
        try:
            model.previous = await opened(standing.previous)
        except (SmeltError, OSError) as error:
            _LOG.warning("%s: %s", model.name, say("the version before cannot be taken back in this process: {reason}", reason=error))
            model.gone = True
        if first not in model.versions():
            self._retire(first)
        model.share, model.numbers = standing.share, itertools.count(standing.last + 1)

    def _carry_out(self, order: Order, version: Version | None) -> None:
        model = self.models[order.model]
        if order.action == "promote":
            if model.canary and model.canary.number == order.number:
                version, model.canary = model.canary, None
                self._put_first(model, version)
        elif order.action == "roll_back":
            if model.canary and model.canary.number == order.number:
                self._take_back(model, model.canary, order.reason)
            elif model.current.number == order.number and (model.previous or model.gone):
                if model.previous is None:
                    raise BundleFault(say("the version before cannot be opened"))
                self._take_back(model, model.current, order.reason)
        elif version:
            self._begin(model, version, order.share)

    def _begin(self, model: Model, version: Version, share: float) -> None:
        """Let a version that was opened answer, all requests or a share of them."""
        version.number = next(model.numbers)
        version.start()
        if model.canary:
            self._retire(model.canary)
            model.canary = None
        if share < 1:
            model.canary, model.share = version, share
            model.tell(say("version {number} is on trial for {share:.0%} of the requests", number=version.number, share=share))
        else:
            self._put_first(model, version)

    def _take_back(self, model: Model, version: Version, reason: str = "") -> None:
        """End a trial, or let the version before answer again."""
        if version is model.canary:
            model.canary = None
        else:
            assert model.previous is not None
            model.current, model.previous = model.previous, None
        self._retire(version)
        model.tell(say("version {number} was taken back", number=version.number) + (f": {reason}" if reason else ""))

    def observe(self) -> None:
        """Write down how much waits now."""
        for model in self.models.values():
            queues = [version.server.worker.queue for version in model.versions()]
            self.metrics.waiting.labels(model.name).set(sum(map(len, queues)))
            self.metrics.waiting_tokens.labels(model.name).set(sum(queue.tokens for queue in queues))
            if model.current.shadow:
                self.metrics.observe_shadow(model.name, model.current.shadow.look())

    def _put_first(self, model: Model, version: Version) -> None:
        before, model.current, model.gone = model.current, version, False
        if model.previous:
            self._retire(model.previous)
        model.previous = before
        model.tell(say("version {number} answers", number=version.number))

    def _look_after(self, model: Model) -> None:
        """Take back what fails, or, where that is asked for, what has drifted from its reference."""
        for version in (model.canary, model.current if model.previous else None):
            if version and version.fails:
                self._give_up(model, version, say("its batches failed"))
            elif version and self.rolls_back_on_alarm and version.alarmed:
                self._give_up(model, version, say("it answers differently from the reference more often than certification bounded"))

    def _deleted(self, model: Model) -> bool:
        """Say whether other processes could not follow back, as what they would have to open is no longer there."""
        before = model.previous if model.canary is None else None
        return bool(self.orders and before and not (before.folder / FILE).is_file())

    def _give_up(self, model: Model, version: Version, reason: str) -> None:
        """Take a version back; where several processes answer, one that notices is enough."""
        order = Order(action="roll_back", model=model.name, number=version.number, reason=reason)
        if self.orders is None:
            self._carry_out(order, None)
        elif (model.name, version.number) not in self._given and not self._deleted(model):
            self._given.add((model.name, version.number))
            self.orders.give(order)

    @staticmethod
    def _retire(version: Version) -> None:
        """Let a version work off what waits for it, and end."""
        asyncio.get_running_loop().run_in_executor(None, version.stop)
