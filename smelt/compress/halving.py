"""Which of many students deserve to be taught to the end: all are taught a little, the better half goes on, again and again.

Successive halving: Jamieson and Talwalkar 2016, arXiv 1502.07943. A student is worth the chance of its certificate, which counts both
its score and how often it agrees with the reference, times what it would save. What it would save is known before it is taught: the
speed of a network does not depend on its weights.
"""

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smelt.compress.stages import student_stage
from smelt.compress.students import build_student, sliced_copy
from smelt.compress.trial import Search, Training, Trial, probe_cost
from smelt.language import say
from smelt.models.network import Network
from smelt.recipe.compress import Depth, NetworkStudent, Width
from smelt.run.folder import code_version
from smelt.runtime.isa import isa
from smelt.train.evaluate import score_rows

_LOG = logging.getLogger("smelt")
FEW = 4
"""So many students are all taught to the end."""
_FIRST_SHARE = 0.3
"""Of the time there is, for each round but the last."""
ANY_CERTIFICATE = 4.0
"""Worth of any certificate, in halvings of the cost, as in `verify.order`."""


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
    if len(survivors) <= FEW:
        return Halved(survivors, dropped, spent)
    costs = shape_costs(plan, students)
    for name, cost in costs.items():
        if own and cost >= min(own):
            dropped[name] = say(
                "not taught: it would cost {cost:.3g}, and an export of the reference costs {own:.3g}", cost=cost, own=min(own)
            )
            del survivors[name]
    highest, number = max([*own, *costs.values()]), 0
    while len(survivors) > FEW:
        number += 1
        share, started, worth = plan.seconds * _FIRST_SHARE / len(survivors), time.monotonic(), {}
        for name, survivor in survivors.items():
            place = f"compress/rungs/{name}-{number}"
            training = Training(name=name, section=survivor.section, seconds=share, seed=plan.train.seed, start=survivor.start)
            taught = student_stage(plan, training, place)
            spent += taught.seconds
            worth[name] = _chance(plan, taught.model.network) * (ANY_CERTIFICATE + math.log2(highest / costs[name]))
            survivors[name] = Survivor(survivor.section, place)
        _LOG.info("round %d of halving took %.0f s", number, time.monotonic() - started)
        ranked = sorted(worth, key=lambda name: -worth[name])
        for name in ranked[max(FEW, math.ceil(len(ranked) / 2)) :]:
            dropped[name] = say("given up in round {round} of halving: of {n} students, {better} promised more",
                                round=number, n=len(ranked), better=ranked.index(name))  # fmt: skip
            del survivors[name]
    return Halved(survivors, dropped, spent)


def _chance(plan: Search, network: Network) -> float:
    """Return the chance of a certificate, from what the live module answers on dev."""
    scores = score_rows(network, plan.dev, plan.train, classes=len(plan.reference.codec.labels), precision="fp32")
    right, own = scores.argmax(1) == plan.dev.labels, plan.reference_dev == plan.dev.labels
    return max(1e-6, plan.chance(int((own & ~right).sum()), int((~own & right).sum()), len(plan.dev)))


def shape_costs(plan: Search, students: Mapping[str, NetworkStudent]) -> dict[str, float]:
    """Return what each student would cost, from untrained networks; of copies with fewer layers two are measured and the rest follow."""
    inputs = plan.inputs | {
        "students": [section.model_dump(mode="json") for section in students.values()],
        "isa": isa(), "code": code_version("models", "export", "runtime"),
    }  # fmt: skip

    def fill(folder: Path, _work: Path) -> None:
        depths = sorted({section.layers for section in students.values() if isinstance(section, Depth)})
        ends = {layers: probe_cost(plan, _untaught(plan, Depth(layers=layers))) for layers in dict.fromkeys((*depths[:1], *depths[-1:]))}
        costs = {}
        for name, section in students.items():
            if isinstance(section, Depth):
                costs[name] = on_the_line(ends, section.layers)
            elif isinstance(section, Width):
                costs[name] = section.cost * probe_cost(plan, sliced_copy(section, plan.reference.network))
            else:
                costs[name] = probe_cost(plan, _untaught(plan, section))
        (folder / "costs.json").write_text(json.dumps(costs), encoding="utf-8")

    return json.loads((plan.run.stage("compress/shapes", inputs, fill) / "costs.json").read_text(encoding="utf-8"))


def on_the_line(ends: Mapping[int, float], layers: int) -> float:
    """Return the cost of so many layers, on the straight line through the costs that were measured."""
    (low, first), (high, last) = min(ends.items()), max(ends.items())
    return first if low == high else first + (last - first) * (layers - low) / (high - low)


def _untaught(plan: Search, section: NetworkStudent) -> Network:
    assert not isinstance(section, Width)
    return build_student(section, plan.reference.network, len(plan.reference.codec.labels), plan.train.seed)
