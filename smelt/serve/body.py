"""Read a request's body with its caps enforced while it comes, and parse it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from smelt.language import say
from smelt.serve.faults import Refusal
from smelt.serve.limits import Limits

# Nothing of it is tried twice: a string that never ends would otherwise be read again from each of its quotes.
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?|[\[{]|[\]}]', re.DOTALL)
Receive = Callable[[], Awaitable[Any]]
Shape = TypeVar("Shape", bound=BaseModel)


class ClientLeft(Exception):
    """The client closed the connection before it had an answer."""


async def read_body(headers: Mapping[str, str], receive: Receive, limits: Limits) -> bytes:
    """Return the whole body.

    Raises:
        Refusal: it is too large, by what it says or by what comes, or too slow.
        ClientLeft: it never ended.
    """
    try:
        said = int(headers.get("content-length", "0"))
    except ValueError:
        said = 0
    if said > limits.body_bytes:
        raise _too_large(limits)
    parts, size = [], 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                part = message.get("body", b"")
                size += len(part)
                if size > limits.body_bytes:
                    raise _too_large(limits)
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise Refusal("timeout", say("the request took more than {n} seconds to come", n=limits.body_seconds)) from None


def parse(raw: bytes, shape: TypeAdapter[Shape], limits: Limits) -> Shape:
    """Return the body as one of our shapes.

    Raises:
        Refusal: it is no JSON, nested too deeply, or of another shape; the message names the field.
    """
    check_depth(raw, limits.depth)
    try:
        return shape.validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith(("function-", "list[", "str"))) or None
        code = "bad_request" if first["type"] == "json_invalid" else "unprocessable"
        message = first["msg"] if place is None else f"{place}: {first['msg']}"
        raise Refusal(code, message, parameter=place) from None


def check_depth(raw: bytes, most: int) -> None:
    """Refuse what is nested more deeply than that.

    Raises:
        Refusal: it is.
    """
    depth = 0
    for match in _BRACKETS.finditer(raw):
        first = raw[match.start()]
        if first in b"[{":
            depth += 1
            if depth > most:
                raise Refusal("bad_request", say("nested more deeply than {n} levels", n=most))
        elif first in b"]}":
            depth -= 1


def check_texts(texts: list[str], limits: Limits, parameter: str) -> None:
    """Refuse too many or too long texts.

    Raises:
        Refusal: there are none, more than a request may have, or one is too long.
    """
    if not texts:
        raise Refusal("bad_request", say("no text is given"), parameter=parameter)
    if len(texts) > limits.inputs:
        raise Refusal(
            "too_large", say("{n} texts are more than the {most} of a request", n=len(texts), most=limits.inputs), parameter=parameter
        )
    for place, text in enumerate(texts):
        if len(text) > limits.characters:
            raise Refusal(
                "too_large", say("text {place} has more than {most} characters", place=place, most=limits.characters), parameter=parameter
            )


def _too_large(limits: Limits) -> Refusal:
    return Refusal("too_large", say("the body has more than {n} bytes", n=limits.body_bytes))
