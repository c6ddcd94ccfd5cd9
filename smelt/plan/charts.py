"""The figures of the plan's page: from the document's numbers to pictures, keys and words."""

from collections.abc import Mapping, Sequence
from typing import Any

from smelt.language import say
from smelt.markup import Column, Html, table
from smelt.plan.drawing import Alt, Dot, Part, gantt, scatter, stacks, whole
from smelt.plan.markup import figure, key
from smelt.plan.memory import MARGIN
from smelt.plan.phrases import listed, paragraph, part_name, percent, schedule_name, seconds_words, stage_names
from smelt.plan.timeline import Timeline, play, shown

Facts = Mapping[str, Any]

PART_COLORS = {
    "compute": "blue", "recompute": "navy", "tensor": "violet", "stall": "no", "bubble": "brick", "data": "teal", "optimizer": "rust",
    "fixed": "gray",
}  # fmt: skip
"""CSS classes of the parts of a step."""
_MEMORY_COLORS = {"weights": "blue", "gradients": "violet", "optimizer": "teal", "activations": "brick", "reserve": "gray"}


def memory_figure(plan: Facts, cluster: Facts) -> list[Html]:
    """Return the bars of what ranks hold, and the key of their colors."""
    names = stage_names([rank["stage"] for rank in plan["memory"]])
    have = cluster["memory_gb"]
    rows = [(name, _held(rank), f"{rank['total_gb']:,.1f} GB") for name, rank in zip(names, plan["memory"], strict=True)]
    levels = [
        (have, "end", say("{name} has {gb:,.1f} GB", name=cluster["accelerator"], gb=have)),
        (have / MARGIN, "level", say("tight from {gb:,.1f} GB on", gb=have / MARGIN)),
    ]
    told = listed([f"{name} {total}" for name, _, total in rows])
    alt = Alt(key="memory", title=say("Memory of a rank of each stage"), description=say("{told} of {gb:,.1f} GB.", told=told, gb=have))
    caption = say(
        "What one rank holds at the fullest moment of a step, of the stages that can be the fullest. A layout is called tight where the "
        "estimate times {margin} is more than there is: 85 % of published runs needed less than that.",
        margin=MARGIN,
    )  # fmt: skip
    colors = key((kind, _memory_name(name)) for name, kind in _MEMORY_COLORS.items())
    return [colors, figure(stacks(rows, levels, "GB", alt), alt.title, caption)]


def memory_table(ranks: Sequence[Facts]) -> Html:
    """Return the same in numbers."""
    columns = [Column(say("stage of the pipeline"), numeric=True), *(Column(_memory_name(name), numeric=True) for name in _MEMORY_COLORS)]
    columns.append(Column(say("in all"), numeric=True))
    rows = [[rank["stage"], *(f"{rank[f'{name}_gb']:,.2f}" for name in _MEMORY_COLORS), f"{rank['total_gb']:,.2f}"] for rank in ranks]
    return table(say("Memory of one rank in GB (10⁹ bytes)"), columns, rows)


def parts_figure(plan: Facts) -> Html:
    """Return the bar of a step."""
    step = plan["step_seconds"]
    parts, told = [], []
    for name, seconds in plan["parts_seconds"].items():
        if seconds <= 0.0:
            continue
        share = percent(seconds / step)
        long = say("{part} {share}, {seconds}", part=part_name(name), share=share, seconds=seconds_words(seconds))
        told.append(long)
        parts.append(Part(seconds, PART_COLORS.get(name, "gray"), [long, f"{part_name(name)} {share}", share]))
    alt = Alt(key="parts", title=say("Parts of a step"), description=say("{told}.", told=listed(told)))
    return figure(whole(parts, alt), alt.title, None)


def timeline_figure(plan: Facts) -> list[Html]:
    """Return the picture of a pipeline at work, and the key of its colors."""
    layout, count = plan["layout"], plan["micro_batches"]
    timeline = play(plan["stage_seconds"], count, layout["schedule"], layout["virtual"])
    ends = shown(timeline.stages, count, layout["virtual"])
    everything = 2 * ends >= count
    marks = [("blue", say("forward")), ("brick", say("backward"))]
    if layout["schedule"] == "zero_bubble":
        marks.append(("teal", say("backward of the weights")))
    if not everything:
        marks.append(("mist", say("other micro-batches")))
    marks.append(("idle", say("idle")))
    alt = Alt(
        key="timeline", title=say("Micro-batches on {n:,} stages", n=timeline.stages),
        description=say("{name}, {seconds}: stages work {busy} of the time.", name=schedule_name(layout["schedule"]),
                        seconds=seconds_words(timeline.seconds), busy=percent(timeline.busy)),
    )  # fmt: skip
    picture = gantt(timeline, ends, stage_names(range(timeline.stages)), say("seconds"), alt)
    return [key(marks), figure(picture, alt.title, paragraph(_timeline_words(plan, timeline, 0 if everything else ends)))]


