"""How to get the same again: command, recipe, versions, machine, hashes; and where the claim ends."""

from smelt.language import say
from smelt.markup import Html, chapter, facts, fold, tag
from smelt.report import figures
from smelt.report.limits import claim_limits
from smelt.report.record import Record, RunFacts

_MOST_HASHES = 400


def limits_section(record: Record) -> Html:
    """Return the chapter on what the verdict does not cover."""
    told = claim_limits(record.verdict, len(record.details.openings))
    return chapter("limits", say("Where the claim ends"), tag("ul", *(tag("li", limit) for limit in told)))


def origin_section(run: RunFacts, data_sha256: str = "") -> Html:
    """Return the chapter on where all this comes from; the confirm set has a hash where a verdict rests on it."""
    hashes = list(run.hashes.items())
    command = tag("pre", tag("code", run.command), tabindex=0, aria_label=say("Command")) if run.command else None
    recipe = fold(say("The recipe"), tag("pre", tag("code", run.recipe_text.rstrip()), tabindex=0)) if run.recipe_text else None
    shown = [(name, tag("code", digest)) for name, digest in hashes[:_MOST_HASHES]]
    title = (
        say("sha256 of {n} files", n=len(shown))
        if len(shown) == len(hashes)
        else say("sha256 of {n} of {total} files", n=len(shown), total=len(hashes))
    )
    digests = fold(title, facts(title, shown)) if shown else None
    return chapter("reproduce", say("How to get the same again"), command, _where(run, data_sha256), recipe, digests)


def _where(run: RunFacts, data_sha256: str) -> Html:
    machine = run.machine
    rows: list[tuple[str, object]] = [
        (say("started"), figures.moment(run.started)),
        (
            say("time by stage"),
            " · ".join(f"{stage} {figures.duration(facts.seconds)}" for stage, facts in run.stages.items() if facts.seconds is not None),
        ),
        (say("processor"), machine.cpu),
        (say("cores"), machine.cores),
        (say("memory"), figures.size(machine.memory_bytes) if machine.memory_bytes else None),
        (say("CPU instructions"), " ".join(machine.isa)),
        (say("versions"), " · ".join(f"{package} {version}" for package, version in run.versions.items())),
        (say("sha256 of the confirm set"), tag("code", data_sha256) if data_sha256 else None),
    ]
    return facts(say("Time, machine and versions"), ((what, value) for what, value in rows if value))
