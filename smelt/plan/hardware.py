"""Accelerators and the wires between them. Every number of the table has its source and date in `hardware.json`.

An accelerator that the table lacks is described in a file with the same keys. Such a file is untrusted: it is read as a recipe is, with
every fault at its line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, create_model, model_validator

from smelt.errors import EnvironmentFault, RecipeFaults, UsageFault
from smelt.language import say
from smelt.plan.constants import Constants
from smelt.recipe.document import Document, Place, parse
from smelt.recipe.faults import check
from smelt.recipe.section import Section
from smelt.recipe.shape import found
from smelt.recipe.suggest import nearest, plain

LARGEST_BYTES = 64 * 1024
"""Of a file that describes an accelerator."""

_LEAST = 1e-9
_WIDER = {"fp8": ("fp8", "bf16", "fp16"), "bf16": ("bf16", "fp16"), "fp16": ("fp16", "bf16")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One accelerator as its maker states it, or as `smelt plan --calibrate` measured it.

    `peak_tflops`: dense tensor peak by precision (`fp32`, `bf16`, `fp16`, `fp8`), as pairs. `memory_gb` in 10⁹ bytes; `memory_gbps`,
    `link_gbps`, `network_gbps` in 10⁹ bytes per second, the last two per direction and accelerator, inside a node and between nodes.
    `units`: streaming multiprocessors or cores. `domain`: accelerators that one fast link joins. `sustained`: the share of the peak that
    large products reach. `kind`: `gpu` or `cpu`. `validated`: families of published rows that the cost model was held against on it.
    """

    name: str
    kind: str
    memory_gb: float
    memory_gbps: float
    peak_tflops: tuple[tuple[str, float], ...]
    units: int
    link_gbps: float
    network_gbps: float
    domain: int
    sustained: float
    generation: int
    """Tensor-core generation by its year: 2017 Volta, 2020 Ampere, 2022 Hopper, 2024 Blackwell. 0 for a CPU."""
    source: str
    date: str
    validated: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    constants: tuple[tuple[str, float], ...] = ()
    """Fields of `Constants` that were measured on it, with their values: they go before the fitted ones."""

    def peak(self, precision: str) -> float:
        """Return the peak in FLOP/s; a precision that the accelerator has not is computed in the next wider one."""
        table = dict(self.peak_tflops)
        name = next((each for each in (*_WIDER.get(precision, ()), "fp32") if each in table), None)
        return (table[name] if name else max(table.values())) * 1e12


def accelerators() -> dict[str, Accelerator]:
    """Return the accelerators of the table by their names, in its order."""
    return {accelerator.name: accelerator for accelerator in _table()}


def find(name: str, extra: Mapping[str, Accelerator] | None = None) -> Accelerator:
    """Return the accelerator that is called `name`.

    Args:
        name: name or alias; case, `-`, `_` and spaces count for nothing. What PyTorch calls a device is an alias of it.
        extra: the user's own accelerators by name. They go before those of the table.

    Raises:
        UsageFault: there is none of that name.
    """
    known = [*(extra or {}).values(), *accelerators().values()]
    names = {plain(word): each for each in reversed(known) for word in (*each.aliases, each.name)}
    if plain(name) in names:
        return names[plain(name)]
    meant = nearest(name, [word for each in known for word in (each.name, *each.aliases)])
    listed = ", ".join(dict.fromkeys(each.name for each in known))
    message = say("unknown accelerator {found}, want one of: {names}", found=found(name), names=listed)
    raise UsageFault(message, step=say("Did you mean '{name}'?", name=meant) if meant else "")


def read_entry(path: Path) -> Accelerator:
    """Read a file that describes one accelerator, with the keys that an entry of `hardware.json` has.

    Args:
        path: JSON, or YAML with the same keys.

    Raises:
        UsageFault: there is no such file.
        EnvironmentFault: the file cannot be read.
        RecipeFaults: every fault of it with its line, and what is accepted there.
    """
    return _accelerator(check(_Entry, _document(_read(path), str(path))))


def as_json(accelerator: Accelerator) -> dict[str, object]:
    """Return what `read_entry` reads back as the same accelerator. The one source stands for all numbers."""
    entry: dict[str, object] = {
        "name": accelerator.name,
        "kind": accelerator.kind,
        "memory_gb": accelerator.memory_gb,
        "memory_gbps": accelerator.memory_gbps,
        "peak_tflops": dict(accelerator.peak_tflops),
        "units": accelerator.units,
        "link_gbps": accelerator.link_gbps,
        "network_gbps": accelerator.network_gbps,
        "domain": accelerator.domain,
        "sustained": accelerator.sustained,
        "generation": accelerator.generation,
        "date": accelerator.date,
        "sources": {"rest": accelerator.source},
        "validated": list(accelerator.validated),
        "aliases": list(accelerator.aliases),
    }
    return entry | {"constants": dict(accelerator.constants)} if accelerator.constants else entry


def _printable(text: str, most: int) -> str:
    """Refuse what could move a terminal's cursor, and halves of characters."""
    if not text.isprintable() or len(text) > most:
        wanted = say("a text of at most {most} printable characters", most=most)
        raise ValueError(say("got {found}, want {wanted}", found=ascii(text[:60]), wanted=wanted))
    return text


