"""The Open Inference Protocol, `/v2`: tensors of texts in, tensors of labels and probabilities out; with Triton's binary extension.

Source: kserve/open-inference-protocol, inference_rest.md; triton-inference-server, protocol/extension_binary_data.md.
"""

import math
import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic_core import to_json
from starlette.responses import Response

from smelt.language import say
from smelt.serve.body import check_texts, parse
from smelt.serve.call import Call
from smelt.serve.faults import Refusal
from smelt.serve.house import Model
from smelt.serve.version import Version

_LENGTH = "inference-header-content-length"
"""Header that says how many bytes of the body are JSON; tensors follow."""
_OUTPUTS = ("label", "confidence", "probabilities")
_NUMBER = re.compile(r"[0-9]{1,12}")
_PREFIX = 4
"""Bytes of the length before each text of a binary tensor."""


class InputTensor(BaseModel):
    """Texts."""

    model_config = ConfigDict(strict=True)
    name: str
    shape: list[int] = Field(max_length=2)
    datatype: Literal["BYTES"]
    parameters: dict[str, Any] = Field(default_factory=dict)
    data: list[Any] | None = None


class OutputWanted(BaseModel):
    """An output that is asked for."""

    model_config = ConfigDict(strict=True)
    name: Literal["label", "confidence", "probabilities"]
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferRequest(BaseModel):
    """Texts as one tensor of datatype BYTES."""

    model_config = ConfigDict(strict=True)
    id: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    inputs: list[InputTensor] = Field(min_length=1, max_length=1)
    outputs: list[OutputWanted] | None = None


class OutputTensor(BaseModel):
    """Labels (BYTES), their confidence (FP32), or all probabilities (FP32)."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class InferResponse(BaseModel):
    """The answers, in the order of the texts."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class ServerFacts(BaseModel):
    """Of the server."""

    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    """The process answers."""

    live: bool


class Ready(BaseModel):
    """Requests may come."""

    ready: bool


class TensorFacts(BaseModel):
    """Of an input or output."""

    name: str
    datatype: str
    shape: list[int]


