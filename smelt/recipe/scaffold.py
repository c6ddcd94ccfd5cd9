"""The recipe that `smelt init` writes: short, commented, fitted to the data."""

import re
from dataclasses import dataclass

from smelt.language import say
from smelt.recipe.write import written

BUDGET_MINUTES = 45
_MOSTLY_CJK = 0.3
_CHARACTERS_PER_TOKEN = 4
_LONGEST = 256
_FEW_CONFIRM_ROWS = 1000
_DEV_SHARE, _CONFIRM_SHARE = 0.1, 0.2
_LANGUAGE_SHARE = 0.02
"""Of the documents of a language task, for dev and for confirm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What a look at the data found."""

    path: str
    """File or folder, relative to the recipe."""
    text: str
    """Column of the document."""
    label: str
    """Column of the answer; empty for a language task."""
    rows: int
    """Rows in all splits together."""
    labels: int
    """Different answers."""
    characters_p50: int
    characters_p95: int
    cjk_share: float
    """Share of Chinese, Japanese and Korean characters. Fraction."""
    english: bool
    """Whether the texts are mostly English."""
    train: str | None = None
    """Name of the split, where there is one."""
    dev: str | None = None
    confirm: str | None = None
    weights: str | None = None
    """Folder of a classifier that is fine-tuned already; None where one is to be trained."""
    answered: bool = False
    """Whether the labels are that classifier's own answers."""
    reads: int | None = None
    """Tokens of a text that the classifier reads; None where it does not say so."""


def scaffold(facts: DataFacts, *, name: str, recipe: str) -> str:
    """Return the text of a recipe, with comments in the reader's language.

    Args:
        facts: what is known of the data.
        name: of the run; `run_name` makes one.
        recipe: path of the file to be written, as the user would type it.
    """
    blocks = [_head(facts, recipe), [f"name: {written(name)}"], [_budget()], _data(facts), _task(facts), _model(facts), _rest(facts)]
    return "\n".join(line for block in blocks for line in block) + "\n"


