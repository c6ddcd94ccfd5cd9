"""The answer of a plan as one self-contained page: it loads nothing and runs no script."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smelt.language import say
from smelt.markup import Column, Html, chapter, fold, note, table, tag, whole
from smelt.plan.charts import (
    PART_COLORS,
    memory_figure,
    memory_table,
    offers_figure,
    parts_figure,
    timeline_figure,
)
from smelt.plan.drawing import change
from smelt.plan.phrases import bound, degrees, fit_name, layout_words, listed, part_meaning, part_name, percent, seconds_words

Facts = Mapping[str, Any]

_STYLE = Path(__file__).with_name("page.css")
# Even if markup from the data got through, a browser would load and run nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MOST_DRAWN = 2**16
"""Of a pipeline's length squared times its stages per rank: that many pieces are played, some times over."""


def page(document: Mapping[str, object]) -> str:
    """Return what `smelt.plan.document.document` made as a page of HTML."""
    facts: Facts = document
    title = say(
        "Plan: {weights:,.3g} billion weights on {count:,} × {name}",
        weights=facts["model"]["weights"] / 1e9, count=facts["cluster"]["count"], name=facts["cluster"]["accelerator"],
    )  # fmt: skip
    sections = (_headline, _memory, _time, _timeline, _offers, _lost, _what_if, _question)
    body = tag(
        "body",
        tag("header", tag("h1", title), tag("p", "smelt plan")),
        tag("main", *(section(facts) for section in sections)),
        tag("footer", tag("p", say("Made by smelt plan. All numbers are estimates. This page loads nothing and runs no script."))),
    )
    return whole(title, _STYLE, _POLICY, body)


def _headline(facts: Facts) -> Html:
    best, leanest = facts["best"], facts["leanest"]
    kind = "yes" if best and best["fit"] in ("fits", "likely") else "no"
    if best is None:
        badge, sentence = say("Nothing fits"), _nothing(facts)
    else:
        badge = say("It fits") if kind == "yes" else say("It barely fits")
        sentence = _sentence(facts, best)
    verdict = tag("div", tag("p", badge, class_="badge"), tag("p", sentence, class_="sentence"), class_=f"verdict {kind}")
    tiles = tag("div", *(_tile(*tile) for tile in _tiles(facts, best)), class_="tiles") if best else None
    shown = best or leanest
    considered = say(
        "{n:,} layouts were considered, {out:,} of them need more memory than there is. This one: {layout}.",
        n=facts["considered"], out=facts["too_large"], layout=layout_words(shown["layout"]),
    )  # fmt: skip
    aside = [_aside(say("Warnings"), facts["warnings"], "warnings"), _aside(say("Assumed"), facts["assumed"], None)]
    return tag("div", verdict, tiles, note(considered), *aside)


def _sentence(facts: Facts, best: Facts) -> str:
    cluster, steps = facts["cluster"], facts["task"]["steps"]
    step, mesh, share = seconds_words(best["step_seconds"]), degrees(best["layout"]), percent(best["mfu"])
    count, name, why = cluster["count"], cluster["accelerator"], bound(best["parts_seconds"], best["step_seconds"])
    if not steps:
        return say(
            "{count:,} × {name} ({mesh}) take {step} a step, at {share} of the peak (MFU); {why}.",
            count=count, name=name, mesh=mesh, step=step, share=share, why=why,
        )  # fmt: skip
    hours, spent = best["hours"], best["hours"] * count
    if not cluster["price_per_hour"]:
        return say(
            "{count:,} × {name} ({mesh}) take {step} a step and {hours:,.1f} hours for all {steps:,} steps: {spent:,.0f} accelerator "
            "hours, at {share} of the peak (MFU); {why}.",
            count=count, name=name, mesh=mesh, step=step, hours=hours, steps=steps, spent=spent, share=share, why=why,
        )  # fmt: skip
    return say(
        "{count:,} × {name} ({mesh}) take {step} a step and {hours:,.1f} hours for all {steps:,} steps: {spent:,.0f} accelerator hours "
        "that cost {cost:,.0f}, at {share} of the peak (MFU); {why}.",
        count=count, name=name, mesh=mesh, step=step, hours=hours, steps=steps, spent=spent, cost=spent * cluster["price_per_hour"],
        share=share, why=why,
    )  # fmt: skip


def _nothing(facts: Facts) -> str:
    leanest = facts["leanest"]
    return say(
        "No layout fits on {count:,} × {name}: even the leanest, {mesh}, needs {want:,.1f} GB of {have:,.1f} GB on its fullest rank.",
        count=facts["cluster"]["count"], name=facts["cluster"]["accelerator"], mesh=degrees(leanest["layout"]), want=_fullest(leanest),
        have=facts["cluster"]["memory_gb"],
    )  # fmt: skip


