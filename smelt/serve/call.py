"""One request of a client: its body, its deadline, its answer's headers; and what all routes do alike."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import trace
from pydantic import TypeAdapter
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from smelt.language import say
from smelt.serve.body import ClientLeft, Shape, check_texts, parse, read_body
from smelt.serve.faults import Namespace, Refusal
from smelt.serve.house import House, Model
from smelt.serve.service import Reply
from smelt.serve.version import Version

TIMEOUT = "x-request-timeout-ms"
"""Header by which a client says how long it will wait."""
_CLOSED = 499
_NUMBER = re.compile(r"[0-9]{1,9}")
_LOG = logging.getLogger("smelt.serve")
_TRACER = trace.get_tracer("smelt")


@dataclass(slots=True, eq=False)
class Call:
    """A request that is being answered."""

    house: House
    request: Request
    raw: bytes
    started: float
    headers: dict[str, str] = field(default_factory=dict)
    """Of the answer."""
    version: str = ""
    """That answered."""

    def parse(self, shape: TypeAdapter[Shape]) -> Shape:
        """Return the body as one of our shapes.

        Raises:
            Refusal: it is no such thing.
        """
        return parse(self.raw, shape, self.house.limits)

    async def classify(
        self, model: Model, texts: list[str], *, parameter: str, truncate: bool = True, checked: bool = False,
        version: Version | None = None,
    ) -> Reply:  # fmt: skip
        """Answer some texts; note in the headers where the time went.

        Args:
            model: to ask.
            texts: of the request.
            parameter: field that they came in.
            truncate: whether texts may be cut.
            checked: whether they need no check, as they are ours.
            version: that shall answer; None: whose turn it is.

        Raises:
            Refusal: see `Server.classify`; or there are too many texts, or too long ones.
        """
        if not checked:
            check_texts(texts, self.house.limits, parameter)
        with _TRACER.start_as_current_span("smelt.classify", attributes={"smelt.model": model.name, "smelt.texts": len(texts)}) as span:
            reply, version = await self.house.classify(model, texts, seconds=self._seconds(), truncate=truncate, version=version)
            span.set_attribute("smelt.tokens", reply.tokens)
            span.set_attribute("smelt.queue_seconds", reply.queue)
        self.version = str(version.number)
        self.headers["x-model-version"] = self.version
        self.headers |= _timing(reply, sum(map(len, texts)), time.perf_counter() - self.started)
        return reply

    def _seconds(self) -> float | None:
        said = self.request.headers.get(TIMEOUT)
        if said is None:
            return None
        if not _NUMBER.fullmatch(said) or not int(said):
            raise Refusal("bad_request", say("{header} wants a whole number of milliseconds", header=TIMEOUT), parameter=TIMEOUT)
        return int(said) / 1000


Handler = Callable[[Call], Awaitable[Any]]


def endpoint(house: House, namespace: Namespace, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers requests of one route: reads the body, leaves off when the client does, and renders refusals for its clients."""

    async def answer(request: Request) -> Response:
        started = time.perf_counter()
        try:
            raw = await read_body(request.headers, request.receive, house.limits) if request.method == "POST" else b""
            call = Call(house, request, raw, started)
            body = await _unless_gone(handler(call), request)
            if isinstance(body, Response):
                body.headers.update(call.headers)
                return body
            return Response(to_json(body), media_type="application/json", headers=call.headers)
        except Refusal as refusal:
            return refuse(refusal, namespace)
        except ClientLeft:
            return Response(status_code=_CLOSED)
        except Exception:  # noqa: BLE001  whatever it was, the client gets an answer, and the log the reason
            _LOG.exception("%s %s failed", request.method, request.scope["route"].path)
            return refuse(Refusal("internal", say("the server failed on this request; its log has the reason")), namespace)

    return answer


def refuse(refusal: Refusal, namespace: Namespace) -> Response:
    """Return a refusal as a response."""
    kind = "application/problem+json" if namespace == "own" else "application/json"
    return Response(to_json(refusal.body(namespace)), refusal.status, refusal.headers(), kind)


async def _unless_gone(work: Awaitable[Any], request: Request) -> Any:  # noqa: ANN401  whatever the handler answers
    """Wait for the work, and cancel it when the client leaves first.

    Raises:
        ClientLeft: it did.
    """
    task, left = asyncio.ensure_future(work), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientLeft
        return task.result()
    finally:
        for one in (task, left):
            one.cancel()


def _timing(reply: Reply, characters: int, seconds: float) -> dict[str, str]:
    """Return where the time went: as text-embeddings-inference says it, and as browsers read it."""
    parts = {"tokenization": reply.tokenization, "queue": reply.queue, "inference": reply.inference}
    found = {f"x-{name}-time": str(round(part * 1000)) for name, part in parts.items()}
    cut: Sequence[bool] = [answer.truncated for answer in reply.answers if answer.truncated]
    return found | {
        "x-total-time": str(round(seconds * 1000)), "x-compute-type": "cpu", "x-compute-time": str(round(seconds * 1000)),
        "x-compute-characters": str(characters), "x-compute-tokens": str(reply.tokens),
        "server-timing": ", ".join(f"{name};dur={part * 1000:.3f}" for name, part in parts.items()), "x-truncated": str(len(cut)),
    }  # fmt: skip
