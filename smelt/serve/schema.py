"""The OpenAPI document: what each route takes and gives, and each of its refusals. FastAPI writes it; no route runs through it."""

import inspect
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from smelt.serve.faults import STATUS, Namespace

_ALWAYS = (400, 403, 404, 500)
_ASKING = (408, 413, 422, 429, 503, 504)
"""Where a body is read and a model is asked."""


class TeiError(BaseModel):
    """A refusal, as clients of text-embeddings-inference know it."""

    error: str
    error_type: str


class OpenAIErrorBody(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(BaseModel):
    """A refusal, as clients of OpenAI know it."""

    error: OpenAIErrorBody


class OipError(BaseModel):
    """A refusal of the Open Inference Protocol."""

    error: str


class Problem(BaseModel):
    """A refusal as RFC 9457 writes it."""

    type: str
    title: str
    status: int
    detail: str
    parameter: str | None = None


ERRORS: dict[Namespace, type[BaseModel]] = {"tei": TeiError, "openai": OpenAIError, "oip": OipError, "own": Problem}


def openapi(routes: Sequence[Any], *, keys: bool) -> dict[str, Any]:
    """Return the document.

    Args:
        routes: `app.ROUTES`.
        keys: whether the server wants keys.
    """
    from importlib.metadata import version

    from fastapi import FastAPI

    document = FastAPI(title="smelt", version=version("smelt"), openapi_url=None, docs_url=None, redoc_url=None)
    for one in routes:
        statuses = [
            *_ALWAYS,
            *(_ASKING if one.takes or one.method == "POST" else (503,)),
            *((409,) if one.path.startswith("/admin") else ()),
            *((401,) if keys else ()),
        ]
        kind = "application/problem+json" if one.namespace == "own" else "application/json"
        told: dict[int | str, dict[str, Any]] = {
            status: {"description": _words(status), "content": {kind: {"schema": _schema(one.namespace)}}} for status in statuses
        }
        if one.gives is None:
            told[200] = {"content": {one.media: {"schema": {"type": "string"}}}}
        document.add_api_route(
            one.path, _stub(one), methods=[one.method], response_model=one.gives, responses=told, response_class=_class(one),
            description=inspect.getdoc(one.handler), operation_id=_operation(one),
        )  # fmt: skip
    found = document.openapi()
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for error in ERRORS.values():
        schema = error.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {}) | {error.__name__: schema}
    for path in found["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None) if "422" not in _own(operation) else None
    return found


def _class(one: Any) -> type[Response]:  # noqa: ANN401  a route
    return Response if one.gives is None else JSONResponse


def _own(operation: dict[str, Any]) -> set[str]:
    """Return the statuses that are ours: FastAPI adds its own 422 to whatever takes parameters."""
    return {status for status, told in operation["responses"].items() if "HTTPValidationError" not in str(told)}


def _schema(namespace: Namespace) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{ERRORS[namespace].__name__}"}


def _words(status: int) -> str:
    return next((code for code, number in STATUS.items() if number == status), str(status)).replace("_", " ")


def _stub(one: Any) -> Any:  # noqa: ANN401  a route and a function made for it
    """Return a function whose signature says what the route takes; it is never called."""

    def stub(**_: object) -> None:
        """Stand in the document."""

    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=str) for name in re.findall(r"{(\w+)}", one.path)
    ]  # fmt: skip
    if one.takes:
        parameters.append(inspect.Parameter("body", inspect.Parameter.KEYWORD_ONLY, annotation=one.takes))
    stub.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]  what inspect reads
    return stub


def _operation(one: Any) -> str:  # noqa: ANN401  a route
    return re.sub(r"\W+", "_", f"{one.method}_{one.path}").strip("_").lower()