def _tiles(facts: Facts, best: Facts) -> list[tuple[str, str, str | None]]:
    cluster, steps = facts["cluster"], facts["task"]["steps"]
    tokens = say("{n:,.0f} tokens a second", n=best["tokens_per_second"])
    tiles: list[tuple[str, str, str | None]] = [(seconds_words(best["step_seconds"]), say("a step"), tokens)]
    if steps:
        spent = best["hours"] * cluster["count"]
        days = say("{days:,.1f} days for {steps:,} steps", days=best["hours"] / 24, steps=steps)
        tiles.append((f"{best['hours']:,.1f}", say("hours"), days))
        if cluster["price_per_hour"]:
            price = say("{spent:,.0f} accelerator hours at {price:,.2f}", spent=spent, price=cluster["price_per_hour"])
            tiles.append((f"{spent * cluster['price_per_hour']:,.0f}", say("cost"), price))
        else:
            tiles.append((f"{spent:,.0f}", say("accelerator hours"), say("no price is given")))
    tiles.append((percent(best["mfu"]), "MFU", say("of the peak")))
    tiles.append((f"{_fullest(best):,.1f} GB", say("on the fullest rank"), say("of {gb:,.1f} GB", gb=cluster["memory_gb"])))
    if facts["failures"]:
        tiles.append(_failures(facts["failures"]))
    return tiles


def _failures(trouble: Facts) -> tuple[str, str, str | None]:
    if trouble["goodput"] <= 0.0:
        return "∞", say("hours with failures"), say("it never ends")
    detail = say(
        "one in {between:,.1f} h, saved every {minutes:,.0f} min; {goodput:.1f} % is work that lasts",
        between=trouble["between"] / 3600, minutes=trouble["interval"] / 60, goodput=100 * trouble["goodput"],
    )  # fmt: skip
    return f"{trouble['expected'] / 3600:,.1f}", say("hours with failures"), detail


def _tile(value: str, words: str, detail: str | None) -> Html:
    return tag("div", tag("b", value), tag("span", words), tag("small", detail) if detail else None, class_="tile")


def _aside(title: str, lines: list[str], kind: str | None) -> Html | None:
    return tag("aside", tag("h2", title), tag("ul", *(tag("li", line) for line in lines)), class_=kind) if lines else None


def _memory(facts: Facts) -> Html:
    plan = facts["best"] or facts["leanest"]
    shown = note(say("Of the leanest layout, as nothing fits.")) if facts["best"] is None else None
    numbers = fold(say("In numbers"), memory_table(plan["memory"]))
    return chapter("memory", say("Memory"), shown, *memory_figure(plan, facts["cluster"]), numbers)


def _time(facts: Facts) -> Html | None:
    best = facts["best"]
    if best is None:
        return None
    step = best["step_seconds"]
    columns = [Column(say("part")), Column(say("seconds"), numeric=True), Column(say("share"), numeric=True), Column(say("what it is"))]
    rows = [
        (
            tag("span", tag("i", class_=f"swatch {PART_COLORS.get(name, 'gray')}"), " ", part_name(name)),
            f"{seconds:.4f}",
            percent(seconds / step),
            part_meaning(name),
        )
        for name, seconds in best["parts_seconds"].items()
    ]
    caption = say("A step of {step}, taken apart. The parts add up.", step=seconds_words(step))
    return chapter("time", say("Where a step's time goes"), parts_figure(best), table(caption, columns, rows))


def _timeline(facts: Facts) -> Html | None:
    best = facts["best"]
    if best is None:
        return None
    if best["layout"]["pipeline"] == 1:
        told = say(
            "There is none: with a pipeline of 1 each rank works on its {n:,} micro-batches of a step one after the other.",
            n=best["micro_batches"],
        )
        return chapter("timeline", say("A step on the pipeline"), note(told))
    if best["layout"]["pipeline"] ** 2 * best["layout"]["virtual"] > _MOST_DRAWN:
        told = say("A pipeline of {n:,} is too long to be drawn.", n=best["layout"]["pipeline"])
        return chapter("timeline", say("A step on the pipeline"), note(told))
    return chapter("timeline", say("A step on the pipeline"), *timeline_figure(best))


