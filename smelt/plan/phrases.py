"""What the plan's page calls things: layouts, parts of a step, times."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from smelt.language import language, say

_SPACE = "\N{NO-BREAK SPACE}"
_UNAVOIDABLE = ("compute", "fixed", "optimizer")


def listed(words: Iterable[str]) -> str:
    """Return words one after the other."""
    return ("、" if language() == "zh" else ", ").join(words)


def paragraph(sentences: Iterable[str]) -> str:
    """Return sentences one after the other."""
    return ("" if language() == "zh" else " ").join(sentences)


def degrees(layout: Mapping[str, Any]) -> str:
    """Return how the accelerators are shared out, what is 1 left out: the numbers' product is that of the accelerators."""
    names = (
        (say("tensor"), layout["tensor"]), (say("pipeline"), layout["pipeline"]), (say("context"), layout["context"]),
        (say("data"), layout["data"]),
    )  # fmt: skip
    return " × ".join(f"{name}{_SPACE}{number:,}" for name, number in names if number > 1) or say("one rank")


def layout_words(layout: Mapping[str, Any]) -> str:
    """Return a layout in a few words, what is 1 left out."""
    words = [degrees(layout)]
    if layout["micro_batch"] > 1:
        words.append(say("micro-batch {n}", n=layout["micro_batch"]))
    if layout["virtual"] > 1:
        words.append(say("{n} stages each", n=layout["virtual"]))
    if layout["expert"] > 1:
        words.append(say("experts over {n}", n=layout["expert"]))
    if layout["pipeline"] > 1 and layout["schedule"] not in ("1f1b", "interleaved"):
        words.append(schedule_name(layout["schedule"]))
    sharded = {"optimizer": say("optimizer sharded"), "gradients": say("gradients sharded"), "full": say("weights sharded")}
    kept = {"selective": say("attention computed again"), "full": say("activations computed again")}
    words += [table[layout[field]] for table, field in ((sharded, "sharding"), (kept, "recompute")) if layout[field] in table]
    return listed([words[0], *(word.replace(" ", _SPACE) for word in words[1:])])


def schedule_name(schedule: str) -> str:
    """Return what a schedule is called."""
    return {"gpipe": "GPipe", "1f1b": "1F1B", "interleaved": say("interleaved 1F1B"), "zero_bubble": say("zero bubble")}.get(
        schedule, schedule
    )


def fit_name(fit: str) -> str:
    """Return how well a layout fits."""
    return {"fits": say("fits"), "likely": say("likely fits"), "tight": say("tight"), "too large": say("too large")}.get(fit, fit)


def seconds_words(seconds: float) -> str:
    """Return a time with its unit."""
    words = say("{seconds:,.2f} s", seconds=seconds) if seconds >= 0.1 else say("{ms:.1f} ms", ms=1000.0 * seconds)
    return words.replace(" ", _SPACE)


def percent(share: float, *, signed: bool = False) -> str:
    """Return a fraction in percent."""
    return (f"{100.0 * share:+.1f}" if signed else f"{100.0 * share:.1f}").replace("-", "−") + f"{_SPACE}%"


def part_name(name: str) -> str:
    """Return what a part of a step's time is called."""
    return {
        "compute": say("computing"), "recompute": say("computing again"), "tensor": say("tensor exchange"), "stall": say("waiting"),
        "bubble": say("bubble"), "data": say("replicas' exchange"), "optimizer": say("optimizer"), "fixed": say("fixed"),
    }.get(name, name)  # fmt: skip


def part_meaning(name: str) -> str:
    """Return what a part of a step's time is."""
    return {
        "compute": say("products, attention and all else that one forward and backward needs"),
        "recompute": say("activations that were not kept are computed a second time"),
        "tensor": say("ranks that share matrices or a sequence exchange activations"),
        "stall": say("the host, stages of unequal length, hops between them, gathers of weights that nothing hides"),
        "bubble": say("the pipeline fills up and runs empty"),
        "data": say("gradients, and sharded weights, that are exchanged and nothing hides"),
        "optimizer": say("weights and states are updated"),
        "fixed": say("what every step costs, however small"),
    }.get(name, "")


def bound(parts: Mapping[str, float], step: float) -> str:
    """Say which part that could be avoided is the largest. Seconds."""
    name = max((name for name in parts if name not in _UNAVOIDABLE), key=lambda each: parts[each], default=None)
    if name is None or parts[name] <= 0.0:
        return say("nothing of it could be avoided")
    return say(
        "what could be avoided is mostly {part}, {seconds} a step ({share})",
        part=part_name(name), seconds=seconds_words(parts[name]), share=percent(parts[name] / step),
    )  # fmt: skip


def stage_names(stages: Sequence[int]) -> list[str]:
    """Return what stages are called; they count from 0, as ranks do."""
    return [say("stage {n}", n=stage) for stage in stages]
