"""The page that people see, what it is made of, and the document of the API. Nothing is fetched from elsewhere."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from smelt.language import say
from smelt.serve.call import Call, Handler
from smelt.serve.faults import Refusal
from smelt.serve.schema import openapi

_FOLDER = Path(__file__).with_name("pages")
_KINDS = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_PARTS = ("page.js", "page.css", "words.js", "table.js", "docs.js")
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer", "cache-control": "no-cache",
}  # fmt: skip
_CERTIFICATE = ("verdict.json", "frontier.json")


class Certificate(BaseModel):
    """What a bundle says of how it was certified; null where it says nothing."""

    verdict: dict[str, Any] | None
    frontier: dict[str, Any] | None


async def page(_call: Call) -> Response:
    """`GET /`: the page."""
    return _file("index.html")


async def docs(_call: Call) -> Response:
    """`GET /docs`: the API, readable without the internet."""
    return _file("docs.html")


async def part(call: Call) -> Response:
    """`GET /page/{name}`: a script or style of the page.

    Raises:
        Refusal: the page has no such part.
    """
    name = call.request.path_params["name"]
    if name not in _PARTS:
        raise Refusal("not_found", say("there is nothing under this path"))
    return _file(name)


async def certificate(call: Call) -> dict[str, Any]:
    """`GET /models/{model}/certificate`: verdict and frontier, as the bundle holds them."""
    model = call.house.find(call.request.path_params["model"])
    found: dict[str, Any] = {}
    for name in _CERTIFICATE:
        path = model.current.folder / name
        found[path.stem] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return found


def document(routes: Sequence[Any], *, keys: bool) -> Handler:
    """Return what answers `GET /openapi.json`."""

    @cache
    def whole() -> dict[str, Any]:
        return openapi(routes, keys=keys)

    async def answer(_call: Call) -> dict[str, Any]:
        """`GET /openapi.json`."""
        return whole()

    return answer


def _file(name: str) -> Response:
    path = _FOLDER / name
    return Response(path.read_bytes(), media_type=_KINDS[path.suffix], headers=_HEADERS)
