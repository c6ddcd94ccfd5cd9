"""Which of many students deserve to be taught to the end: all are taught a little, the better half goes on, again and again.

Successive halving: Jamieson and Talwalkar 2016, arXiv 1502.07943. A student is worth the chance of its certificate, which counts both
its score and how often it agrees with the reference, times what it would save. What it would save is known before it is taught: the
speed of a network does not depend on its weights.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from smelt.compress.stages import student_stage
from smelt.compress.students import build_student, sliced_copy
from smelt.compress.trial import Search, Training, Trial, certificate_chance, price_mark, probe_cost
from smelt.errors import UsageFault
from smelt.language import say
from smelt.models.network import Network
from smelt.recipe.compress import Depth, NetworkStudent, Width
from smelt.run.folder import code_version
from smelt.train.evaluate import score_rows
from smelt.verify.order import worth

FEW = 4
"""So many students are all taught to the end."""
_FIRST_SHARE = 0.3
"""Of the time there is, for each round but the last."""


@dataclass(frozen=True, slots=True)
class Survivor:
    """A student that is taught to the end."""

    section: NetworkStudent
    start: str | None
    """Where in the run it was taught so far."""


@dataclass(frozen=True, slots=True)
class Halved:
    """What is left of many students."""

    survivors: dict[str, Survivor]
    dropped: dict[str, str]
    """Why each of the others was given up."""
    seconds: float
    """Spent."""


def halve(plan: Search, students: Mapping[str, NetworkStudent], trials: list[Trial]) -> Halved:
    """Give up students that cannot cost less than the reference's own exports do, then halve the rest down to a few."""
    dropped, spent = {}, 0.0
    own = [plan.cost(trial.candidate) for trial in trials if trial.source == plan.name and trial.dev_scores is not None]
    survivors = {name: Survivor(section, None) for name, section in students.items()}
    if len(survivors) <= FEW or plan.section.search == "exhaustive":
        return Halved(survivors, dropped, spent)
    shapes = shape_costs(plan, students)
    costs = shapes.costs
    for name, fault in shapes.faults.items():
        dropped[name] = say("not taught: {reason}", reason=fault)
        del survivors[name]
    for name, cost in costs.items():
        if own and cost >= min(own):
            dropped[name] = say(
                "not taught: it would cost {cost:.3g}, and an export of the reference costs {own:.3g}", cost=cost, own=min(own)
            )
            del survivors[name]
    highest, number = max([*own, *costs.values()]), 0
    while len(survivors) > FEW:
        number += 1
        share, gains = plan.seconds * _FIRST_SHARE / len(survivors), {}
        dropped |= teach_elsewhere(plan, survivors, share, partial(_rung, number))
        for name in dropped.keys() & survivors.keys():
            del survivors[name]
        at_once = side_by_side(plan, len(survivors))
        for name, survivor in survivors.items():
            taught = student_stage(plan, training_of(plan, name, survivor, share), _rung(number, name))
            spent += taught.seconds / at_once
            gains[name] = _chance(plan, taught.model.network) * worth(costs[name], highest)
            survivors[name] = Survivor(survivor.section, _rung(number, name))
        ranked = sorted(gains, key=lambda name: -gains[name])
        for name in ranked[max(FEW, math.ceil(len(ranked) / 2)) :]:
            dropped[name] = say("given up in round {round} of halving: of {n} students, {better} promised more",
                                round=number, n=len(ranked), better=ranked.index(name))  # fmt: skip
            del survivors[name]
    return Halved(survivors, dropped, spent)


def _rung(number: int, name: str) -> str:
    return f"compress/rungs/{name}-{number}"


def training_of(plan: Search, name: str, survivor: Survivor, seconds: float) -> Training:
    """Return how a student is taught for so many seconds, from where it stands."""
    return Training(name=name, section=survivor.section, seconds=seconds, seed=plan.train.seed, start=survivor.start)


def side_by_side(plan: Search, students: int) -> int:
    """Return how many students are taught at a time: what one of them takes counts for so much less."""
    return 1 if plan.elsewhere is None or plan.section.workers == "none" else max(1, min(students, plan.section.workers))


def teach_elsewhere(plan: Search, survivors: Mapping[str, Survivor], share: float, place_of: Callable[[str], str]) -> dict[str, str]:
    """Teach all students in other processes, where the plan has some; return by name why some were not taught.

    Args:
        plan: the search.
        survivors: the students.
        share: seconds for each, one after the other; as many at a time as there are workers have as many times more.
        place_of: where in the run a student of this name goes.
    """
    if plan.elsewhere is None or plan.section.workers == "none" or not survivors:
        return {}
    seconds = share * side_by_side(plan, len(survivors))
    orders = [(training_of(plan, name, survivor, seconds), place_of(name)) for name, survivor in survivors.items()]
    return {name: say("its process failed: {reason}", reason=reason) for name, reason in plan.elsewhere(orders).items()}


def _chance(plan: Search, network: Network) -> float:
    """Return the chance of a certificate, from what the live module answers on dev; never 0, so that cost still ranks the hopeless."""
    scores = score_rows(network, plan.dev, plan.train, classes=len(plan.reference.codec.labels), precision="fp32")
    return max(1e-6, certificate_chance(plan, scores))


@dataclass(frozen=True, slots=True)
class Shapes:
    """What students would cost, and why some cannot be."""

    costs: dict[str, float]
    faults: dict[str, str]


def shape_costs(plan: Search, students: Mapping[str, NetworkStudent]) -> Shapes:
    """Price students before they are taught, from untrained networks; of copies with fewer layers two are measured and the rest follow."""
    inputs = plan.inputs | {
        "students": [section.model_dump(mode="json") for section in students.values()], "price": price_mark(plan),
        "code": code_version("models", "export", "runtime"),
    }  # fmt: skip

    def fill(folder: Path, _work: Path) -> None:
        (folder / "costs.json").write_text(json.dumps(asdict(_price(plan, students))), encoding="utf-8")

    return Shapes(**json.loads((plan.run.stage("compress/shapes", inputs, fill) / "costs.json").read_text(encoding="utf-8")))


def _price(plan: Search, students: Mapping[str, NetworkStudent]) -> Shapes:
    shapes, deep, ends = Shapes({}, {}), {}, {}
    reference = plan.reference.network
    for name, section in students.items():
        try:
            network = sliced_copy(section, reference) if isinstance(section, Width) else _untaught(plan, section)
            if isinstance(section, Depth):
                deep[name] = section.layers
            else:
                shapes.costs[name] = probe_cost(plan, network) * (section.cost if isinstance(section, Width) else 1.0)
        except UsageFault as fault:
            shapes.faults[name] = fault.message
    for layers in {min(deep.values()), max(deep.values())} if deep else ():
        ends[layers] = probe_cost(plan, _untaught(plan, Depth(layers=layers)))
    return Shapes(shapes.costs | {name: on_the_line(ends, layers) for name, layers in deep.items()}, shapes.faults)


def on_the_line(ends: Mapping[int, float], layers: int) -> float:
    """Return the cost of so many layers, on the straight line through the costs that were measured."""
    (low, first), (high, last) = min(ends.items()), max(ends.items())
    return first if low == high else first + (last - first) * (layers - low) / (high - low)


def _untaught(plan: Search, section: NetworkStudent) -> Network:
    assert not isinstance(section, Width)
    return build_student(section, plan.reference.network, len(plan.reference.codec.labels), plan.train.seed)
