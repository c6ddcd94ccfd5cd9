"""How the reference and its students learned."""

from smelt.language import say
from smelt.markup import Html, chapter, fold, panel, panels
from smelt.report.plots.lines import Curve, curves, thin
from smelt.report.record import REFERENCE, Log, Record


def training_section(record: Record) -> Html | None:
    """Return the chapter; None where nothing was trained or no log was kept."""
    logs = {name: log for name, log in record.logs.items() if log.steps or log.epochs}
    if not logs:
        return None
    reference, students = logs.get(REFERENCE), [name for name in logs if name != REFERENCE]
    shown = [loss_panel(say("Loss of the reference"), reference) if reference else None, _scores(logs)]
    losses = [picture for name in students if (picture := loss_panel(name, logs[name]))]
    folded = fold(say("Losses of the students"), panels(*losses)) if losses else None
    return chapter("training", say("Training"), panels(*shown), folded)


def loss_panel(title: str, log: Log) -> Html | None:
    """Draw the loss of the steps; None where none was kept."""
    steps = thin([(float(step.step), step.loss) for step in log.steps if step.loss is not None])
    if not steps:
        return None
    alt = say("{title}: from {first:.3g} to {last:.3g}", title=title, first=steps[0][1], last=steps[-1][1])
    curve = Curve(name=title, kind="reference", points=steps)
    return panel(curves([curve], (say("step"), say("loss on train")), alt, named=False), title)


def _scores(logs: dict[str, Log]) -> Html | None:
    found = [curve for place, (name, log) in enumerate(logs.items()) if (curve := _score_curve(name, log, place))]
    if not found:
        return None
    alt = "; ".join(
        say("{name}: {score:.1f} % after {n} epochs", name=one.name, score=one.points[-1][1], n=len(one.points)) for one in found
    )
    picture = curves(found, (say("epoch"), say("accuracy on dev, %")), alt)
    return panel(picture, say("Accuracy on dev"), say("Shaded: the reference's 95 % interval.") if found[0].band else None)


def _score_curve(name: str, log: Log, place: int) -> Curve | None:
    """Draw one model; only the reference has its interval, many would hide each other."""
    epochs = [epoch for epoch in log.epochs if epoch.dev_score is not None]
    if not epochs:
        return None
    ends = [(100 * epoch.dev_low, 100 * epoch.dev_high) for epoch in epochs if epoch.dev_low is not None and epoch.dev_high is not None]
    whole = name == REFERENCE and len(ends) == len(epochs)
    points = [(epoch.epoch + 1.0, 100 * (epoch.dev_score or 0.0)) for epoch in epochs]
    return Curve(name=name, kind=_kind(name, place), points=points, band=ends if whole else ())


def _kind(name: str, place: int) -> str:
    return REFERENCE if name == REFERENCE else f"series{place % 5}"
