"""Explanations as one self-contained page: words coloured by what they add to the answer."""

from collections.abc import Sequence

import numpy as np

from smelt.explain.attribution import Attribution
from smelt.explain.counterfactual import Counterfactual
from smelt.explain.explanation import Explained
from smelt.explain.surrogate import Surrogate
from smelt.language import language, say
from smelt.markup import Column, Html, chapter, join, note, panel, table, tag

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
mark { color: inherit; border-radius: .2em; padding: 0 .1em; background: rgb(from var(--tint) r g b / var(--strength)); }
.for { --tint: #2a78d6; } .against { --tint: #d6572a; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem; text-align: start; } .number { text-align: end; }
figure { margin: 1.5rem 0; } pre { overflow: auto; } .scroll { overflow: auto; }
"""


def draw_page(explained: Explained, labels: Sequence[str], *, title: str, surrogate: Surrogate | None = None) -> str:
    """Return the page as HTML."""
    texts = [
        panel(tag("p", marked(one)), said(one, labels), told(closest, labels))
        for one, closest in zip(explained.found, explained.counterfactuals, strict=True)
    ]
    body = [
        tag("h1", title),
        note(say("Blue words speak for the answer, orange ones against it; the stronger the colour, the more.")),
        *texts,
        chapter("faithfulness", say("How faithful"), faithfulness_table(explained)),
        *([surrogate_section(surrogate)] if surrogate else []),
    ]
    head = tag("head", tag("meta", charset="utf-8"), _policy(), tag("title", title), Html(f"<style>{_STYLE}</style>"))
    return "<!doctype html>\n" + tag("html", head, tag("body", *body), lang="zh-CN" if language() == "zh" else "en")


def _policy() -> Html:
    return Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">')


def marked(one: Attribution) -> Html:
    """Return the text, its words coloured."""
    most, parts, place = float(np.abs(one.values).max(initial=0.0)) or 1.0, [], 0
    for (start, end), value in zip(one.words.spans, one.values, strict=True):
        strength = abs(value) / most
        word = one.words.text[start:end]
        parts.append(one.words.text[place:start])
        kind = "for" if value >= 0 else "against"
        parts.append(
            tag("mark", word, class_=kind, style=f"--strength: {strength:.2f}", title=f"{value:+.2f}") if strength > 0.05 else word
        )
        place = end
    return join([*parts, one.words.text[place:]])


def said(one: Attribution, labels: Sequence[str]) -> str:
    """Return the answer in words."""
    return say("{label}, {share:.1%}", label=labels[one.label], share=one.probability)


def told(closest: Counterfactual | None, labels: Sequence[str]) -> str:
    """Return what would change the answer, in words."""
    if closest is None:
        return say("No few words change this answer.")
    gone = ", ".join(f"“{edit.word}” → {f'“{edit.instead}”' if edit.instead else '–'}" for edit in closest.edits)
    return say("It would be {label} ({share:.1%}) with {words}.", words=gone, label=labels[closest.label], share=closest.probability)


def faithfulness_table(explained: Explained) -> Html:
    """Return what was measured of each method."""
    columns = [
        Column(say("method")), Column(say("comprehensiveness"), numeric=True), Column(say("sufficiency"), numeric=True),
        Column(say("deletion"), numeric=True),
    ]  # fmt: skip
    rows = [
        (name, f"{one.comprehensiveness:.3f}", f"{one.sufficiency:.3f}", f"{one.deletion:.3f}")
        for name, one in explained.faithfulness.items()
    ]
    caption = say("On {n} texts; shown above: {method}", n=next(iter(explained.faithfulness.values())).texts, method=explained.method)
    return table(caption, columns, rows)


def surrogate_section(surrogate: Surrogate) -> Html:
    """Return the simple models of the model."""
    columns = [Column(say("label")), Column(say("words that speak for it"))]
    rows = [(label, ", ".join(f"{word} ({weight:+.2f})" for word, weight in words)) for label, words in surrogate.words.items()]
    agreed = say(
        "On {n} other texts {features} weighted words answer {linear:.1%} as the model does ({low:.1%} to {high:.1%}), "
        "a tree of four questions {tree:.1%}; the most frequent answer alone {majority:.1%}.",
        n=surrogate.texts, features=surrogate.features, linear=surrogate.linear, low=surrogate.linear_bounds[0],
        high=surrogate.linear_bounds[1], tree=surrogate.tree, majority=surrogate.majority,
    )  # fmt: skip
    return chapter("surrogate", say("The whole model"), note(agreed), table(say("Words"), columns, rows), tag("pre", surrogate.rules))
