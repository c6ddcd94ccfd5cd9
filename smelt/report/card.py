"""The model card: README.md of a bundle, in Markdown, from plain facts. Whatever comes from the data is escaped."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from smelt.language import say

_MOST_LABELS = 200
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~&!])")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What a card tells. Values of mappings are ready for reading, such as `92.9 %` or `73.6 MB`."""

    name: str
    sentence: str
    """The verdict's sentence."""
    certified: bool
    labels: Sequence[str]
    """In the order of the scores."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    license: str = ""
    """SPDX identifier. Empty: the owner has not said."""
    intended_use: str = ""
    sha256s: Mapping[str, str] = field(default_factory=dict)
    """By what they are of."""
    commands: Sequence[str] = ()
    """Shell commands that use the bundle or make it again."""
    limits: Sequence[str] = ()
    """Sentences, such as those of `limits.claim_limits`."""


def model_card(facts: CardFacts) -> str:
    """Return the card, with the head that model hubs read."""
    mark = say("Certified") if facts.certified else say("Not certified")
    parts = [
        _head(facts),
        f"# {_escape(facts.name)}",
        f"**{mark}.** {_sentence(facts.sentence)}",
        _chapter(say("Intended use"), _escape(facts.intended_use)),
        _chapter(say("How to use it"), _code(facts.commands)),
        _chapter(say("Metrics"), _table(facts.metrics)),
        _chapter(say("Labels"), _labels(facts.labels)),
        _chapter(say("Data"), _table(facts.data)),
        _chapter(say("Where the claim ends"), "\n".join(f"- {_escape(limit)}" for limit in facts.limits)),
        _chapter(say("License"), _escape(facts.license) or say("Not stated. Ask the owner before use.")),
        _chapter(say("Checksums (sha256)"), _table(facts.sha256s)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(facts: CardFacts) -> str:
    """Return YAML front matter; every value is written as JSON, which YAML reads."""
    lines = ["pipeline_tag: text-classification", "tags: [smelt]"]
    if facts.license:
        lines.insert(0, f"license: {json.dumps(facts.license)}")
    return "\n".join(["---", *lines, "---"])


def _chapter(title: str, content: str) -> str:
    return f"## {title}\n\n{content}" if content else ""


def _table(rows: Mapping[str, str]) -> str:
    if not rows:
        return ""
    return "\n".join(["| | |", "|---|---|", *(f"| {_escape(key)} | {_escape(value)} |" for key, value in rows.items())])


def _labels(labels: Sequence[str]) -> str:
    listed = ", ".join(_escape(label) for label in labels[:_MOST_LABELS])
    if len(labels) > _MOST_LABELS:
        listed += ", " + say("and {n} more", n=len(labels) - _MOST_LABELS)
    return f"{say('{n} labels:', n=len(labels))} {listed}" if labels else ""


def _code(commands: Sequence[str]) -> str:
    """Fence commands by more backticks than they hold."""
    if not commands:
        return ""
    longest = max((len(run) for command in commands for run in re.findall("`+", command)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}sh", *commands, fence])


def _sentence(text: str) -> str:
    """Keep the `code` of a sentence of ours, escape the rest."""
    parts = " ".join(text.split()).split("`")
    return "`".join(part if place % 2 else _MARKUP.sub(r"\\\1", part) for place, part in enumerate(parts))


def _escape(text: str) -> str:
    """Return text that Markdown and HTML show as it is, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