def _offers(facts: Facts) -> Html:
    title, offers = say("Cost against time"), facts["offers"]
    if not offers:
        return chapter("offers", title, note(say("No number of accelerators up to this one has a layout that fits.")))
    steps, price = facts["task"]["steps"], facts["cluster"]["price_per_hour"]
    judged = any(offer["keeps_deadline"] is not None for offer in offers)
    columns = [Column(say("accelerators"), numeric=True), Column(say("a step"), numeric=True)]
    columns += [Column(say("hours"), numeric=True), Column(say("accelerator hours"), numeric=True)] if steps else []
    columns += [Column(say("cost"), numeric=True)] if price else []
    columns += [Column(say("in time"))] if judged else []
    columns += [Column(say("memory")), Column(say("layout")), Column(say("remarks"))]
    rows = [_offer(offer, facts, judged=judged) for offer in offers]
    caption = say("The fastest layout of each number of accelerators.")
    return chapter("offers", title, *offers_figure(facts), table(caption, columns, rows))


def _offer(offer: Facts, facts: Facts, *, judged: bool) -> list[object]:
    cells: list[object] = [f"{offer['count']:,}", seconds_words(offer["step_seconds"])]
    cells += [f"{offer['hours']:,.1f}", f"{offer['accelerator_hours']:,.0f}"] if facts["task"]["steps"] else []
    cells += [f"{offer['cost']:,.0f}" if facts["task"]["steps"] else f"{offer['cost']:,.4g}"] if facts["cluster"]["price_per_hour"] else []
    cells += [tag("span", say("yes") if offer["keeps_deadline"] else say("no"))] if judged else []
    marks = [
        (say("cheapest"), offer["count"] == facts["cheapest"]),
        (say("smallest in time"), offer["count"] == facts["smallest"]),
        (say("another is quicker and cheaper"), offer["count"] not in facts["pareto"]),
    ]
    return [*cells, tag("span", fit_name(offer["fit"])), layout_words(offer["layout"]), listed([text for text, holds in marks if holds])]


def _lost(facts: Facts) -> Html | None:
    best = facts["best"]
    if best is None:
        return None
    title = say("Why other meshes lost")
    if not facts["lost"]:
        return chapter("lost", title, note(say("No other mesh fits.")))
    columns = [
        Column(say("layout")), Column(say("a step"), numeric=True), Column(say("longer by"), numeric=True),
        Column(say("memory"), numeric=True), Column(say("why not")),
    ]  # fmt: skip
    rows = [
        (
            layout_words(each["layout"]),
            seconds_words(each["step_seconds"]),
            percent(each["step_seconds"] / best["step_seconds"] - 1, signed=True),
            f"{_fullest(each):,.1f} GB",
            each["reason"],
        )
        for each in facts["lost"]
    ]
    return chapter("lost", title, table(say("Each mesh with its best layout, fastest first."), columns, rows))


def _what_if(facts: Facts) -> Html | None:
    changes = facts["what_if"]
    if not changes:
        return None
    most = max((abs(each["share"] - 1.0) for each in changes if each["share"] is not None), default=0.0)
    columns = [
        Column(say("what if")), Column(say("a step"), numeric=True), Column(say("change"), numeric=True),
        Column(say("quicker ← → slower")), Column(say("layout")),
    ]  # fmt: skip
    rows = [_change(each, most) for each in changes]
    return chapter(
        "what-if", say("What would change it"), table(say("One thing changed, and the best layout searched anew."), columns, rows)
    )


def _change(each: Facts, most: float) -> tuple[object, ...]:
    if each["share"] is None:
        return each["name"], "", "", say("no layout fits"), ""
    return (
        each["name"],
        seconds_words(each["step_seconds"]),
        percent(each["share"] - 1, signed=True),
        change(each["share"], most),
        layout_words(each["layout"]),
    )


def _question(facts: Facts) -> Html:
    cluster = facts["cluster"]
    columns = [Column(say("field")), Column(say("value"))]
    tables = [
        table(title, columns, [(tag("code", name), _value(value)) for name, value in part.items() if name != "source"])
        for title, part in ((say("model"), facts["model"]), (say("task"), facts["task"]), (say("cluster"), cluster))
    ]
    held = (
        say("The model was held against published runs on this accelerator: {sets}.", sets=listed(cluster["validated_on"]))
        if cluster["validated_on"]
        else say("The model was not held against published runs on this accelerator.")
    )
    source = [note(say("Where its numbers come from, as of {date}:", date=cluster["date"])), tag("p", cluster["source"], class_="note")]
    return chapter("question", say("What was asked"), note(held), fold(say("All fields"), *tables, *source))


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return listed([str(each) for each in value])
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _fullest(plan: Facts) -> float:
    return max(rank["total_gb"] for rank in plan["memory"])
