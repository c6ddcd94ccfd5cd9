"""`smelt plan`: what a training run takes on a cluster, before anybody rents it."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from smelt.errors import EnvironmentFault, UsageFault
from smelt.language import say
from smelt.plan.answer import Answer, Offer, answer
from smelt.plan.constants import Constants
from smelt.plan.document import document
from smelt.plan.layout import Layout
from smelt.plan.memory import Fit
from smelt.plan.phrases import listed
from smelt.plan.question import Question, question_of
from smelt.plan.search import Found, Plan, search
from smelt.plan.section import runnable, section_of
from smelt.recipe.load import load_question
from smelt.recipe.recipe import Recipe
from smelt.run.disk import Disk, write_file
from smelt.run.state import state_folder


def main(options: argparse.Namespace) -> int:
    """Answer, or measure this machine."""
    if options.calibrate:
        return _calibrate(options)
    if not options.spec:
        raise UsageFault(say("want a specification or a recipe"), step=say("Or measure this machine: smelt plan --calibrate"))
    question = _question(Path(options.spec), options.overrides)
    found = answer(question, Constants(), what_if=options.what_if)
    if found.found.best is None:
        raise _fits_nowhere(question, found.found)
    own = _own(question)
    whole = document(found) | {"parallel": section_of(own.layout, question.work) if own else None}
    if options.html:
        from smelt.plan.page import page

        _write(Path(options.html), page(whole))
    if options.json:
        print(json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(found, own)
        if options.html:
            Console(highlight=False, markup=False).print(say("page    {path}", path=options.html), soft_wrap=True)
    return 0


def _write(path: Path, text: str) -> None:
    try:
        write_file(path, text.encode(), Disk())
    except EnvironmentFault as error:
        raise EnvironmentFault(error.message, step=say("Name a file in a folder that can be written to: --html plan.html")) from error


def _question(path: Path, overrides: list[str]) -> Question:
    given = load_question(path, overrides)
    folder = path.resolve().parent
    if not isinstance(given, Recipe):
        return question_of(given, folder, state_folder())
    from smelt.pipeline.context import resolve_paths
    from smelt.pipeline.plan import question_of_recipe

    return question_of_recipe(resolve_paths(given, folder), folder, state_folder())


def _own(question: Question) -> Plan | None:
    """The fastest layout that smelt itself runs."""
    try:
        return search(runnable(question), Constants()).best
    except UsageFault:
        return None


def _fits_nowhere(question: Question, found: Found) -> UsageFault:
    """Say by how much, and what would make it fit."""
    have, want = question.cluster.accelerator.memory_gb, found.leanest.fullest.total / 1e9
    message = say(
        "no layout fits: the leanest of {n} needs {want:.1f} GB of {have:.1f} GB on its fullest rank ({layout})",
        n=found.considered, want=want, have=have, layout=told(found.leanest.layout),
    )  # fmt: skip
    for factor in (2, 4, 8, 16, 32, 64):
        count = question.cluster.count * factor
        try:
            more = search(question.on(count), Constants()).best
        except UsageFault:
            continue
        if more:
            step = say(
                "It would fit on {count} of them ({layout}), or in {want:.0f} GB each.", count=count, layout=told(more.layout), want=want
            )
            return UsageFault(message, step=step)
    return UsageFault(message, step=say("It would fit in {want:.0f} GB each; or take shorter sequences or a smaller model.", want=want))


def _show(found: Answer, own: Plan | None) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    question, best = found.question, found.found.best
    assert best is not None, "asked before"
    cluster = question.cluster
    console.print(
        say("{weights:.3g} billion weights on {count:,} x {name}, {tokens:,} tokens a step; {n:,} layouts, {out:,} too large",
            weights=question.shape.weights / 1e9, count=cluster.count, name=cluster.accelerator.name, tokens=question.work.tokens,
            n=found.found.considered, out=found.found.too_large),
        soft_wrap=True,
    )  # fmt: skip
    console.print(say("fastest {seconds} a step: {layout}", seconds=time(best.seconds), layout=told(best.layout)), soft_wrap=True)
    console.print(_spent(found, best), soft_wrap=True)
    console.print(_layouts(found))
    if len(found.offers) > 1:
        console.print(_clusters(found))
    if found.what_if:
        console.print(_changes(found))
    for line in _notes(found, own):
        console.print(line, soft_wrap=True)
    for warning in found.warnings:
        console.print(say("warning: {warning}", warning=warning), style="yellow", soft_wrap=True)


def _spent(found: Answer, best: Plan) -> str:
    question = found.question
    flops = question.shape.flops(question.work.tokens, question.work.sequence)
    share = flops / best.seconds / (question.cluster.accelerator.peak(question.work.precision) * question.cluster.count)
    parts = sorted(best.step.parts.items(), key=lambda part: -part[1])[:4]
    busy = listed(f"{part_name(name)} {100 * seconds / best.seconds:.0f} %" for name, seconds in parts)
    return say("        {share:.1f} % of the peak; {busy}", share=100 * share, busy=busy)


def _layouts(found: Answer) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in (say("layout"), say("a step"), say("memory"), say("why not")):
        table.add_column(heading, overflow="fold")
    best = found.found.best
    assert best is not None, "asked before"
    kept = [each for each in found.found.lost if each.plan.fit is not Fit.TOO_LARGE]
    table.add_row(short(best.layout), time(best.seconds), _memory(best), "")
    for each in [*kept[:5], *(each for each in found.found.lost if each not in kept)][:7]:
        table.add_row(short(each.plan.layout), time(each.plan.seconds), _memory(each.plan), each.reason)
    return table


def _memory(plan: Plan) -> str:
    return say(
        "{gb:.0f} GB, {fit}",
        gb=plan.fullest.total / 1e9,
        fit={"fits": say("fits"), "likely": say("likely fits"), "tight": say("tight"), "too large": say("too large")}[plan.fit.value],
    )


def _clusters(found: Answer) -> Table:
    table = Table(box=None, pad_edge=False)
    priced, steps = found.question.cluster.price_per_hour > 0, found.question.steps
    spent = [say("hours"), say("acc. hours")] if steps else []
    headings = [say("accelerators"), say("a step"), *spent, *([say("cost")] if priced else []), say("layout"), ""]
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for offer in found.offers:
        hours = [f"{offer.hours:,.1f}", f"{offer.accelerator_hours:,.0f}"] if steps else []
        cost = [f"{offer.cost:,.0f}" if steps else f"{offer.cost:,.4g}"] if priced else []
        table.add_row(f"{offer.count:,}", time(offer.plan.seconds), *hours, *cost, short(offer.plan.layout), listed(_titles(found, offer)))
    return table


def _titles(found: Answer, offer: Offer) -> Iterable[str]:
    if offer is found.cheapest:
        yield say("cheapest")
    if offer is found.smallest:
        yield say("smallest in time")
    if offer not in found.pareto:
        yield say("beaten")


def _changes(found: Answer) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in (say("what if"), say("a step"), say("change"), say("layout")):
        table.add_column(heading, overflow="fold")
    for each in found.what_if:
        if each.plan is None or each.share is None:
            table.add_row(each.name, "", say("no layout fits"), "")
        else:
            table.add_row(each.name, time(each.plan.seconds), f"{100 * (each.share - 1):+.1f} %", short(each.plan.layout))
    return table


def _notes(found: Answer, own: Plan | None) -> Iterable[str]:
    best, trouble = found.found.best, found.failures
    if trouble and not trouble.goodput:
        yield say("failures  one in {hours:,.2g} hours: such a run never ends", hours=trouble.between / 3600)
    elif trouble:
        yield say(
            "failures  one in {hours:,.1f} hours; save every {minutes:,.1f} minutes ({save:,.1f} s each): {goodput:.1f} % of the time "
            "lasts, {whole:,.1f} hours in all",
            hours=trouble.between / 3600, minutes=trouble.interval / 60, save=trouble.save, goodput=100 * trouble.goodput,
            whole=trouble.expected / 3600,
        )  # fmt: skip
    for assumed in found.question.assumed:
        yield say("assumed {what}", what=assumed)
    if own is None:
        experts = say("smelt run cannot train this: it has no networks with experts")
        yield experts if found.question.shape.experts else say("smelt run cannot train this: none of its own layouts fits")
        return
    section = section_of(own.layout, found.question.work) or {}
    if best and own.layout != best.layout:
        yield say("of its own layouts smelt run takes this one, {times:.2f} times the fastest:", times=own.seconds / best.seconds)
    yield "parallel: {" + ", ".join(f"{name}: {str(value).lower()}" for name, value in section.items()) + "}"


def _calibrate(options: argparse.Namespace) -> int:
    from smelt.pipeline.calibrate import calibrate

    place = state_folder() / "hardware.json"
    measured = calibrate(options.ranks, place)
    console = Console(highlight=False, markup=False, emoji=False)
    peaks = ", ".join(f"{name} {tflops:.3g} TFLOP/s" for name, tflops in measured.peak_tflops)
    console.print(
        say("{name}: {peaks}, memory {memory:.3g} GB/s", name=measured.name, peaks=peaks, memory=measured.memory_gbps), soft_wrap=True
    )
    console.print(say("written {path}", path=str(place)), soft_wrap=True)
    return 0


def told(layout: Layout) -> str:
    """Return a layout in a few words, what is 1 left out."""
    names = (
        (say("tensor"), layout.tensor), (say("pipeline"), layout.pipeline), (say("stages each"), layout.virtual),
        (say("context"), layout.context),
        (say("data"), layout.data), (say("experts over"), layout.expert),
    )  # fmt: skip
    words = [f"{name} {number}" for name, number in names if number > 1] or [say("one rank")]
    words.append(say("micro-batch {n}", n=layout.micro_batch))
    sharded = {"optimizer": say("optimizer sharded"), "gradients": say("gradients sharded"), "full": say("weights sharded")}
    kept = {"selective": say("attention computed again"), "full": say("activations computed again")}
    words += [table[word] for table, word in ((sharded, layout.sharding), (kept, layout.recompute)) if word in table]
    return listed(words)


def short(layout: Layout) -> str:
    """Return a layout in the field's abbreviations, what is 1 left out: TP4 PP4x5 CP2 DP32 MB1 ZeRO-1."""
    stages = f"PP{layout.pipeline}" + (f"x{layout.virtual}" if layout.virtual > 1 else "")
    degrees = (("TP", layout.tensor), ("CP", layout.context), ("DP", layout.data), ("EP", layout.expert))
    words = [f"{name}{number}" for name, number in degrees if number > 1]
    words[1 if layout.tensor > 1 else 0 : 0] = [stages] if layout.pipeline > 1 else []
    words.append(f"MB{layout.micro_batch}")
    words += [{"optimizer": "ZeRO-1", "gradients": "ZeRO-2", "full": "FSDP"}[layout.sharding]] if layout.sharding != "none" else []
    words += [say("recompute")] if layout.recompute == "full" else [say("selective recompute")] if layout.recompute == "selective" else []
    return " ".join(words)


def time(seconds: float) -> str:
    """Return a time of a step with its unit."""
    return say("{seconds:.2f} s", seconds=seconds) if seconds >= 1 else say("{ms:.1f} ms", ms=1000 * seconds)


def part_name(name: str) -> str:
    """Return what a part of a step's time is called."""
    return {
        "compute": say("computing"), "recompute": say("computing again"), "tensor": say("tensor exchange"), "stall": say("waiting"),
        "bubble": say("bubble"), "data": say("replicas' exchange"), "optimizer": say("optimizer"),
    }.get(name, say("other"))  # fmt: skip
