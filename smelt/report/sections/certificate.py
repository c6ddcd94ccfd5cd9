"""The certificate: how much was lost against the margin, for every candidate that was tested, and which answers changed."""

from collections.abc import Sequence

from smelt.language import say
from smelt.markup import Html, chapter, facts, name, note, panel, panels, tag
from smelt.report import figures
from smelt.report.plots.intervals import Drop, intervals
from smelt.report.record import Record
from smelt.types import Verdict
from smelt.verify import tango
from smelt.verify.sentence import named


def certificate_section(record: Record) -> Html | None:
    """Return the chapter; None where nothing was tested."""
    drops = [drop for test in record.tests if (drop := _drop(test))]
    if not drops:
        return None
    verdict = record.verdict
    picture = intervals(
        drops,
        verdict.margin_points,
        (say("no loss"), say("margin"), say("points lost against the reference")),
        _alt(drops, verdict.margin_points),
    )
    certain = 100 * verdict.confidence
    caption = say(
        "The right end of a bar is the upper bound at {confidence:g} %. Certified: it ends before the margin.", confidence=certain
    )
    shown = panels(panel(picture, say("Loss and margin"), caption), _flips(verdict))
    return chapter("certificate", say("The certificate"), shown, _requirements(verdict), _order(record.tests), _numbers(record))


def _requirements(verdict: Verdict) -> Html | None:
    """Return what must not be lost beside accuracy, as a table."""
    if not verdict.requirements:
        return None
    heads = (say("what"), say("margin"), say("loss seen"), say("at most"), say("examples"), say("kept"), say("how sure"))
    rows = [
        tag(
            "tr",
            tag("th", named(one), scope="row"),
            *(tag("td", f"{number:.4g}") for number in (one.margin, one.drop, one.upper)),
            tag("td", figures.count(one.n)),
            tag("td", say("yes") if one.kept else say("no")),
            tag("td", say("certificate") if one.level == "certificate" else say("estimate")),
        )
        for one in verdict.requirements
    ]
    caption = tag("caption", tag("b", say("What else must not be lost")), " ", say("All of it has to be kept, each at full confidence."))
    head = tag("tr", *(tag("th", word, scope="col") for word in heads))
    return tag("div", tag("table", caption, tag("thead", head), tag("tbody", *rows)), class_="scroll")


def _drop(test: Verdict) -> Drop | None:
    if test.upper_points is None:
        return None
    lower = None
    if test.lost is not None and test.won is not None:
        lower = -100 * tango.upper_bound(test.won, test.lost, test.n, test.confidence)
    return Drop(
        name=test.candidate or say("candidate"), certified=test.certified, lower=lower, drop=test.drop_points, upper=test.upper_points
    )


def _alt(drops: Sequence[Drop], margin: float) -> str:
    return "; ".join(say("{name}: at most {upper} points", name=drop.name, upper=figures.bound(drop.upper, margin)) for drop in drops)


def _flips(verdict: Verdict) -> Html | None:
    """Return the four ways in which two models can be right, as a table."""
    if verdict.lost is None or verdict.won is None or verdict.reference_score is None:
        return None
    both = round(verdict.reference_score * verdict.n) - verdict.lost
    neither = verdict.n - both - verdict.lost - verdict.won
    head = tag("tr", tag("td"), tag("th", say("candidate right"), scope="col"), tag("th", say("candidate wrong"), scope="col"))
    rows = [
        tag(
            "tr",
            tag("th", say("reference right"), scope="row"),
            _square(both, say("both right")),
            _square(verdict.lost, say("lost"), "lost"),
        ),
        tag(
            "tr",
            tag("th", say("reference wrong"), scope="row"),
            _square(verdict.won, say("won"), "won"),
            _square(neither, say("both wrong")),
        ),
    ]
    caption = tag(
        "caption", tag("b", say("Lost and won")), " ", say("Answers on the same {n} confirm examples.", n=figures.count(verdict.n))
    )
    return tag("div", tag("table", caption, tag("thead", head), tag("tbody", *rows), class_="flips"), class_="scroll")


def _square(count: int, what: str, kind: str | None = None) -> Html:
    return tag("td", tag("b", figures.count(count)), tag("small", what), class_=kind)


def _order(tests: Sequence[Verdict]) -> Html | None:
    if len(tests) < 2:
        return None
    names = ", ".join(test.candidate or "" for test in tests)
    return note(
        say("Tested in this order, which was fixed on dev: {names}. Each at full confidence, stopping at the first failure.", names=names)
    )


def _numbers(record: Record) -> Html:
    verdict, openings = record.verdict, record.details.openings
    rows: list[tuple[object, object]] = [
        (say("candidate"), name(verdict.candidate or figures.NO_VALUE)),
        (say("accuracy of reference, candidate, floor"), _three(verdict)),
        (say("loss seen"), figures.points(verdict.drop_points)),
        (
            say("upper bound at {confidence:g} %", confidence=100 * verdict.confidence),
            figures.bound(verdict.upper_points, verdict.margin_points),
        ),
        (say("margin"), figures.points(verdict.margin_points)),
        (say("p-value"), figures.probability(verdict.p_value)),
        (say("same answers"), figures.percent(verdict.agreement, 2)),
        (say("changed answers, at most"), f"{verdict.disagreement_upper_points:.2f}\u00a0%"),
        (say("method"), verdict.method),
    ]
    if openings:
        rows.append(
            (say("earlier and present openings of this confirm set"), tag("ul", *(_opening(one.time, one.run) for one in openings)))
        )
    return facts(say("The verdict in numbers; losses in percentage points"), rows)


def _opening(time: str, run: str) -> Html:
    return tag("li", tag("time", figures.moment(time)), " ", name(run))


def _three(verdict: Verdict) -> str:
    return " · ".join(figures.percent(score, 2) for score in (verdict.reference_score, verdict.candidate_score, verdict.floor_score))
