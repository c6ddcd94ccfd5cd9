"""What a language task came to: the perplexity, and how the model learned."""

from smelt.language import say
from smelt.markup import Html, chapter, facts, panel, panels, tag
from smelt.report import figures
from smelt.report.plots.lines import Curve, curves
from smelt.report.record import LanguageRun, Log
from smelt.report.sections.training import loss_panel


def said_section(run: LanguageRun) -> Html:
    """Return the sentence that the command ended with."""
    return tag("section", tag("p", run.figures.sentence, class_="lead"), class_="verdict")


def perplexity_section(run: LanguageRun) -> Html:
    """Return the chapter of figures."""
    own, change = run.figures, run.figures.start
    rows: list[tuple[object, object]] = [
        (say("documents of confirm"), figures.count(own.documents)),
        (say("tokens guessed"), figures.count(own.tokens)),
        (say("perplexity per token"), f"{own.perplexity_per_token:.3f}"),
        (say("nats per token"), f"{own.nats_per_token:.4f}"),
    ]
    if own.bits_per_byte is not None and own.perplexity_per_byte is not None:
        rows += [(say("bits per byte"), f"{own.bits_per_byte:.4f}"), (say("perplexity per byte"), f"{own.perplexity_per_byte:.3f}")]
    if change:
        gap = f"{change.difference:+.4f} ({change.confidence:.0%}: {change.lower:+.4f} – {change.upper:+.4f})"
        rows += [
            (say("nats per token before training"), f"{change.reference:.4f}"),
            (say("difference, paired bootstrap over documents"), gap),
        ]
    return chapter("perplexity", say("Perplexity"), facts(say("On documents that nothing was trained or chosen on"), rows))


def learning_section(run: LanguageRun) -> Html | None:
    """Return the chapter of curves; None where no log was kept."""
    if run.log is None:
        return None
    shown = panels(loss_panel(say("Loss on train"), run.log), _dev(run.log))
    return chapter("training", say("Training"), shown)


def _dev(log: Log) -> Html | None:
    points = [(epoch.epoch + 1.0, epoch.dev_loss) for epoch in log.epochs if epoch.dev_loss is not None]
    if not points:
        return None
    title = say("Loss on dev, nats per token")
    alt = say("{title}: from {first:.3g} to {last:.3g}", title=title, first=points[0][1], last=points[-1][1])
    return panel(
        curves([Curve(name=title, kind="reference", points=points)], (say("epoch"), say("nats per token")), alt, named=False), title
    )
