"""What the models learned from and were judged on."""

from smelt.language import say
from smelt.markup import Column, Html, chapter, facts, fold, panel, panels, table, tag
from smelt.report import figures
from smelt.report.plots.bars import bars
from smelt.report.record import DataFacts

_SHOWN, _MOST = 15, 250


def data_section(data: DataFacts | None) -> Html | None:
    """Return the chapter; None where the run has no data of its own."""
    if data is None:
        return None
    return chapter("data", say("The data"), panels(_splits(data), _labels(data)), _other_labels(data), _numbers(data))


def _splits(data: DataFacts) -> Html | None:
    if not data.splits:
        return None
    columns = [Column(say("split")), Column(say("rows"), numeric=True), Column(say("sha256"))]
    uses = {"train": say("to learn from"), "dev": say("to choose by"), "confirm": say("to certify on, opened at the end")}
    rows = (
        (_split_name(name, uses.get(name)), figures.count(split.rows), tag("code", split.sha256[:12], title=split.sha256))
        for name, split in data.splits.items()
    )
    return table(say("Splits"), columns, rows)


def _split_name(name: str, use: str | None) -> Html:
    return tag("span", tag("b", name), tag("small", use) if use else None)


def _labels(data: DataFacts) -> Html | None:
    ordered = _by_size(data)
    if not ordered:
        return None
    shown = ordered if len(ordered) <= _SHOWN else ordered[:_SHOWN]
    picture = bars([(label, count, figures.count(count)) for label, count in shown], say("{n} labels by number of rows", n=len(ordered)))
    title = (
        say("Rows of each label")
        if len(shown) == len(ordered)
        else say("Rows of the {n} largest of {total} labels", n=len(shown), total=len(ordered))
    )
    return panel(picture, title)


def _other_labels(data: DataFacts) -> Html | None:
    rest = _by_size(data)[_SHOWN:_MOST]
    if not rest:
        return None
    title = say("{n} more labels", n=len(rest))
    return fold(
        title, tag("p", *(tag("span", tag("bdi", label), " ", tag("small", figures.count(count)), class_="chip") for label, count in rest))
    )


def _by_size(data: DataFacts) -> list[tuple[str, int]]:
    return sorted(((label, count) for label, count in data.labels.items() if label), key=lambda pair: (-pair[1], pair[0]))


def _numbers(data: DataFacts) -> Html:
    dropped = data.duplicates_dropped
    rows: list[tuple[object, object]] = [
        (say("dropped from train: text is also in dev or confirm"), figures.count(dropped.get("train", 0))),
        (say("dropped from dev: text is also in confirm"), figures.count(dropped.get("dev", 0))),
        (say("texts repeated inside train"), figures.count(dropped.get("inside_train", 0))),
        (say("texts of train with different labels"), figures.count(data.conflicting_labels)),
        (say("rows that could not be used"), figures.count(data.bad_rows)),
    ]
    if data.characters:
        rows.append((say("characters of a text"), " · ".join(f"{key} {figures.count(value)}" for key, value in data.characters.items())))
    if data.cjk_share:
        rows.append((say("share of Chinese, Japanese and Korean characters"), figures.percent(data.cjk_share)))
    return facts(say("Rows and texts"), rows)
