"""What every request passes: its number, hostile Host and Origin headers, keys, the figures of its answer."""

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from smelt.language import say
from smelt.serve.call import refuse
from smelt.serve.faults import Namespace, Refusal
from smelt.serve.house import House
from smelt.serve.keys import Key, Scope, find_key

_LOG = logging.getLogger("smelt.serve")
_NUMBER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_OPEN = ("/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/ping")
"""What answers whoever asks: probes know no keys, and name hosts as they like."""
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "authorization, content-type, x-api-key, x-request-id, x-request-timeout-ms",
    "access-control-max-age": "600",
}
_EXPOSED = ("x-request-id", "x-model-version", "x-truncated", "server-timing", "retry-after")
App = Callable[[MutableMapping[str, Any], Callable, Callable], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Whom the server answers."""

    keys: tuple[Key, ...] = ()
    """None: whoever reaches it."""
    hosts: tuple[str, ...] = ()
    """Names beside those of the loopback interface that a Host header may have; `*` for any."""
    origins: tuple[str, ...] = ()
    """Other sites whose pages may ask."""


@dataclass(slots=True, eq=False)
class Guard:
    """ASGI middleware around the whole application."""

    app: App
    house: House
    rules: Rules

    async def __call__(self, scope: MutableMapping[str, Any], receive: Callable, send: Callable) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, started, metrics = Headers(scope=scope), time.perf_counter(), self.house.metrics
        shared = self._shared(headers.get("origin"))
        said = headers.get("x-request-id", "")
        number = said if _NUMBER.fullmatch(said) else uuid.uuid4().hex
        status = [500]

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                own = [(b"x-request-id", number.encode()), (b"x-content-type-options", b"nosniff"), *shared]
                message["headers"] = [*message.get("headers", []), *own, *([] if self.house.ready else [(b"connection", b"close")])]
            await send(message)

        metrics.in_flight.inc()
        try:
            if shared and scope["method"] == "OPTIONS":
                await Response(status_code=204, headers=_PREFLIGHT)(scope, receive, sent)
                return
            self._check(scope["path"], scope["method"], headers)
            await self.app(scope, receive, sent)
        except asyncio.CancelledError:
            self.house.cancelled += 1
            raise
        except Refusal as refusal:
            await refuse(refusal, namespace_of(scope["path"], scope["method"]))(scope, receive, sent)
        finally:
            metrics.in_flight.dec()
            self._note(scope, number, status[0], time.perf_counter() - started)

    def _note(self, scope: MutableMapping[str, Any], number: str, status: int, seconds: float) -> None:
        """Count a request, and log it: no text of a client."""
        metrics, route = self.house.metrics, scope["route"].path if scope.get("route") is not None else "other"
        metrics.requests.labels(route, str(status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        if scope["method"] == "POST":
            metrics.recent.add(time.monotonic(), seconds, status)
        facts = {"request": number, "method": scope["method"], "route": route, "status": status, "ms": round(seconds * 1000, 2)}
        _LOG.info("%s", json.dumps(facts))

    def _shared(self, origin: str | None) -> list[tuple[bytes, bytes]]:
        """Return the headers that let a browser show the answer to an allowed site's page; none for others."""
        if origin is None or origin not in self.rules.origins:
            return []
        named = ", ".join(_EXPOSED).encode()
        return [(b"access-control-allow-origin", origin.encode()), (b"vary", b"Origin"), (b"access-control-expose-headers", named)]

    def _check(self, path: str, method: str, headers: Headers) -> None:
        """Refuse hostile headers and missing keys.

        Raises:
            Refusal: one of them.
        """
        if path in _OPEN:
            return
        host = headers.get("host", "")
        if "*" not in self.rules.hosts and _without_port(host) not in (*_LOOPBACK, *self.rules.hosts):
            raise Refusal("forbidden", say("this host is not served; see --allow-host"))
        self._check_site(method, headers, host)
        if method == "POST" and self.house.lag > self.house.limits.lag_seconds:
            raise Refusal("overloaded", say("too many texts wait; try again later"), retry_after=1.0)
        if self.rules.keys and not _is_page(path, method):
            self._check_key(headers, _scope_of(path))

    def _check_site(self, method: str, headers: Headers, host: str) -> None:
        """Let no other site's page ask through a reader's browser."""
        origin = headers.get("origin")
        if origin in self.rules.origins:
            return
        foreign = origin is not None and origin.partition("://")[2] != host
        if foreign or (method not in ("GET", "HEAD") and headers.get("sec-fetch-site") == "cross-site"):
            raise Refusal("forbidden", say("pages of other sites may not ask; see --allow-origin"))

    def _check_key(self, headers: Headers, scope: Scope) -> None:
        kind, _, secret = headers.get("authorization", "").partition(" ")
        secret = secret if kind.lower() == "bearer" else headers.get("x-api-key", "")
        key = find_key(self.rules.keys, secret.strip())
        if key is None:
            raise Refusal("unauthorized", say("want an API key: Authorization: Bearer KEY"))
        if scope not in key.scopes and "admin" not in key.scopes:
            raise Refusal("forbidden", say("this key may not do that; it lacks the scope {scope}", scope=scope))


def namespace_of(path: str, method: str = "POST") -> Namespace:
    """Return whose clients ask under a path."""
    if path.startswith("/v2"):
        return "oip"
    if path.startswith("/v1/") or path == "/classify":
        return "openai"
    return "tei" if path in ("/predict", "/info") or (path == "/" and method == "POST") else "own"


def _is_page(path: str, method: str) -> bool:
    """Say whether this is the page itself: whoever reaches it may see it, and give it a key."""
    return method == "GET" and (path in ("/", "/docs", "/openapi.json") or path.startswith("/page/"))


def _scope_of(path: str) -> Scope:
    if path.startswith("/admin"):
        return "admin"
    return "metrics" if path in ("/metrics", "/live") else "predict"


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name.lower() if colon and port.isdigit() else host.lower()
