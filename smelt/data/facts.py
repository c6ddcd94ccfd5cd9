"""Write the rows that were chosen, and what a person should know about them."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from smelt.data.dataset import GROUPED, SCHEMA
from smelt.data.rows import ROLES, Role, Source
from smelt.data.splits import Chosen, Indices
from smelt.data.staging import Staged
from smelt.language import say

_FEW_ROWS = 200
"""Below this many confirm rows no margin of a few points can be certified."""


def write_split(staged: Staged, rows: Indices, path: Path) -> str:
    """Write the rows as an uncompressed Arrow file and return the sha256 of their content.

    The hash is over one line of JSON per row, `["id", "text", "label"]`, in the order of the file, with the group behind them if any.
    """
    digest = hashlib.sha256()
    names = pa.array(staged.names, pa.string())
    schema = SCHEMA if staged.groups is None else GROUPED
    with pa.ipc.new_file(str(path), schema) as sink:
        for batch in _taken(staged, rows):
            labels = names.take(pa.array(staged.order[batch.column("label").to_numpy()]))
            groups = [] if staged.groups is None else [batch.column("group")]
            batch = pa.record_batch([batch.column("id"), batch.column("text"), labels, *groups], schema=schema)
            sink.write_batch(batch)
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                digest.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def row_place(staged: Staged, row: int, source: Source) -> str:
    """Return `file:line` of a row."""
    line = next(_taken(staged, np.array([row]))).column("line")[0].as_py()
    return f"{source.parts[ROLES[staged.roles[row]]].file}:{line}"


def collect_facts(staged: Staged, chosen: Chosen, hashes: dict[Role, str], source: Source) -> dict[str, object]:
    """Return the contents of `data.json`. Lengths are in characters, shares are fractions."""
    rows = np.concatenate([chosen.rows[role] for role in ROLES])
    characters = staged.characters[rows]
    return {
        "splits": {
            role: {"rows": len(chosen.rows[role]), "sha256": hashes[role], "labels": _counts(staged, chosen.rows[role])} for role in ROLES
        },
        "labels": _counts(staged, rows),
        "duplicates_dropped": {"train": chosen.train_dropped, "dev": chosen.dev_dropped, "inside_train": chosen.train_repeats},
        "conflicting_labels": chosen.conflicting,
        "bad_rows": staged.bad_rows,
        "characters": {f"p{share}": int(np.percentile(characters, share)) for share in (5, 50, 95, 99)} | {"max": int(characters.max())},
        "cjk_share": round(float(staged.cjk[rows].sum(dtype=np.int64) / characters.sum(dtype=np.int64)), 4),
        "warnings": _warnings(staged, chosen, source),
    }


def _taken(staged: Staged, rows: Indices) -> Iterator[pa.RecordBatch]:
    """Read rising row numbers from the staged file, batch by batch."""
    reader = pa.ipc.open_file(pa.memory_map(str(staged.path)))
    start = 0
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        first, last = np.searchsorted(rows, [start, start + batch.num_rows])
        if first < last:
            yield batch.take(pa.array(rows[first:last] - start))
        start += batch.num_rows


def _counts(staged: Staged, rows: Indices) -> dict[str, int]:
    counts = np.bincount(staged.labels[rows], minlength=len(staged.names)).tolist()
    return {name: count for name, count in zip(staged.names, counts, strict=True) if count}


def _warnings(staged: Staged, chosen: Chosen, source: Source) -> list[str]:
    warnings = [note for part in source.parts.values() for note in part.notes]
    single = [name for name, count in _counts(staged, chosen.rows["train"]).items() if count == 1]
    if single:
        listed = ", ".join(single[:5])
        warnings.append(say("{n} labels have a single row in train, such as {names}", n=len(single), names=listed))
    absent = _counts(staged, chosen.rows["train"]).keys() - _counts(staged, chosen.rows["confirm"]).keys()
    if absent:
        listed = ", ".join(sorted(absent)[:5])
        warnings.append(
            say("{n} labels of train have no row in confirm, such as {names}: no certificate covers them", n=len(absent), names=listed)
        )
    if chosen.conflicting:
        warnings.append(say("{n} texts of train appear with different labels", n=chosen.conflicting))
    dropped = chosen.train_dropped + chosen.dev_dropped
    if dropped:
        warnings.append(say("{n} rows of train and dev were dropped: their text is also in dev or confirm", n=dropped))
    if staged.bad_rows:
        warnings.append(say("{n} rows could not be used; rejects.jsonl lists them", n=staged.bad_rows))
    if staged.groups is not None:
        teaching = np.unique(staged.groups[np.concatenate([chosen.rows["train"], chosen.rows["dev"]])])
        shared = len(np.intersect1d(teaching, staged.groups[chosen.rows["confirm"]]))
        if shared:
            warnings.append(say("{n} groups stand in confirm and in train or dev: the certificate is of known groups", n=shared))
    confirm = len(chosen.rows["confirm"])
    if confirm < _FEW_ROWS and staged.names != ("",):
        warnings.append(say("confirm has {n} rows: too few to certify a margin of a few points", n=confirm))
    return warnings
