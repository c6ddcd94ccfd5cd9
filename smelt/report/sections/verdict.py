"""The verdict at the top of the page, and what it is worth: faster, smaller, as good."""

from smelt.language import say
from smelt.report import figures
from smelt.report.markup import Html, prose, tag
from smelt.report.record import Record
from smelt.types import Candidate, Verdict


def verdict_section(record: Record) -> Html:
    """Return the head of the page."""
    verdict, chosen, reference = record.verdict, record.chosen, record.reference
    word = say("Certified") if verdict.certified else say("Not certified")
    badge = tag("p", _sign(certified=verdict.certified), word, class_="badge")
    block = tag(
        "div", badge, tag("p", prose(verdict.sentence), class_="sentence"), class_="verdict " + ("yes" if verdict.certified else "no")
    )
    gains = _gains(reference, chosen) if chosen and reference else []
    tiles = [tile for tile in [*gains, *_scores(verdict, chosen)] if tile]
    return tag("div", block, tag("div", *tiles, class_="tiles") if tiles else None, tag("p", _meaning(record), class_="note"))


def warnings_section(record: Record) -> Html | None:
    """Return what a reader should know about the data before believing anything, if there is something."""
    warnings = record.data.warnings if record.data else ()
    if not warnings:
        return None
    return tag("aside", tag("h2", say("Worth knowing about the data")), tag("ul", *(tag("li", warning) for warning in warnings)))


def _gains(reference: Candidate, chosen: Candidate) -> list[Html | None]:
    """Return ratios between two entries of this run, never of another."""
    throughput = _gain(
        (chosen.examples_per_s, reference.examples_per_s),
        (say("more documents per second"), say("fewer documents per second")),
        f"{figures.significant(reference.examples_per_s)} → {figures.significant(chosen.examples_per_s)}",
    )
    latency = _gain(
        (reference.latency_ms_p50, chosen.latency_ms_p50),
        (say("lower latency at batch 1"), say("higher latency at batch 1")),
        f"{figures.significant(reference.latency_ms_p50)} → {figures.significant(chosen.latency_ms_p50)} ms",
    )
    disk = _gain(
        (reference.size_bytes, chosen.size_bytes),
        (say("smaller on disk"), say("larger on disk")),
        f"{figures.size(reference.size_bytes)} → {figures.size(chosen.size_bytes)}",
    )
    return [throughput, latency, disk]


def _gain(pair: tuple[float | None, float | None], named: tuple[str, str], detail: str) -> Html | None:
    above, below = pair
    if not above or not below:
        return None
    better = above >= below
    return _tile(figures.ratio(max(above, below) / min(above, below)), named[0] if better else named[1], detail)


def _scores(verdict: Verdict, chosen: Candidate | None) -> list[Html]:
    if verdict.drop_points is None:
        return []
    scores = f"{figures.percent(verdict.reference_score)} → {figures.percent(verdict.candidate_score)}"
    seen = _tile(figures.signed(-verdict.drop_points), say("points of accuracy on confirm"), scores)
    if chosen:
        return [seen]
    bound = say("at {confidence:g} % confidence, one-sided", confidence=100 * verdict.confidence)
    return [
        seen,
        _tile(figures.points(verdict.upper_points), say("points may be lost at most"), bound),
        _tile(figures.points(verdict.margin_points), say("points is the margin"), say("set in the recipe before the test")),
    ]


def _meaning(record: Record) -> str:
    """Say what ships, in one sentence."""
    if record.verdict.certified:
        return say("Ratios are between the reference and the chosen model of this run, timed in turns on one machine.")
    return say(
        "Not certified does not mean worse. It means that this confirm set does not rule out a loss of the margin or more; "
        "the reference in export/reference ships instead."
    )


def _tile(number: str, what: str, detail: str) -> Html:
    return tag("div", tag("b", number), tag("span", what), tag("small", detail), class_="tile")


def _sign(*, certified: bool) -> Html:
    drawing = "M4 10.5l4 4 8-9" if certified else "M10 4v8M10 15.5v.5"
    return tag("svg", tag("path", d=drawing), viewBox="0 0 20 20", aria_hidden="true", class_="sign")