class ModelFacts(BaseModel):
    """Of a model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorFacts]
    outputs: list[TensorFacts]


REQUEST = TypeAdapter(InferRequest)


async def server(_call: Call) -> dict[str, Any]:
    """`GET /v2`."""
    return {"name": "smelt", "version": version("smelt"), "extensions": ["binary_tensor_data"]}


async def live(_call: Call) -> dict[str, Any]:
    """`GET /v2/health/live`."""
    return {"live": True}


async def ready(call: Call) -> dict[str, Any]:
    """`GET /v2/health/ready` and `/v2/models/{model}/ready`.

    Raises:
        Refusal: not ready, or no such model.
    """
    if "model" in call.request.path_params:
        _find(call)
    if not call.house.ready:
        raise Refusal("draining", say("the server is not ready"), retry_after=1.0)
    return {"ready": True}


async def metadata(call: Call) -> dict[str, Any]:
    """`GET /v2/models/{model}`."""
    model, _ = _find(call)
    return {
        "name": model.name, "versions": [str(one.number) for one in model.versions()],
        "platform": f"smelt_{model.bundle.manifest.runtime}",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "label", "datatype": "BYTES", "shape": [-1]}, {"name": "confidence", "datatype": "FP32", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(model.bundle.labels)]},
        ],
    }  # fmt: skip


async def infer(call: Call) -> dict[str, Any] | Response:
    """`POST /v2/models/{model}/infer`."""
    model, version = _find(call)
    head, tail = _split(call)
    asked = parse(head, REQUEST, call.house.limits)
    texts = _texts(asked.inputs[0], tail, call.house.limits.inputs)
    check_texts(texts, call.house.limits, "inputs")
    wanted = [one.name for one in asked.outputs] if asked.outputs else list(_OUTPUTS)
    reply = await call.classify(model, texts, parameter="inputs", version=version)
    answers = reply.answers
    tensors = {
        "label": np.array([answer.label.encode() for answer in answers], object),
        "confidence": np.array([answer.confidence for answer in answers], np.float32),
        "probabilities": np.array([answer.probabilities for answer in answers], np.float32),
    }
    everywhere = bool(asked.parameters.get("binary_data_output"))
    binary = {one.name: bool(one.parameters.get("binary_data", everywhere)) for one in asked.outputs or ()}
    return _respond(call, model.name, asked.id, {name: (tensors[name], binary.get(name, everywhere)) for name in wanted})


def _find(call: Call) -> tuple[Model, Version | None]:
    """Return the model, and the version that is asked for by its number.

    Raises:
        Refusal: there is none.
    """
    model, said = call.house.find(call.request.path_params["model"]), call.request.path_params.get("version")
    if said is None:
        return model, None
    known = {str(one.number): one for one in model.versions()}
    if said in known:
        return model, known[said]
    raise Refusal("not_found", say("there is no such version; there is: {version}", version=", ".join(known)))


def _split(call: Call) -> tuple[bytes, bytes]:
    """Return the JSON and what follows it.

    Raises:
        Refusal: the header lies.
    """
    said = call.request.headers.get(_LENGTH)
    if said is None:
        return call.raw, b""
    if not _NUMBER.fullmatch(said) or int(said) > len(call.raw):
        raise Refusal("bad_request", say("{header} does not fit the body", header=_LENGTH))
    return call.raw[: int(said)], call.raw[int(said) :]


def _texts(tensor: InputTensor, tail: bytes, most: int) -> list[str]:
    """Return the texts of a tensor.

    Raises:
        Refusal: it holds something else, or not as many as it says.
    """
    if "binary_data_size" in tensor.parameters:
        values = _unpacked(tail, tensor.parameters["binary_data_size"], most)
    else:
        values = _flat(tensor.data or [])
    if len(values) != math.prod(tensor.shape) or any(size < 0 for size in tensor.shape):
        raise Refusal("bad_request", say("the shape does not fit the data"), parameter="inputs")
    return values


def _flat(data: Sequence[Any]) -> list[str]:
    values = [one for row in data for one in (row if isinstance(row, list) else [row])]
    if not all(isinstance(one, str) for one in values):
        raise Refusal("bad_request", say("want texts as data"), parameter="inputs")
    return values


def _unpacked(tail: bytes, size: object, most: int) -> list[str]:
    """Return texts that stand one after the other, each behind its length as four bytes, lowest first."""
    values, place = [], 0
    if not isinstance(size, int) or size != len(tail):
        raise Refusal("bad_request", say("binary_data_size does not fit the body"), parameter="inputs")
    while place < len(tail) and len(values) <= most:
        length = int.from_bytes(tail[place : place + _PREFIX], "little")
        raw = tail[place + _PREFIX : place + _PREFIX + length]
        place += _PREFIX + length
        try:
            values.append(raw.decode())
        except UnicodeDecodeError:
            raise Refusal("bad_request", say("want texts in UTF-8"), parameter="inputs") from None
    if place != len(tail) and len(values) <= most:
        raise Refusal("bad_request", say("binary_data_size does not fit the body"), parameter="inputs")
    return values


def _respond(call: Call, name: str, number: str | None, tensors: dict[str, tuple[np.ndarray, bool]]) -> dict[str, Any] | Response:
    outputs, tail = [], b""
    for tensor, (values, binary) in tensors.items():
        texts = values.dtype == object
        entry: dict[str, Any] = {"name": tensor, "datatype": "BYTES" if texts else "FP32", "shape": list(values.shape)}
        if binary:
            raw = b"".join(len(one).to_bytes(_PREFIX, "little") + one for one in values.tolist()) if texts else values.tobytes()
            entry["parameters"] = {"binary_data_size": len(raw)}
            tail += raw
        else:
            entry["data"] = [one.decode() for one in values.tolist()] if texts else values.reshape(-1).tolist()
        outputs.append(entry)
    found: dict[str, Any] = {"model_name": name, "model_version": call.version, "outputs": outputs}
    if number is not None:
        found["id"] = number
    if not tail:
        return found
    head = to_json(found)
    return Response(head + tail, headers={_LENGTH: str(len(head))}, media_type="application/octet-stream")
