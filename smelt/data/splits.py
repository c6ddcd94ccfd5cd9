"""Which rows teach, choose and certify. Numbers in, numbers out: the same on every platform and with every numpy.

Shape letters: N rows of the source, L labels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smelt.data.rows import ROLES, Role
from smelt.errors import DataFault
from smelt.language import say
from smelt.recipe.data import Splits

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The rows of each split, and what was left out on the way."""

    rows: dict[Role, Indices]
    """Rising row numbers of the source."""
    train_repeats: int
    """Rows of train dropped because the same text with the same label came before."""
    train_dropped: int
    """Rows of train dropped because their text is in dev or confirm."""
    dev_dropped: int
    """Rows of dev dropped because their text is in confirm."""
    conflicting: int
    """Texts of train that have several labels. They are kept."""


def named_splits(splits: Splits) -> dict[Role, str]:
    """Return the splits that the source itself must hold, by role; the others are carved from train."""
    named: dict[Role, str | float] = {"train": splits.train, "dev": splits.dev, "confirm": splits.confirm}
    return {role: name for role, name in named.items() if isinstance(name, str)}


def choose(
    roles: NDArray[np.int8], texts: NDArray[np.int64], labels: NDArray[np.int32], splits: Splits, groups: NDArray[np.int64] | None = None
) -> Chosen:
    """Carve, drop duplicates, sample; in this order.

    Args:
        roles: which part of the source each row is of, as places in `ROLES`. Shape (N,).
        texts: equal numbers mean equal texts. Shape (N,).
        labels: from 0 to L - 1. Shape (N,).
        splits: names and shares.
        groups: equal numbers mean equal groups, each of which is carved as a whole. Shape (N,).

    Raises:
        DataFault: `train_rows` is below the number of labels.
    """
    train, dev, confirm = (np.flatnonzero(roles == place) for place in range(len(ROLES)))
    train, conflicting = _without_repeats(train, texts, labels)
    repeats = int((roles == 0).sum()) - len(train)
    if groups is None:
        train, dev, confirm = _carve(train, dev, confirm, labels, splits)
    else:
        train, dev, confirm = _carve_groups(train, dev, confirm, groups, labels, splits)
    kept_dev = dev[~np.isin(texts[dev], texts[confirm])]
    kept_train = train[~np.isin(texts[train], texts[np.concatenate([dev, confirm])])]
    return Chosen(
        rows={
            "train": _sample(kept_train, labels, splits.train_rows, splits.seed + 1, every_label=True),
            "dev": _sample(kept_dev, labels, splits.dev_rows, splits.seed + 2),
            "confirm": _sample(confirm, labels, splits.confirm_rows, splits.seed + 3),
        },
        train_repeats=repeats,
        train_dropped=len(train) - len(kept_train),
        dev_dropped=len(dev) - len(kept_dev),
        conflicting=conflicting,
    )


def quotas(counts: Indices, total: int, least: Indices, most: Indices) -> Indices:
    """Share out `total` in proportion to `counts`, by largest remainders, each label between `least` and `most`.

    All shapes (L,). The sum differs from `total` only where the bounds leave no choice.
    """
    exact = counts * (total / max(1, counts.sum()))
    taken = np.clip(np.floor(exact).astype(np.int64), least, most)
    while taken.sum() < total and (taken < most).any():
        taken[np.argmax(np.where(taken < most, exact - taken, -np.inf))] += 1
    while taken.sum() > total and (taken > least).any():
        taken[np.argmin(np.where(taken > least, exact - taken, np.inf))] -= 1
    return taken


def _without_repeats(rows: Indices, texts: NDArray[np.int64], labels: NDArray[np.int32]) -> tuple[Indices, int]:
    """Keep the first row of each (text, label), and count the texts that have several labels."""
    pairs = texts[rows] * (int(labels.max(initial=0)) + 1) + labels[rows]
    _, first = np.unique(pairs, return_index=True)
    kept = rows[np.sort(first)]
    _, labels_per_text = np.unique(texts[kept], return_counts=True)
    return kept, int((labels_per_text > 1).sum())