def run_name(text: str) -> str:
    """Turn any text, such as a folder's name, into a name that a recipe accepts."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("._-")[:64] or "run"


def _head(facts: DataFacts, recipe: str) -> list[str]:
    shown = "".join(letter if letter.isprintable() else "?" for letter in recipe)
    if not facts.label:
        lines = [
            say("Lets an encoder read {rows} documents; a classifier may begin with its weights.", rows=facts.rows),
            say("Costs about {minutes} minutes of training on this machine.", minutes=BUDGET_MINUTES),
            say("Command: smelt run {recipe}", recipe=shown),
        ]
        return [f"# {line}" for line in lines]
    lines = [
        say("Gives a text one of {labels} labels, learned from {rows} rows.", labels=facts.labels, rows=facts.rows),
        say(
            "Costs about {minutes} minutes of training and search on this machine; timing and the certificate come on top.",
            minutes=BUDGET_MINUTES,
        ),
        say("Score to expect: unknown until the first `smelt run {recipe}`.", recipe=shown),
        say("Command: smelt run {recipe}", recipe=shown),
    ]
    return [f"# {line}" for line in lines]


def _budget() -> str:
    return f"budget_minutes: {BUDGET_MINUTES}  # {say('training and search together; fewer minutes try fewer and smaller models')}"


def _data(facts: DataFacts) -> list[str]:
    return [
        "data:",
        "  kind: files",
        f"  path: {written(facts.path)}  # {say('relative to this file')}",
        f"  text: {written(facts.text)}  # {say('column of the document')}",
        *([f"  label: {written(facts.label)}  # {say('column of the answer')}"] if facts.label else []),
        "  splits:",
        *([f"    train: {written(facts.train)}"] if facts.train else []),
        f"    dev: {written(facts.dev or (_DEV_SHARE if facts.label else _LANGUAGE_SHARE))}  # {_about_dev(facts)}",
        f"    confirm: {written(facts.confirm or (_CONFIRM_SHARE if facts.label else _LANGUAGE_SHARE))}  # {_about_confirm(facts)}",
    ]


def _about_dev(facts: DataFacts) -> str:
    if not facts.label:
        return say("documents that choose between epochs")
    if facts.dev:
        return say("the split that chooses between models")
    return say("share of train, set aside to choose between models")


def _about_confirm(facts: DataFacts) -> str:
    if not facts.label:
        return say("documents whose perplexity is told; nothing is trained or chosen on them")
    if facts.confirm:
        return say("the split that certifies; nothing is trained or chosen on it")
    rows = round(facts.rows * _CONFIRM_SHARE)
    if rows < _FEW_CONFIRM_ROWS:
        return say(
            "share of train, set aside to certify: about {rows} rows, few for a margin of 1 point; more rows certify more", rows=rows
        )
    return say("share of train, set aside to certify; nothing is trained or chosen on it")


def _task(facts: DataFacts) -> list[str]:
    if facts.label:
        return ["task:", "  kind: classify"]
    return ["task:", f"  kind: masked_language  # {say('guess covered words from what stands around them')}"]


def _model(facts: DataFacts) -> list[str]:
    if facts.weights:
        lines = ["  kind: transformer", f"  weights: {written(facts.weights)}"]
        comment = say("the model to match, as it is: without a section `train:` nothing is fitted")
    elif facts.english and facts.cjk_share <= _MOSTLY_CJK:
        lines = ["  kind: transformer", "  weights: all-MiniLM-L6-v2"]
        comment = say("the model to match; any Hugging Face encoder or folder of one will do")
        if not facts.label:
            comment = say("the encoder that reads on; any on Hugging Face, or a folder of one, will do")
    else:
        lines = ["  kind: transformer-scratch", "  layers: 4", "  dim: 256"]
        comment = say(
            "from random weights: the built-in encoder reads English only. Better: an encoder of your language, `kind: transformer`"
        )
    if not facts.label:
        return [
            "model:",
            f"{lines[0]}  # {comment}",
            *lines[1:],
            f"  max_tokens: {_max_tokens(facts)}  # {say('longer texts are cut into pieces')}",
        ]
    tokens = say("the rest of a longer text is cut off; half of the texts have {p50} characters or fewer", p50=facts.characters_p50)
    if facts.weights and facts.reads:
        tokens = say("as many as the model says that it reads")
    elif _tokens(facts, facts.characters_p50) > _LONGEST:
        tokens = say("the rest is cut off, of more than half of the texts; `windows: {{}}` under task reads on, at several times the cost")
    return ["model:", f"{lines[0]}  # {comment}", *lines[1:], f"  max_tokens: {facts.reads or _max_tokens(facts)}  # {tokens}"]


def _max_tokens(facts: DataFacts) -> int:
    """Room for 95 of 100 texts, in steps of 32, from 32 to 256."""
    return min(max(-int(-_tokens(facts, facts.characters_p95) // 32) * 32, 32), _LONGEST)


def _tokens(facts: DataFacts, characters: int) -> float:
    """Estimate: a token is a character of Chinese, or about four letters."""
    return characters if facts.cjk_share > _MOSTLY_CJK else characters / _CHARACTERS_PER_TOKEN * 1.1


def _rest(facts: DataFacts) -> list[str]:
    if not facts.label:
        return [f"train: {{}}  # {say('defaults; `smelt schema --reference` shows every key')}"]
    return [
        *([] if facts.weights else [f"train: {{}}  # {say('defaults; `smelt schema --reference` shows every key')}"]),
        "verify:",
        f"  margin_points: 1.0  # {say('points of accuracy that the smaller model may lose at most')}",
        *([f"  labels: reference  # {say('no true labels: the certificate rests on agreement alone')}"] if facts.answered else []),
    ]
