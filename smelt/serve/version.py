"""One bundle behind a name: what answers, what is watched while it does."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from smelt.errors import BundleFault, UsageFault
from smelt.language import say
from smelt.run.disk import sha256_file
from smelt.runtime.bundle import Bundle, open_bundle
from smelt.runtime.manifest import FILE, read_manifest
from smelt.runtime.profile import read_profile
from smelt.serve.drift import Drift
from smelt.serve.limits import Limits
from smelt.serve.metrics import Metrics
from smelt.serve.priority import made_politely
from smelt.serve.service import Server
from smelt.serve.shadow import Promise, Shadow
from smelt.serve.worker import Run

_VERDICT = "verdict.json"
_LAST = 20
_MOST_FAILED = 3
"""Of the last batches: with more a bundle is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """How bundles are watched."""

    reference: Path | None = None
    """Bundle to compare with."""
    share: float = 0.0
    """Of the texts. Fraction."""


@dataclass(slots=True, eq=False)
class Version:
    """A bundle that was opened and warmed."""

    number: int
    folder: Path
    bundle: Bundle
    server: Server
    sha: str
    """Of the manifest, which holds those of all files."""
    created: int
    promise: Promise | None = None
    drift: Drift | None = None
    shadow: Shadow | None = None
    fate: list[bool] = field(default_factory=list)
    """Whether each of the last batches failed."""

    def hear(self, run: Run) -> None:
        """Take a batch in."""
        self.fate = [*self.fate, run.answers is None][-_LAST:]
        if self.drift:
            self.drift.hear(run)
        if self.shadow:
            self.shadow.hear(run)

    @property
    def fails(self) -> bool:
        """Whether too many of the last batches failed."""
        return sum(self.fate) >= _MOST_FAILED

    @property
    def alarmed(self) -> bool:
        """Whether it answers differently from the reference more often than certification bounded."""
        return bool(self.shadow and self.shadow.look().alarm)

    def start(self) -> None:
        """Begin to answer, in the running event loop."""
        self.server.start()
        if self.shadow:
            self.shadow.start()

    def stop(self) -> None:
        """Work off what waits, then end; blocks."""
        self.server.stop()
        if self.shadow:
            self.shadow.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What opens bundles for one name."""

    name: str
    limits: Limits
    metrics: Metrics
    threads: int | None = None
    """None: with which a single text was answered fastest."""
    watching: Watching = Watching()

    def open(self, number: int, folder: Path) -> Version:
        """Open a bundle, and let it answer batches of some shapes.

        Raises:
            BundleFault: it, or the reference, is damaged or unsafe.
        """
        bundle = open_bundle(folder, threads=self.threads or max(1, read_manifest(folder).threads))
        version = self.take(number, folder, bundle)
        version.sha = sha256_file(folder / FILE)
        version.promise = _read_promise(folder)
        if profile := read_profile(folder):
            version.drift = Drift(profile, getattr(bundle.codec.encoder, "unknown", None))
        if self.watching.reference and self.watching.share:
            version.shadow = Shadow(self._reference(self.watching.reference, bundle), self.watching.share, version.promise)
            version.shadow.warm()
        version.server.worker.warm()
        return version

    @staticmethod
    def _reference(folder: Path, bundle: Bundle) -> Bundle:
        """Open what to compare with.

        Raises:
            UsageFault: it answers other labels.
        """
        found = made_politely(lambda: open_bundle(folder, threads=1))
        if set(found.labels) != set(bundle.labels):
            raise UsageFault(say("{folder}: the reference answers other labels than the bundle", folder=folder))
        return found

    def take(self, number: int, folder: Path, bundle: Bundle) -> Version:
        """Return a bundle that is open already."""
        server = Server(bundle, self.limits)
        version = Version(number, folder, bundle, server, "", int(time.time()))
        server.hear(self.metrics.watch(self.name, pads=server.worker.cost.pads))
        server.hear(version.hear)
        return version


def _read_promise(folder: Path) -> Promise | None:
    """Return what certification said; None where the bundle has no verdict.

    Raises:
        BundleFault: the file is something else.
    """
    path = folder / _VERDICT
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Promise(
            margin=float(found["margin_points"]) / 100, confidence=float(found["confidence"]), disagreement=1 - float(found["agreement"]),
            upper=float(found["disagreement_upper_points"]) / 100,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleFault(say("{path}: unreadable: {reason}", path=path, reason=error)) from error
