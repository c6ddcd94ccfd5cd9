"""The routes of text-embeddings-inference for classifiers: `/predict`, `/info`; and `POST /`, as Hugging Face's InferenceClient asks."""

from importlib.metadata import version
from typing import Annotated, Any

from annotated_types import Len
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from smelt.serve.call import Call
from smelt.serve.house import Model
from smelt.serve.service import Reply

One = Annotated[list[str], Len(min_length=1, max_length=1)]
"""A text in a list of its own; two would be a pair, which our models do not read."""


class PredictRequest(BaseModel):
    """A text, or a batch: a list of lists of one text."""

    model_config = ConfigDict(strict=True)
    inputs: str | One | Annotated[list[One], Len(min_length=1)] = Field(description="a text, or a batch as a list of lists of one text")
    truncate: bool = Field(default=False, description="whether texts may be cut to what the model reads")
    raw_scores: bool = Field(default=False, description="log-probabilities instead of probabilities")


class Score(BaseModel):
    """A label and its probability."""

    label: str
    score: float


class Info(BaseModel):
    """What answers, and what it takes."""

    model_id: str
    model_sha: str | None
    model_dtype: str
    model_type: dict[str, Any]
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int | None
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str
    sha: str | None
    docker_label: str | None


REQUEST = TypeAdapter(PredictRequest)


async def predict(call: Call) -> list:
    """`POST /predict`: labels with their probabilities, highest first; a list of them for a batch."""
    model, asked = call.house.find(None), call.parse(REQUEST)
    texts, batch = _texts(asked.inputs)
    reply = await call.classify(model, texts, parameter="inputs", truncate=asked.truncate)
    rows = _scores(model, reply, logs=asked.raw_scores)
    return rows if batch else rows[0]


async def pipeline(call: Call) -> list:
    """`POST /`: the same, as Hugging Face's hosted pipelines answer: always a list of lists; too long texts are cut."""
    model, asked = call.house.find(None), call.parse(REQUEST)
    texts, _ = _texts(asked.inputs)
    return _scores(model, await call.classify(model, texts, parameter="inputs"), logs=asked.raw_scores)


async def info(call: Call) -> dict[str, Any]:
    """`GET /info`."""
    house, model = call.house, call.house.find(None)
    labels = model.bundle.labels
    return Info(
        model_id=model.name, model_sha=model.current.sha, model_dtype=model.bundle.manifest.precision,
        model_type={
            "classifier": {
                "id2label": {str(number): label for number, label in enumerate(labels)},
                "label2id": {label: number for number, label in enumerate(labels)},
            }
        },
        max_concurrent_requests=house.limits.inputs, max_input_length=getattr(model.bundle.codec.encoder, "max_tokens", 100_000),
        max_batch_tokens=house.limits.batch_texts * getattr(model.bundle.codec.encoder, "max_tokens", 1_000),
        max_batch_requests=house.limits.batch_texts, max_client_batch_size=house.limits.inputs, auto_truncate=False,
        tokenization_workers=1, version=version("smelt"), sha=None, docker_label=None,
    ).model_dump()  # fmt: skip


def _texts(inputs: str | list[str] | list[list[str]]) -> tuple[list[str], bool]:
    """Return the texts and whether they were given as a batch."""
    if isinstance(inputs, str):
        return [inputs], False
    if isinstance(inputs[0], str):
        return [inputs[0]], False
    return [one[0] for one in inputs], True


def _scores(model: Model, reply: Reply, *, logs: bool) -> list[list[dict[str, Any]]]:
    import numpy as np

    labels, found = model.bundle.labels, []
    for answer in reply.answers:
        values = np.log(np.maximum(answer.probabilities, np.finfo(np.float32).tiny)) if logs else answer.probabilities
        pairs = sorted(zip(labels, values.tolist(), strict=True), key=lambda pair: -pair[1])
        found.append([{"label": label, "score": value} for label, value in pairs])
    return found
