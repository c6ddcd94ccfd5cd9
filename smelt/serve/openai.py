"""The routes of OpenAI's and vLLM's clients: `/v1/models`, `/v1/classify`."""

import time
import uuid
from typing import Annotated, Any

from annotated_types import Len
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from smelt.serve.call import Call
from smelt.serve.house import Model


class ClassifyRequest(BaseModel):
    """One text or several."""

    model_config = ConfigDict(strict=True)
    model: str | None = Field(default=None, description="name of a model; the first one by default")
    input: str | Annotated[list[str], Len(min_length=1)] = Field(description="a text, or a list of them")


class Classified(BaseModel):
    """The answer to a text."""

    index: int
    label: str
    probs: list[float] = Field(description="in the order of the model's labels")
    num_classes: int
    confidence: float = Field(description="calibrated probability of the label")
    truncated: bool = Field(description="whether the model read only a part of the text")


class Usage(BaseModel):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int = 0


class ClassifyResponse(BaseModel):
    """The answers, in the order of the texts."""

    id: str
    object: str = "list"
    created: int
    model: str
    data: list[Classified]
    usage: Usage


class ModelCard(BaseModel):
    """A model, with what it was certified for."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "smelt"
    labels: list[str]
    runtime: str
    precision: str
    certified: bool
    sha256: str


class ModelList(BaseModel):
    """All models; `models` names them once more, for clients that look there."""

    object: str = "list"
    data: list[ModelCard]
    models: list[str]


REQUEST = TypeAdapter(ClassifyRequest)


async def classify(call: Call) -> dict[str, Any]:
    """`POST /v1/classify`."""
    asked = call.parse(REQUEST)
    model = call.house.find(asked.model)
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    reply = await call.classify(model, texts, parameter="input")
    return {
        "id": f"classify-{uuid.uuid4().hex}", "object": "list", "created": int(time.time()), "model": model.name,
        "data": [
            {
                "index": index, "label": answer.label, "probs": answer.probabilities.tolist(), "num_classes": len(answer.probabilities),
                "confidence": answer.confidence, "truncated": answer.truncated,
            }
            for index, answer in enumerate(reply.answers)
        ],
        "usage": {"prompt_tokens": reply.tokens, "total_tokens": reply.tokens, "completion_tokens": 0},
    }  # fmt: skip


async def models(call: Call) -> dict[str, Any]:
    """`GET /v1/models`."""
    cards = [card(model).model_dump() for model in call.house.models.values()]
    return {"object": "list", "data": cards, "models": [one["id"] for one in cards]}


async def model(call: Call) -> dict[str, Any]:
    """`GET /v1/models/{model}`."""
    return card(call.house.find(call.request.path_params["model"])).model_dump()


def card(model: Model) -> ModelCard:
    """Return what is told of a model."""
    manifest = model.bundle.manifest
    return ModelCard(
        id=model.name, created=model.current.created, labels=list(model.bundle.labels), runtime=manifest.runtime,
        precision=manifest.precision, certified=manifest.certified, sha256=model.current.sha,
    )  # fmt: skip