def _carve(train: Indices, dev: Indices, confirm: Indices, labels: NDArray[np.int32], splits: Splits) -> tuple[Indices, Indices, Indices]:
    """Take the shares out of train, stratified; a label's last row stays there. Confirm first: another dev share leaves it as it is."""
    counts = np.bincount(labels[train], minlength=int(labels.max(initial=0)) + 1)
    spare = np.maximum(counts - 1, 0)
    none = np.zeros_like(counts)
    size = len(train)
    for_confirm = quotas(counts, round(splits.confirm * size), none, spare) if isinstance(splits.confirm, float) else none
    for_dev = quotas(counts, round(splits.dev * size), none, spare - for_confirm) if isinstance(splits.dev, float) else none
    rank = _ranks(train, labels, splits.seed)
    limit = for_confirm[labels[train]]
    to_confirm = rank < limit
    to_dev = (rank >= limit) & (rank < limit + for_dev[labels[train]])
    return (
        train[~to_confirm & ~to_dev],
        train[to_dev] if isinstance(splits.dev, float) else dev,
        train[to_confirm] if isinstance(splits.confirm, float) else confirm,
    )


def _carve_groups(
    train: Indices, dev: Indices, confirm: Indices, groups: Indices, labels: NDArray[np.int32], splits: Splits
) -> tuple[Indices, Indices, Indices]:
    """Take whole groups out of train, in an order of chance, until the shares are reached.

    Labels are not stratified, but one of the groups that have a label stays in train.
    """
    names, numbers, sizes = np.unique(groups[train], return_inverse=True, return_counts=True)
    order = np.argsort(np.random.PCG64(splits.seed).random_raw(len(names)), kind="stable")
    before = np.empty(len(names), np.int64)
    before[order] = np.cumsum(sizes[order]) - sizes[order]
    for_confirm = splits.confirm * len(train) if isinstance(splits.confirm, float) else 0.0
    for_dev = splits.dev * len(train) if isinstance(splits.dev, float) else 0.0
    to_confirm, to_dev = (before < for_confirm)[numbers], ((before >= for_confirm) & (before < for_confirm + for_dev))[numbers]
    for label in np.setdiff1d(labels[train], labels[train[~to_confirm & ~to_dev]]):
        having = numbers[labels[train] == label]
        if not np.isin(having, numbers[~to_confirm & ~to_dev]).any():  # a group that stays for one label may have another one too
            back = numbers == having[np.argmin(sizes[having])]
            to_confirm[back] = to_dev[back] = False
    return (
        train[~to_confirm & ~to_dev],
        train[to_dev] if isinstance(splits.dev, float) else dev,
        train[to_confirm] if isinstance(splits.confirm, float) else confirm,
    )


def _sample(rows: Indices, labels: NDArray[np.int32], limit: int | str, seed: int, *, every_label: bool = False) -> Indices:
    """Take at most `limit` rows, stratified; with `every_label` at least one of each."""
    if isinstance(limit, str) or len(rows) <= limit:
        return rows
    counts = np.bincount(labels[rows])
    present = int((counts > 0).sum())
    if every_label and limit < present:
        raise DataFault(
            say("data.splits.train_rows: {limit} is less than the {n} labels", limit=limit, n=present),
            step=say("Take at least one row per label."),
        )
    least = np.minimum(counts, 1) if every_label else np.zeros_like(counts)
    taken = quotas(counts, limit, least, counts)
    return rows[_ranks(rows, labels, seed) < taken[labels[rows]]]


def _ranks(rows: Indices, labels: NDArray[np.int32], seed: int) -> Indices:
    """Shuffle the rows of each label and return each row's place among them, from 0.

    Sorts the raw output of PCG64, which numpy promises never to change; of its shuffles it does not.
    """
    keys = np.random.PCG64(seed).random_raw(len(rows))
    order = np.lexsort((keys, labels[rows]))
    sorted_labels = labels[rows][order]
    starts = np.searchsorted(sorted_labels, sorted_labels)
    ranks = np.empty(len(rows), np.int64)
    ranks[order] = np.arange(len(rows)) - starts
    return ranks
