"""`POST /explain`: which words made an answer."""

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from smelt.explain.attribution import log_odds, make_plan, questions
from smelt.explain.words import split_words
from smelt.language import say
from smelt.serve.body import check_texts
from smelt.serve.call import Call
from smelt.serve.faults import Refusal

_MOST_WORDS = 48
"""Pieces of a text; each costs a question, or two dozen."""
_MOST_CHARACTERS = 4_000_000
"""Of all questions together."""


class ExplainRequest(BaseModel):
    """A text to explain the answer to."""

    model_config = ConfigDict(strict=True)
    model: str | None = Field(default=None, description="name of a model; the first one by default")
    text: str
    label: str | None = Field(default=None, description="to explain; the one that is answered by default")
    method: Literal["occlusion", "shapley"] = Field(default="occlusion", description="one question per word, or sampled orders of words")


class WordValue(BaseModel):
    """What a word adds to the log-odds of the label."""

    word: str
    start: int
    end: int
    value: float


class ExplainResponse(BaseModel):
    """The words of the text, in order."""

    model: str
    label: str
    probability: float
    method: str
    words: list[WordValue]


REQUEST = TypeAdapter(ExplainRequest)


async def why(call: Call) -> dict[str, Any]:
    """`POST /explain`.

    Raises:
        Refusal: the model has no such label; see `Server.classify`, too.
    """
    asked = call.parse(REQUEST)
    model = call.house.find(asked.model)
    check_texts([asked.text], call.house.limits, "text")
    labels = list(model.bundle.labels)
    if asked.label is not None and asked.label not in labels:
        raise Refusal("not_found", say("the model has no such label"), parameter="label")
    words = split_words(asked.text, _MOST_WORDS)
    if len(asked.text) * questions(words, asked.method) > _MOST_CHARACTERS:
        raise Refusal("too_large", say("the text is too long to be explained by this method"), parameter="text")
    plan = make_plan(words, asked.method)
    reply = await call.classify(model, [asked.text, *plan.texts], parameter="text", checked=True)
    whole, *rest = (answer.probabilities for answer in reply.answers)
    label = int(whole.argmax()) if asked.label is None else labels.index(asked.label)
    values = plan.finish(log_odds(np.array(rest)[:, label])) if rest else np.zeros(len(words))
    found = [
        {"word": word, "start": start, "end": end, "value": value}
        for word, (start, end), value in zip(words.names(), words.spans, values.tolist(), strict=True)
    ]
    return {"model": model.name, "label": labels[label], "probability": float(whole[label]), "method": asked.method, "words": found}
