"""Three hundred recipes with one slip each: all refused, all at the right line, at least 95 in 100 with the right word first."""

import io
import random
import re
import string
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import pytest
from ruamel.yaml import YAML

from smelt.errors import RecipeFaults
from smelt.recipe import compress, data, model, train
from smelt.recipe.document import read_document
from smelt.recipe.faults import check
from smelt.recipe.recipe import Recipe
from smelt.recipe.track import NoTracking, TensorBoard

_SLIPS = 600
_LINE = re.compile(r"^(?P<lead>\s*(?:- )*)(?:(?P<key>\w+):(?: (?P<value>.*))?|(?P<entry>\S+))$")


def _rich_recipes() -> list[str]:
    """One recipe for each kind of model; together they hold every section, kind and key."""
    sources = [data.FilesData(path="a.csv"), data.HubData(path="b"), data.DocstringsData()]
    students = (compress.Depth(layers=3), compress.Width(), compress.Static(), compress.Cnn(), compress.Rnn(), compress.Linear())
    kinds = get_args(get_args(model.ModelSection)[0])
    texts = []
    for number, kind in enumerate(kinds):
        chosen = kind(path="answers.csv") if kind is model.PredictionsModel else kind()
        recipe = {
            "name": "rich", "budget_minutes": 7.5,
            "data": sources[number % 3], "task": {"kind": "classify"}, "model": chosen,
            "train": train.Train(optimizer=(train.AdamW(), train.Sgd())[number % 2]),
            "compress": compress.Compress(students=students),
            "verify": {"margin_points": 1.0, "confidence": 0.95, "candidates": 3, "bench_rounds": 5},
            "export": {"license": "MIT", "intended_use": "tests"}, "track": (NoTracking(), TensorBoard())[number % 2],
        }  # fmt: skip
        plain = {key: value.model_dump(mode="json") if hasattr(value, "model_dump") else value for key, value in recipe.items()}
        stream = io.StringIO()
        writer = YAML(typ="safe", pure=True)
        writer.default_flow_style = False
        writer.sort_base_mapping_type_on_output = False
        writer.representer.ignore_aliases = lambda *_: True
        writer.dump(plain, stream)
        texts.append(stream.getvalue())
    return texts


def _faults(text: str):
    try:
        check(Recipe, read_document(text.encode(), "r.yaml"))
    except RecipeFaults as error:
        return error.faults
    return []


@dataclass(frozen=True)
class _Word:
    """A key or a value of a recipe."""

    text: str
    line: int
    start: int
    word: str
    is_key: bool

    def replaced(self, word: str) -> str:
        lines = self.text.splitlines()
        line = lines[self.line - 1]
        lines[self.line - 1] = line[: self.start] + word + line[self.start + len(self.word) :]
        return "\n".join(lines) + "\n"

    @cached_property
    def listed(self) -> frozenset[str]:
        """The words of the closed list that the value is from. Nonsense makes the recipe name them; a free text has none."""
        refusals = [fault.message for fault in _faults(self.replaced("qqqqqqqq")) if not self.is_key]
        return frozenset(re.findall(r"[a-z][a-z0-9-]+", "".join(refusals).partition("want ")[2]))


def _words(text: str) -> list[_Word]:
    words = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.match(line)
        for group in ("key", "value", "entry"):
            word = match[group] if match else None
            if word and re.fullmatch(r"[a-z][a-z0-9_-]+", word):
                words.append(_Word(text, number, match.start(group), word, group == "key"))
    return words


def _slip(word: str, dice: random.Random) -> str:
    at = dice.randrange(len(word))
    letter = dice.choice(string.ascii_lowercase + "_")
    match dice.choice(("insert", "delete", "substitute", "transpose")):
        case "insert":
            return word[:at] + letter + word[at:]
        case "delete":
            return word[:at] + word[at + 1 :]
        case "substitute":
            return word[:at] + letter + word[at + 1 :]
        case _:
            return word[:at] + word[at : at + 2][::-1] + word[at + 2 :]


@pytest.fixture(scope="module")
def slips() -> list[tuple[_Word, str, list]]:
    """Return each word with its misspelling and the faults that follow."""
    dice = random.Random(20240229)
    words = [word for text in _rich_recipes() for word in _words(text)]
    result = []
    while len(result) < _SLIPS:
        word = dice.choice(words)
        slip = _slip(word.word, dice)
        if slip != word.word and (word.is_key or (word.listed and slip not in word.listed)):
            result.append((word, slip, _faults(word.replaced(slip))))
    return result


def test_the_rich_recipes_load_and_hold_every_kind():
    texts = _rich_recipes()
    assert [_faults(text) for text in texts] == [[]] * len(texts)
    unions = (data.DataSection, model.ModelSection, compress.Student, train.Train.model_fields["optimizer"].annotation)
    kinds = {section.model_fields["kind"].default for union in unions for section in (get_args(get_args(union)[0]) or get_args(union))}
    assert kinds <= set(re.findall(r"kind: (\S+)", "\n".join(texts)))


def test_slips_fall_into_keys_kinds_and_closed_lists(slips):
    words = {word.word for word, *_ in slips}
    assert {"kind", "auto", "numpy-fp32"} <= words
    assert 0.2 < sum(word.is_key for word, *_ in slips) / len(slips) < 0.9


def test_every_slip_is_refused_at_its_line(slips):
    wrong = [(word.word, slip, [str(fault) for fault in faults]) for word, slip, faults in slips if [f.line for f in faults] != [word.line]]
    assert wrong == []


def test_the_first_suggestion_is_right_for_95_of_100(slips):
    right = sum(f"Did you mean '{word.word}'?" in faults[0].message for word, _, faults in slips)
    assert right >= 0.95 * len(slips)
