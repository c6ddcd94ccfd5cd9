"""What is watched, and how bundles are exchanged: `/live`, `/admin/models/{model}`."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from smelt.serve.call import Call
from smelt.serve.house import Model
from smelt.serve.version import Version


class ExchangeRequest(BaseModel):
    """Another bundle for a name."""

    model_config = ConfigDict(strict=True, extra="forbid")
    bundle: str = Field(description="its folder, inside the one that --bundles names", min_length=1, max_length=4096, pattern=r"^[^\x00]*$")
    share: float = Field(default=1.0, gt=0, le=1, description="of the requests that it answers; below 1 on trial")


class VersionFacts(BaseModel):
    """Of a bundle that is open."""

    number: int
    sha256: str
    created: int
    name: str
    runtime: str
    precision: str
    certified: bool
    waiting: int
    failed: int = Field(description="of the last 20 batches")
    promise: dict[str, Any] | None = Field(description="what certification said")
    shadow: dict[str, Any] | None = Field(description="how it compares with its reference")
    drift: dict[str, Any] | None = Field(description="how far its texts are from those of training")


class ModelFacts(BaseModel):
    """Of a name that clients ask."""

    name: str
    share: float = Field(description="of the requests that the version on trial answers")
    news: str
    behind: int = Field(description="processes that had not followed the last order when it was answered; 0 where one process answers")
    versions: dict[str, VersionFacts]


class LiveFacts(BaseModel):
    """Of the server."""

    models: list[ModelFacts]
    ready: bool
    figures: dict[str, float]


EXCHANGE = TypeAdapter(ExchangeRequest)


async def live(call: Call) -> dict[str, Any]:
    """`GET /live`: each model's versions, what waits, how it compares with its reference, how its texts have drifted."""
    return {
        "models": [_told(model) for model in call.house.models.values()],
        "ready": call.house.ready,
        "figures": call.house.metrics.recent.look(),
    }


async def exchange(call: Call) -> dict[str, Any]:
    """`POST /admin/models/{model}`: open another bundle and let it answer."""
    asked = call.parse(EXCHANGE)
    name = call.request.path_params["model"]
    await call.house.exchange(name, Path(asked.bundle), asked.share)
    return _told(call.house.find(name))


async def promote(call: Call) -> dict[str, Any]:
    """`POST /admin/models/{model}/promote`: let the version on trial answer everything."""
    name = call.request.path_params["model"]
    await call.house.promote(name)
    return _told(call.house.find(name))


async def roll_back(call: Call) -> dict[str, Any]:
    """`POST /admin/models/{model}/rollback`: end the trial, or go back to the version before."""
    name = call.request.path_params["model"]
    await call.house.roll_back(name)
    return _told(call.house.find(name))


def _told(model: Model) -> dict[str, Any]:
    roles = {"current": model.current, "canary": model.canary, "previous": model.previous}
    return {
        "name": model.name, "share": model.share if model.canary else 0.0, "news": model.news,
        "behind": model.behind,
        "versions": {role: _told_version(version) for role, version in roles.items() if version},
    }  # fmt: skip


def _told_version(version: Version) -> dict[str, Any]:
    manifest, worker = version.bundle.manifest, version.server.worker
    return {
        "number": version.number, "sha256": version.sha, "created": version.created, "name": manifest.name, "runtime": manifest.runtime,
        "precision": manifest.precision, "certified": manifest.certified, "waiting": len(worker.queue), "failed": sum(version.fate),
        "promise": asdict(version.promise) if version.promise else None,
        "shadow": _finite(asdict(version.shadow.look())) if version.shadow else None,
        "drift": _finite(asdict(version.drift.look())) if version.drift else None,
    }  # fmt: skip


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()}
