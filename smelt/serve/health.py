"""Is the server alive, ready, warm? And its figures."""

from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from smelt.language import say
from smelt.serve.call import Call
from smelt.serve.faults import Refusal
from smelt.serve.metrics import CONTENT_TYPE


class Live(BaseModel):
    """The process answers."""

    status: str


class Ready(BaseModel):
    """Bundles are open and warm."""

    status: str
    models: list[str]


async def live(_call: Call) -> dict[str, Any]:
    """`GET /health/live` and `/ping`: the process answers."""
    return {"status": "live"}


async def ready(call: Call) -> dict[str, Any]:
    """`GET /health/ready` and `/health`: bundles are open and warm, and the server is not about to end.

    Raises:
        Refusal: it is not.
    """
    if not call.house.ready:
        raise Refusal("draining", say("the server is not ready"), retry_after=1.0)
    return {"status": "ready", "models": list(call.house.models)}


async def metrics(call: Call) -> Response:
    """`GET /metrics`: for Prometheus."""
    call.house.observe()
    return Response(call.house.metrics.text(), media_type=CONTENT_TYPE)
