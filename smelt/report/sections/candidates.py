"""What was tried: the frontier of quality and cost, and why each candidate was chosen or lost."""

from collections.abc import Callable, Sequence

from smelt.language import say
from smelt.markup import Column, Html, chapter, join, name, note, panel, panels, table, tag
from smelt.report import figures
from smelt.report.plots.scatter import SHAPES, Dot, Level, mark, scatter
from smelt.report.record import FLOOR, REFERENCE, Record
from smelt.types import Candidate
from smelt.verify.wilson import wilson

Cost = Callable[[Candidate], float | None]


def candidates_section(record: Record) -> Html:
    """Return the chapter."""
    ordered = ranked(record.candidates)
    pictures = [
        _picture(
            record,
            ordered,
            lambda one: one.latency_ms_p50,
            (say("latency at batch 1, ms"), say("Quality against latency"), say("Left is faster.")),
        ),
        _picture(
            record,
            ordered,
            lambda one: one.examples_per_s,
            (say("documents per second"), say("Quality against throughput"), say("Right is faster.")),
        ),
    ]
    shown = [picture for picture in pictures if picture]
    return chapter(
        "candidates", say("What was tried"), panels(*shown) if shown else None, _key(record) if shown else None, _table(record, ordered)
    )


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Sort for reading: reference, choice, certified, failed on confirm, the rest by latency, floor."""
    return sorted(candidates, key=lambda one: (_RANKS[kind_of(one)], one.latency_ms_p50 is None, one.latency_ms_p50 or 0.0, one.name))


def kind_of(candidate: Candidate) -> str:
    """Return one of `SHAPES`."""
    if candidate.name in (REFERENCE, FLOOR):
        return candidate.name
    if candidate.chosen:
        return "chosen"
    return "untested" if candidate.certified is None else "passed" if candidate.certified else "failed"


_RANKS = {kind: place for place, kind in enumerate(SHAPES)}


def _picture(record: Record, ordered: Sequence[Candidate], cost: Cost, told: tuple[str, str, str]) -> Html | None:
    axis, title, hint = told
    largest = max((one.size_bytes or 0 for one in ordered), default=0) or 1
    dots = [dot for number, one in enumerate(ordered, start=1) if (dot := _dot(record, one, cost(one), (number, largest)))]
    if len(dots) < 2:
        return None
    alt = say("{title}: {n} candidates; the table below has the numbers.", title=title, n=len(dots))
    titles = (say("{axis}, logarithmic", axis=axis), say("accuracy on dev, %"))
    return panel(scatter(dots, _levels(record, cost), titles, alt), title, hint)


def _dot(record: Record, one: Candidate, cost: float | None, place: tuple[int, int]) -> Dot | None:
    number, largest = place
    if one.dev_score is None or not cost or cost <= 0:
        return None
    kind, tested, reference = kind_of(one), record.verdict_of(one.name), record.reference
    worst = None
    if tested and tested.upper_points is not None and reference and reference.dev_score is not None:
        worst = 100 * reference.dev_score - tested.upper_points
    return Dot(
        kind=kind,
        texts=[str(number)] if kind == "untested" else [one.name, str(number)],
        title=f"{number} {one.name}: {figures.percent(one.dev_score)}, {figures.significant(cost)}, {figures.size(one.size_bytes)}",
        cost=cost,
        score=100 * one.dev_score,
        interval=_interval(one.dev_score, record.dev_rows) if kind != "untested" else None,
        worst=worst,
        area=(one.size_bytes or 0) / largest,
    )


def _interval(share: float, count: int | None) -> tuple[float, float] | None:
    if not count:
        return None
    low, high = wilson(share, count)
    return 100 * low, 100 * high


def _levels(record: Record, cost: Cost) -> list[Level]:
    """Return the margin below the reference, and the floor where its cost is not known."""
    found = []
    if record.reference and record.reference.dev_score is not None:
        found.append(Level(score=100 * record.reference.dev_score - record.verdict.margin_points, text=say("reference − margin")))
    floor = next((one for one in record.candidates if one.name == FLOOR), None)
    if floor and floor.dev_score is not None and not cost(floor):
        found.append(Level(score=100 * floor.dev_score, text=say("floor {score}", score=figures.percent(floor.dev_score))))
    return found


def _key(record: Record) -> Html:
    words = {
        "reference": say("reference"),
        "chosen": say("chosen"),
        "passed": say("certified"),
        "failed": say("failed on confirm"),
        "untested": say("not tested on confirm"),
        "floor": say("floor"),
    }
    seen = {kind_of(one) for one in record.candidates if one.latency_ms_p50 or one.examples_per_s}
    entries = [
        tag("li", tag("svg", mark(kind, 10, 10, 5), viewBox="0 0 20 20", aria_hidden="true"), words[kind])
        for kind in SHAPES
        if kind in seen
    ]
    explained = [say("Numbers are rows of the table; area is size on disk.")]
    if record.dev_rows:
        explained.append(
            say(
                "Thin bars: 95 % intervals from {n} dev examples; all models answered the same, so differences are surer.",
                n=figures.count(record.dev_rows),
            )
        )
    if any(test.upper_points is not None for test in record.tests):
        explained.append(say("A bracket marks the lowest accuracy, relative to the reference, that the test on confirm leaves possible."))
    return join([tag("ul", *entries, class_="key"), note(" ".join(explained))])


def _table(record: Record, ordered: Sequence[Candidate]) -> Html:
    columns = [
        Column(say("candidate")),
        Column(say("dev accuracy"), numeric=True),
        Column(say("agreement"), numeric=True),
        Column(say("latency, ms"), numeric=True),
        Column(say("p99, ms"), numeric=True),
        Column(say("documents/s"), numeric=True),
        Column(say("size"), numeric=True),
    ]
    caption = say("All {n} candidates, and why each was chosen or lost", n=len(ordered))
    foot = _settings(record.reference)
    return join([table(caption, columns, (_row(number, one) for number, one in enumerate(ordered, start=1)), cards=True), foot])


def _row(number: int, one: Candidate) -> list[object]:
    made = " · ".join([*one.steps, f"{one.runtime} {one.precision}"])
    heading = join(
        [tag("span", number, class_="count"), tag("b", name(one.name), class_=kind_of(one)), tag("small", made), tag("small", one.why)]
    )
    return [
        heading,
        figures.percent(one.dev_score),
        figures.percent(one.agreement),
        figures.significant(one.latency_ms_p50),
        figures.significant(one.latency_ms_p99),
        figures.significant(one.examples_per_s),
        figures.size(one.size_bytes),
    ]


def _settings(reference: Candidate | None) -> Html | None:
    if not reference or not reference.batch:
        return None
    return note(
        say(
            "Latency: one document at a time, median, with tokenization. Documents per second: batches of {batch}, sorted by length. "
            "Each at the better of one and all threads.",
            batch=reference.batch,
        )
    )
