"""The routes of the server, and what stands around them."""

from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from smelt.language import say
from smelt.serve import admin, health, oip, openai, tei
from smelt.serve.call import Handler, endpoint, refuse
from smelt.serve.faults import STATUS, Code, Refusal
from smelt.serve.guard import App, Guard, Rules, namespace_of
from smelt.serve.house import House


@dataclass(frozen=True, slots=True)
class Path:
    """A route: what answers it."""

    path: str
    method: str
    handler: Handler


ROUTES = (
    Path("/predict", "POST", tei.predict),
    Path("/", "POST", tei.pipeline),
    Path("/info", "GET", tei.info),
    Path("/v1/classify", "POST", openai.classify),
    Path("/classify", "POST", openai.classify),
    Path("/v1/models", "GET", openai.models),
    Path("/v1/models/{model}", "GET", openai.model),
    Path("/v2", "GET", oip.server),
    Path("/v2/health/live", "GET", oip.live),
    Path("/v2/health/ready", "GET", oip.ready),
    Path("/v2/models/{model}", "GET", oip.metadata),
    Path("/v2/models/{model}/ready", "GET", oip.ready),
    Path("/v2/models/{model}/infer", "POST", oip.infer),
    Path("/v2/models/{model}/versions/{version}", "GET", oip.metadata),
    Path("/v2/models/{model}/versions/{version}/ready", "GET", oip.ready),
    Path("/v2/models/{model}/versions/{version}/infer", "POST", oip.infer),
    Path("/health", "GET", health.ready),
    Path("/health/live", "GET", health.live),
    Path("/health/ready", "GET", health.ready),
    Path("/ping", "GET", health.live),
    Path("/metrics", "GET", health.metrics),
    Path("/live", "GET", admin.live),
    Path("/admin/models/{model}", "POST", admin.exchange),
    Path("/admin/models/{model}/promote", "POST", admin.promote),
    Path("/admin/models/{model}/rollback", "POST", admin.roll_back),
)


def build_app(house: House, rules: Rules) -> App:
    """Return the application.

    Args:
        house: its models; started before the first request.
        rules: whom it answers.
    """
    routes = [
        Route(one.path, endpoint(house, namespace_of(one.path, one.method), one.handler), methods=[one.method]) for one in ROUTES
    ]  # fmt: skip
    inner = Starlette(routes=routes, exception_handlers={HTTPException: _known_by_status})
    return Guard(inner, house, rules)


def _known_by_status(request: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses: an unknown path, another method."""
    assert isinstance(error, HTTPException)
    codes: dict[int, Code] = {status: code for code, status in STATUS.items()}
    code = codes.get(error.status_code, "bad_request")
    message = {"not_found": say("there is nothing under this path"), "method_not_allowed": say("this path does not take that method")}
    response = refuse(Refusal(code, message.get(code, code)), namespace_of(request.url.path, request.method))
    response.headers.update(error.headers or {})
    return response