def _far_from_0(number: float) -> float:
    """Refuse what no machine has, and what times divided by it would be infinite for."""
    if 0 < number < _LEAST:
        raise ValueError(say("got {found}, want {wanted}", found=number, wanted=say("a number of at least {least}", least=_LEAST)))
    return number


_Name = Annotated[str, Field(min_length=1), AfterValidator(partial(_printable, most=80))]
_Names = Annotated[tuple[_Name, ...], Field(strict=False)]
_Note = Annotated[str, AfterValidator(partial(_printable, most=10_000))]
# The ends keep sums, products and quotients of a plan finite.
_Rate = Annotated[float, Field(gt=0, le=10**9), AfterValidator(_far_from_0)]
_Peak = Annotated[float, Field(ge=0, le=10**9), AfterValidator(_far_from_0)]
_Units = Annotated[int, Field(ge=1, le=10**9)]


class _Peaks(Section):
    """Dense peaks in 10¹² operations per second."""

    fp32: _Rate
    """Of plain single precision, as frameworks compute it unless TF32 is asked for."""
    bf16: _Peak = 0.0
    """0 for this and the next two: the accelerator has it not."""
    fp16: _Peak = 0.0
    fp8: _Peak = 0.0


class _Sources(Section):
    """Where each number is from."""

    memory_gb: _Note = ""
    memory_gbps: _Note = ""
    peak_tflops: _Note = ""
    units: _Note = ""
    link_gbps: _Note = ""
    network_gbps: _Note = ""
    domain: _Note = ""
    sustained: _Note = ""
    generation: _Note = ""
    rest: _Note = ""
    """Of all numbers that have no source of their own."""

    @model_validator(mode="after")
    def _complete(self) -> "_Sources":
        without = [name for name, text in self if not text and name != "rest"]
        if without and not self.rest:
            names = ", ".join(without)
            raise ValueError(say("no source for {names}. State it there, or in `rest` for all that have none of their own", names=names))
        return self

    def joined(self) -> str:
        """Write the sources as one text, each once."""
        numbers: dict[str, list[str]] = {}
        for name, text in self:
            if name != "rest":
                numbers.setdefault(text or self.rest, []).append(name)
        if len(numbers) == 1:
            return next(iter(numbers))
        return "; ".join(f"{', '.join(names)}: {text}" for text, names in numbers.items())


_CONSTANTS: dict[str, Any] = {field.name: (_Rate, 1.0) for field in fields(Constants)}
_Measured = create_model("_Measured", __base__=Section, **_CONSTANTS)
"""Any of the cost model's constants."""


class _Entry(Section):
    """One entry of `hardware.json`."""

    name: _Name
    kind: Literal["gpu", "cpu"]
    memory_gb: _Rate
    """What a process can use, in 10⁹ bytes."""
    memory_gbps: _Rate
    peak_tflops: _Peaks
    units: _Units
    link_gbps: _Rate
    network_gbps: _Rate
    domain: _Units
    sustained: Annotated[float, Field(gt=0, le=1), AfterValidator(_far_from_0)]
    generation: Annotated[int, Field(ge=0, le=9999)]
    date: _Name
    """When the sources were read."""
    sources: _Sources
    validated: _Names = ()
    aliases: _Names = ()
    constants: _Measured = _Measured()  # pyright: ignore[reportInvalidTypeForm]  a class made of the fields of another


@cache
def _table() -> tuple[Accelerator, ...]:
    content = files("smelt.plan").joinpath("hardware.json").read_bytes()
    return tuple(_accelerator(entry) for entry in TypeAdapter(list[_Entry]).validate_json(content))


def _accelerator(entry: _Entry) -> Accelerator:
    return Accelerator(
        name=entry.name,
        kind=entry.kind,
        memory_gb=entry.memory_gb,
        memory_gbps=entry.memory_gbps,
        peak_tflops=tuple((precision, peak) for precision, peak in entry.peak_tflops if peak),
        units=entry.units,
        link_gbps=entry.link_gbps,
        network_gbps=entry.network_gbps,
        domain=entry.domain,
        sustained=entry.sustained,
        generation=entry.generation,
        source=entry.sources.joined(),
        date=entry.date,
        validated=entry.validated,
        aliases=entry.aliases,
        constants=tuple((name, value) for name, value in entry.constants if name in entry.constants.model_fields_set),
    )


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise UsageFault(say("{path}: no such file", path=path))
    try:
        with path.open("rb") as stream:
            return stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise EnvironmentFault(say("{path}: cannot be read ({reason})", path=path, reason=error.strerror)) from error


def _document(content: bytes, file: str) -> Document:
    start = Place(file, 1, 1)
    if len(content) > LARGEST_BYTES:
        raise RecipeFaults(file, [start.fault(("JSON",), say("larger than {n} bytes", n=LARGEST_BYTES))])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeFaults(file, [start.fault(("JSON",), say("this is not UTF-8 text. Save the file as UTF-8"))]) from error
    document = parse(text, start)
    if not isinstance(document.tree, dict):
        raise RecipeFaults(file, [start.fault(("JSON",), say("want keys with values, such as `name:` and `memory_gb:`"))])
    return document
