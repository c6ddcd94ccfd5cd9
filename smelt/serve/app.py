"""The routes of the server, and what stands around them."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from smelt.language import say
from smelt.serve import admin, health, oip, openai, page, tei, why
from smelt.serve.call import Handler, endpoint, refuse
from smelt.serve.faults import STATUS, Code, Namespace, Refusal
from smelt.serve.guard import App, Guard, Rules, namespace_of
from smelt.serve.house import House


@dataclass(frozen=True, slots=True)
class Path:
    """A route: what answers it, what it takes and gives."""

    path: str
    method: str
    handler: Handler
    takes: type[BaseModel] | None = None
    gives: Any = None
    media: str = "application/json"
    """Of the answer."""

    @property
    def namespace(self) -> Namespace:
        """Whose clients ask."""
        return namespace_of(self.path, self.method)


ROUTES = (
    Path("/predict", "POST", tei.predict, tei.PredictRequest, list[tei.Score] | list[list[tei.Score]]),
    Path("/", "POST", tei.pipeline, tei.PredictRequest, list[list[tei.Score]]),
    Path("/info", "GET", tei.info, gives=tei.Info),
    Path("/v1/classify", "POST", openai.classify, openai.ClassifyRequest, openai.ClassifyResponse),
    Path("/classify", "POST", openai.classify, openai.ClassifyRequest, openai.ClassifyResponse),
    Path("/v1/models", "GET", openai.models, gives=openai.ModelList),
    Path("/v1/models/{model}", "GET", openai.model, gives=openai.ModelCard),
    Path("/v2", "GET", oip.server, gives=oip.ServerFacts),
    Path("/v2/health/live", "GET", oip.live, gives=oip.Live),
    Path("/v2/health/ready", "GET", oip.ready, gives=oip.Ready),
    Path("/v2/models/{model}", "GET", oip.metadata, gives=oip.ModelFacts),
    Path("/v2/models/{model}/ready", "GET", oip.ready, gives=oip.Ready),
    Path("/v2/models/{model}/infer", "POST", oip.infer, oip.InferRequest, oip.InferResponse),
    Path("/v2/models/{model}/versions/{version}", "GET", oip.metadata, gives=oip.ModelFacts),
    Path("/v2/models/{model}/versions/{version}/ready", "GET", oip.ready, gives=oip.Ready),
    Path("/v2/models/{model}/versions/{version}/infer", "POST", oip.infer, oip.InferRequest, oip.InferResponse),
    Path("/explain", "POST", why.why, why.ExplainRequest, why.ExplainResponse),
    Path("/health", "GET", health.ready, gives=health.Ready),
    Path("/health/live", "GET", health.live, gives=health.Live),
    Path("/health/ready", "GET", health.ready, gives=health.Ready),
    Path("/ping", "GET", health.live, gives=health.Live),
    Path("/live", "GET", admin.live, gives=admin.LiveFacts),
    Path("/admin/models/{model}", "POST", admin.exchange, admin.ExchangeRequest, admin.ModelFacts),
    Path("/admin/models/{model}/promote", "POST", admin.promote, gives=admin.ModelFacts),
    Path("/admin/models/{model}/rollback", "POST", admin.roll_back, gives=admin.ModelFacts),
    Path("/models/{model}/certificate", "GET", page.certificate, gives=page.Certificate),
    Path("/metrics", "GET", health.metrics, media="text/plain"),
    Path("/", "GET", page.page, media="text/html"),
    Path("/docs", "GET", page.docs, media="text/html"),
    Path("/page/{name}", "GET", page.part, media="text/javascript"),
)


def build_app(house: House, rules: Rules) -> App:
    """Return the application.

    Args:
        house: its models; started before the first request.
        rules: whom it answers.
    """
    document = Path("/openapi.json", "GET", page.document(ROUTES, keys=bool(rules.keys)))
    routes = [
        Route(one.path, endpoint(house, one.namespace, one.handler), methods=[one.method]) for one in (*ROUTES, document)
    ]  # fmt: skip
    inner = Starlette(routes=_by_path(routes), exception_handlers={HTTPException: _known_by_status})
    return Guard(inner, house, rules)


def _by_path(routes: list[Route]) -> list[Route]:
    """Let what answers the same path by another method stand side by side: Starlette refuses the method by the first of them."""
    found: dict[str, Route] = {}
    for route in routes:
        other = found.get(route.path)
        found[route.path] = route if other is None else _either(other, route)
    return list(found.values())


def _either(first: Route, second: Route) -> Route:
    async def answer(request: Request) -> Response:
        chosen = first if request.method in (first.methods or ()) else second
        return await chosen.endpoint(request)

    return Route(first.path, answer, methods=[*(first.methods or ()), *(second.methods or ())])


def _known_by_status(request: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses: an unknown path, another method."""
    assert isinstance(error, HTTPException)
    codes: dict[int, Code] = {status: code for code, status in STATUS.items()}
    code = codes.get(error.status_code, "bad_request")
    message = {"not_found": say("there is nothing under this path"), "method_not_allowed": say("this path does not take that method")}
    response = refuse(Refusal(code, message.get(code, code)), namespace_of(request.url.path, request.method))
    response.headers.update(error.headers or {})
    return response
