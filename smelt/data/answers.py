"""Answers that someone gave before: an LLM, an API, last month's release. A table beside the data, matched to its rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from smelt.data.dataset import Dataset, Split
from smelt.data.formats import open_table
from smelt.data.rows import ROLES, Flaw, Reject, Role, check_row, excerpt, label_name, missing_column
from smelt.data.staging import text_digest
from smelt.errors import DataFault
from smelt.language import say
from smelt.recipe.model import PredictionsModel

_CHUNK = 8192
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers to the rows of a data set, in the order of its splits."""

    answers: Mapping[Role, list[str | None]]
    """None where train has no answer; dev and confirm are complete."""

    @property
    def known(self) -> int:
        """Training rows with an answer."""
        return sum(answer is not None for answer in self.answers["train"])


def read_answers(section: PredictionsModel, dataset: Dataset) -> Answered:
    """Read the file of answers and find the one of each row.

    Raises:
        DataFault: a column is missing, one text has two different answers, or rows of dev or confirm have none.
        EnvironmentFault: the file may not be read.
    """
    found = _by_key(section)
    answers: dict[Role, list[str | None]] = {
        role: [found.get(text_digest(key)) for key in _keys(getattr(dataset, role), section)] for role in ROLES
    }
    for role in ("dev", "confirm"):
        _refuse_gaps(role, answers[role], getattr(dataset, role), section)
    return Answered(answers)


def _by_key(section: PredictionsModel) -> dict[bytes, str]:
    """Return answers by the digest of their row's key. Rows without an answer are left out: where one is needed, its absence is told."""
    path = Path(section.path)
    table = open_table(path)
    key = section.text if section.match == "text" else "id"
    for name, column in (("text", key), ("prediction", section.prediction)):
        if column not in table.columns:
            step = say("Name the column in model.{key}.", key=name) if section.match == "text" or name == "prediction" else ""
            raise missing_column(path, column, table.columns, step or say("Ids are needed for model.match: id."))
    found: dict[bytes, str | float] = {}
    for record in table.records((key, section.prediction)):
        row = Reject("", record.line, "", "") if isinstance(record, Flaw) else check_row(str(path), "", record)
        if not isinstance(row, Reject) and found.setdefault(text_digest(row.text), row.label) != row.label:
            raise DataFault(
                say("{path}:{line}: a second, different answer to '{key}'", path=path, line=row.line, key=excerpt(row.text)),
                step=say("Keep one answer per text, or match rows by their id with model.match: id."),
            )
    whole = all(not isinstance(answer, float) or answer.is_integer() for answer in found.values())
    return {digest: label_name(answer, whole=whole) for digest, answer in found.items()}


def _keys(split: Split, section: PredictionsModel) -> Iterator[str]:
    if section.match == "id":
        yield from split.ids
        return
    for start in range(0, len(split), _CHUNK):
        yield from split.texts(slice(start, start + _CHUNK))


def _refuse_gaps(role: Role, answers: list[str | None], split: Split, section: PredictionsModel) -> None:
    missing = [row for row, answer in enumerate(answers) if answer is None]
    if missing:
        shown = ", ".join(f"'{excerpt(text)[:60]}'" for text in split.texts(missing[:_SHOWN]))
        raise DataFault(
            say(
                "{path}: {n:,} of {total:,} rows of {role} have no answer, such as {shown}",
                path=section.path, n=len(missing), total=len(answers), role=role, shown=shown,
            ),
            step=say("Let the reference answer every row of dev and confirm. Failed or empty answers need a value too, such as `none`."),
        )  # fmt: skip