def _timeline_words(plan: Facts, timeline: Timeline, ends: int) -> list[str]:
    """Say what is drawn, what is left out, and how it compares with the estimate."""
    layout, count = plan["layout"], plan["micro_batches"]
    estimate = count * max(plan["stage_seconds"]) + plan["parts_seconds"].get("bubble", 0.0)
    words = [
        say("Schedule: {name}, played through from the times of the stages, of which a third is forward and the rest backward.",
            name=schedule_name(layout["schedule"])),
        say("Drawn are the first and the last {ends} of {n:,} micro-batches, by their numbers where there is room.", ends=ends, n=count)
        if ends
        else say("Drawn are all {n:,} micro-batches, by their numbers where there is room.", n=count),
    ]  # fmt: skip
    if layout["virtual"] > 1:
        words.append(say("Each rank has {n} stages, told apart by light and dark; its time is split evenly.", n=layout["virtual"]))
    if timeline.skipped:
        words.append(say("{n:,} micro-batches in the middle were not played: they repeat.", n=timeline.skipped))
    words.append(
        say("Played it takes {played}, of which stages idle {idle} on average; the estimate has {estimate} for it. "
            "Exchange between replicas and the optimizer follow.",
            played=seconds_words(timeline.seconds), idle=percent(1 - timeline.busy), estimate=seconds_words(estimate))
    )  # fmt: skip
    return words


def offers_figure(facts: Facts) -> list[Html]:
    """Return the picture of what each number of accelerators takes and costs, and the key of its marks."""
    offers, steps = facts["offers"], facts["task"]["steps"]
    dots = [Dot(*_place(offer, facts), _marks(offer, facts), f"{offer['count']:,}") for offer in offers]
    priced = facts["cluster"]["price_per_hour"] > 0
    across = say("hours of the run") if steps else say("seconds of a step")
    up = say("cost") if priced else say("accelerator hours") if steps else say("accelerator seconds of a step")
    told = say(
        "{n} numbers of accelerators from {least:,} to {most:,}.",
        n=len(offers), least=min(offer["count"] for offer in offers), most=max(offer["count"] for offer in offers),
    )  # fmt: skip
    alt = Alt(key="offers", title=say("Cost against time"), description=told)
    marks = [("round blue", say("no other is quicker and cheaper")), ("hollow", say("another is quicker and cheaper"))]
    marks += [("ring", say("cheapest"))] if facts["cheapest"] else []
    marks += [("square", say("smallest in time"))] if facts["smallest"] else []
    words = [say("Each point is the fastest layout of so many accelerators; further left is quicker, further down cheaper.")]
    return [key(marks), figure(scatter(dots, (across, up), _deadline(facts), alt), alt.title, paragraph([*words, *_in_time(offers)]))]


def _place(offer: Facts, facts: Facts) -> tuple[float, float]:
    priced, steps = facts["cluster"]["price_per_hour"] > 0, facts["task"]["steps"]
    if not steps:
        return offer["step_seconds"], offer["cost"] if priced else offer["step_seconds"] * offer["count"]
    return offer["hours"], offer["cost"] if priced else offer["accelerator_hours"]


def _marks(offer: Facts, facts: Facts) -> list[str]:
    count = offer["count"]
    around = [("ring", count == facts["cheapest"]), ("square", count == facts["smallest"])]
    return [*(kind for kind, holds in around if holds), "blue" if count in facts["pareto"] else "hollow"]


def _deadline(facts: Facts) -> tuple[float, str] | None:
    """Where it divides those in time from those too late."""
    if len({offer["keeps_deadline"] for offer in facts["offers"]}) < 2:
        return None
    hours = facts["deadline_hours"]
    return hours, say("deadline, {hours:,.0f} hours", hours=hours)


def _in_time(offers: Sequence[Facts]) -> list[str]:
    judged = [offer["keeps_deadline"] for offer in offers if offer["keeps_deadline"] is not None]
    if not judged or len(set(judged)) == 2:
        return []
    return [say("All of them keep the deadline.") if judged[0] else say("None of them keeps the deadline.")]


def _held(rank: Facts) -> list[Part]:
    return [
        Part(rank[f"{name}_gb"], kind, [f"{_memory_name(name)} {rank[f'{name}_gb']:,.1f}", f"{rank[f'{name}_gb']:,.1f}"])
        for name, kind in _MEMORY_COLORS.items()
        if rank[f"{name}_gb"] > 0.0
    ]


def _memory_name(name: str) -> str:
    return {
        "weights": say("weights"), "gradients": say("gradients"), "optimizer": say("optimizer"), "activations": say("activations"),
        "reserve": say("reserve"),
    }[name]  # fmt: skip
