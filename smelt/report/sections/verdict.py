"""The verdict at the top of the page, and what it is worth: faster, smaller, as good."""

from smelt.language import say
from smelt.markup import Html, prose, tag
from smelt.report import figures
from smelt.report.record import GIVEN, Record
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
    tiles = [*gains, *_scores(verdict, chosen)]
    return tag("div", block, tag("div", *tiles, class_="tiles") if tiles else None, tag("p", _meaning(record), class_="note"))


def warnings_section(record: Record) -> Html | None:
    """Return what a reader should know about the data before believing anything, if there is something."""
    warnings = record.data.warnings if record.data else ()
    if not warnings:
        return None
    return tag("aside", tag("h2", say("Worth knowing about the data")), tag("ul", *(tag("li", warning) for warning in warnings)))


def _gains(reference: Candidate, chosen: Candidate) -> list[Html]:
    """Return ratios between two entries of this run, never of another."""
    tiles = []
    if reference.examples_per_s and chosen.examples_per_s:
        change = f"{figures.significant(reference.examples_per_s)} → {figures.significant(chosen.examples_per_s)}"
        tiles.append(_tile(figures.ratio(chosen.examples_per_s / reference.examples_per_s), say("documents per second"), change))
    if reference.latency_ms_p50 and chosen.latency_ms_p50:
        change = f"{figures.significant(reference.latency_ms_p50)} → {figures.significant(chosen.latency_ms_p50)} ms"
        named = say("lower latency at batch 1"), say("higher latency at batch 1")
        tiles.append(_shrunk(reference.latency_ms_p50 / chosen.latency_ms_p50, named, change))
    if reference.size_bytes and chosen.size_bytes:
        change = f"{figures.size(reference.size_bytes)} → {figures.size(chosen.size_bytes)}"
        tiles.append(_shrunk(reference.size_bytes / chosen.size_bytes, (say("smaller on disk"), say("larger on disk")), change))
    return tiles


def _shrunk(ratio: float, named: tuple[str, str], change: str) -> Html:
    """Return a tile for what should shrink: `named` says it for a ratio above 1 and for one below."""
    return _tile(figures.ratio(max(ratio, 1 / ratio)), named[ratio < 1], change)


def _scores(verdict: Verdict, chosen: Candidate | None) -> list[Html]:
    if verdict.drop_points is None:
        return []
    scores = f"{figures.percent(verdict.reference_score, 2)} → {figures.percent(verdict.candidate_score, 2)}"
    seen = _tile(figures.signed(-verdict.drop_points), say("points of accuracy on confirm"), scores)
    if chosen:
        return [seen]
    bound = say("at {confidence:g} % confidence, one-sided", confidence=100 * verdict.confidence)
    return [
        seen,
        _tile(figures.bound(verdict.upper_points, verdict.margin_points), say("points may be lost at most"), bound),
        _tile(figures.points(verdict.margin_points), say("points is the margin"), say("set in the recipe before the test")),
    ]


def _meaning(record: Record) -> str:
    """Say what ships, in one sentence."""
    if record.reference and record.reference.runtime == GIVEN:
        return say(
            "The reference is a file of answers, so it was not timed. The encoder that learned them stands in export/reference; "
            "it is a candidate like the others."
        )
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
