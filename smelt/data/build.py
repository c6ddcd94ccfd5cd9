"""From a recipe's `data:` section to a folder of prepared splits."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import assert_never

import numpy as np

from smelt.data.dataset import FACTS, REJECTS, Dataset, open_dataset
from smelt.data.docstrings import open_docstrings
from smelt.data.facts import collect_facts, row_place, write_split
from smelt.data.files import open_files
from smelt.data.hub import open_hub
from smelt.data.rows import ROLES, Role, Source, excerpt
from smelt.data.splits import Chosen, choose
from smelt.data.staging import Staged, stage
from smelt.errors import DataFault
from smelt.language import say
from smelt.recipe.data import DocstringsData, FilesData, HubData
from smelt.run.disk import Disk, commit_folder, io_fault, write_json

Section = FilesData | HubData | DocstringsData


def prepare(section: Section, folder: Path, work: Path, disk: Disk, facts: Mapping[str, object] = MappingProxyType({})) -> Dataset:
    """Read the source, check and split its rows, and commit them to a folder in one step.

    The folder then holds `train.arrow`, `dev.arrow`, `confirm.arrow`, `rejects.jsonl` (rows that were left out, and why) and `data.json`.

    Args:
        section: the recipe's `data:`, its path resolved.
        folder: where the splits shall stand. What stands there is replaced.
        work: where to work meanwhile, on the same file system; nothing of it is kept.
        disk: through which the result is written.
        facts: further fields of the folder's manifest.

    Raises:
        DataFault: rows, labels, columns or splits are not what the section says.
        EnvironmentFault: the disk is full or failing, a package is missing, or the hub does not answer.
    """
    rows, result = work / "rows", work / "data"
    try:
        source = _open(section)
        for path in (rows, result):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        staged = stage(source, rows / "rows.arrow", result / REJECTS)
        chosen = choose(staged.roles, staged.texts, staged.labels, section.splits, staged.groups)
        _check(staged, chosen, source)
        hashes: dict[Role, str] = {role: write_split(staged, chosen.rows[role], result / f"{role}.arrow") for role in ROLES}
        write_json(result / FACTS, collect_facts(staged, chosen, hashes, source), disk)
        commit_folder(result, folder, dict(facts), disk)
    except OSError as error:
        raise io_fault(Path(error.filename or folder), error) from error
    finally:
        for path in (rows, result):
            shutil.rmtree(path, ignore_errors=True)
    return open_dataset(folder)


def _open(section: Section) -> Source:
    match section:
        case FilesData():
            return open_files(section)
        case HubData():
            return open_hub(section)
        case DocstringsData():
            return open_docstrings(section)
        case _:
            assert_never(section)


def _check(staged: Staged, chosen: Chosen, source: Source) -> None:
    """Refuse splits that cannot teach, choose or certify."""
    taught = set(staged.labels[chosen.rows["train"]].tolist())
    for role in ROLES:
        rows = chosen.rows[role]
        if not len(rows):
            raise DataFault(
                say("{role}: no rows are left, of {n:,} in all", role=role, n=len(staged.labels)),
                step=say("Give more rows, or other data.splits. Rows of train and dev that are also in confirm were dropped."),
            )
        unknown = rows[~np.isin(staged.labels[rows], sorted(taught))]
        if len(unknown):
            place = row_place(staged, int(unknown[0]), source)
            label = excerpt(staged.names[staged.labels[unknown[0]]])
            raise DataFault(
                say(
                    "{place}: label '{label}' of {role} is on no row of train ({n:,} rows)",
                    place=place,
                    label=label,
                    role=role,
                    n=len(unknown),
                ),
                step=say("Correct the label, or put rows with this label into train."),
            )
    if len(taught) < 2 and staged.names != ("",):
        only = excerpt(staged.names[taught.pop()])
        raise DataFault(
            say("train: every row has the label '{label}'", label=only),
            step=say("Give rows of two labels at least. Is data.label the right column?"),
        )
