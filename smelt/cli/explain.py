"""`smelt explain`: which words made an answer, what would change it, how faithful that is."""

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smelt.data.stream import open_rows
from smelt.errors import DataFault, UsageFault
from smelt.explain.attribution import Ask, Attribution
from smelt.explain.explanation import METHODS, Explained, choose, explain
from smelt.explain.page import draw_page, said, told
from smelt.explain.surrogate import Surrogate, fit_surrogate
from smelt.language import say
from smelt.run.disk import Disk, write_file
from smelt.runtime.bundle import Bundle, open_bundle
from smelt.runtime.manifest import FILE
from smelt.runtime.predict import as_text, text_column

_TEXTS = 20
_SURROGATE_TEXTS, _FEWEST = 5_000, 50
_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_STRONGEST = 8


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is explained, and how it is asked."""

    ask: Ask
    labels: tuple[str, ...]
    bundle: Bundle | None
    folder: Path


def main(options: argparse.Namespace) -> int:
    """Explain; print, or write a page."""
    asked = _open(Path(options.model), options.method)
    texts = _texts(options, asked)
    label = _label(asked, options.label)
    started = time.perf_counter()
    explained = _explain(asked, texts[: options.texts], label, options.method)
    seconds = (time.perf_counter() - started) / max(1, len(explained.found))
    surrogate = _surrogate(asked, texts) if options.whole else None
    if options.html:
        title = say("Why? {name}", name=asked.folder.name)
        write_file(Path(options.html), draw_page(explained, asked.labels, title=title, surrogate=surrogate).encode(), Disk())
        print(options.html)
    elif options.json:
        print(json.dumps(_facts(explained, asked.labels, surrogate, seconds), indent=2, ensure_ascii=False))
    else:
        _print(explained, asked.labels, seconds, surrogate)
    return 0


def _open(folder: Path, method: str | None) -> Asked:
    if method != "gradients" and (folder / FILE).exists():
        bundle = open_bundle(folder)
        return Asked(lambda texts: bundle.answers(list(texts)).probabilities, bundle.labels, bundle, folder)
    if (folder / FILE).exists():
        raise UsageFault(
            say("{folder}: a bundle has no gradients", folder=folder), step=say("Name the run's train/model, or take another method.")
        )
    from smelt.models.build import load_model
    from smelt.models.session import LiveSession
    from smelt.runtime.bundle import score_texts
    from smelt.runtime.isa import cores

    model = load_model(folder)
    session = LiveSession(model.network, threads=cores())
    return Asked(
        lambda texts: model.codec.decode(score_texts(session, model.codec, list(texts))).probabilities, model.codec.labels, None, folder
    )


def _texts(options: argparse.Namespace, asked: Asked) -> list[str]:
    """Return the text that was given, or those of a file.

    Raises:
        DataFault: the file has no rows.
    """
    path = Path(options.input)
    if path.suffix.lower() not in _SUFFIXES or " " in options.input.strip():
        return [options.input]
    if not path.is_file():
        raise UsageFault(say("{path}: no such file", path=path), step=say("Name a file that is there, or a text of several words."))
    table = open_rows(path)
    column = text_column(table, asked.bundle, options.text) if asked.bundle else options.text or "text"
    most = _SURROGATE_TEXTS if options.whole else options.texts
    found = list(islice((as_text(value) for batch in table.batches(512) for value in batch.column(column).to_pylist()), most))
    if not found:
        raise DataFault(say("{path}: no rows", path=path))
    return found


def _label(asked: Asked, name: str | None) -> int | None:
    if name is None:
        return None
    if name not in asked.labels:
        raise UsageFault(
            say("--label {name}: the model has no such label", name=name), step=say("Take one of {labels}.", labels=", ".join(asked.labels))
        )
    return list(asked.labels).index(name)


def _explain(asked: Asked, texts: Sequence[str], label: int | None, method: str | None) -> Explained:
    if method == "gradients":
        return choose(asked.ask, {"gradients": [_by_gradients(asked, text, label) for text in texts]})
    return explain(asked.ask, texts, label=label, method=next((one for one in METHODS if one == method), None))


def _by_gradients(asked: Asked, text: str, label: int | None) -> Attribution:
    """Explain by integrated gradients of the training module; what they add is told in units of the class score."""
    import torch

    from smelt.explain.words import by_word, split_words
    from smelt.models.attribution import integrated_gradients, padding_of
    from smelt.models.build import load_model
    from smelt.tasks.tokens import TokenEncoder

    model = load_model(asked.folder)
    encoder = model.codec.encoder
    assert isinstance(encoder, TokenEncoder)
    if model.codec.windows:
        raise UsageFault(say("a model that reads windows has no gradients of a whole text"), step=say("Take another method."))
    words, probabilities = split_words(text), asked.ask([text])[0]
    chosen = int(probabilities.argmax()) if label is None else label
    numbers, offsets = encoder.pieces(text)
    ids, frame = torch.tensor(numbers), torch.tensor([end == start for start, end in offsets])
    padding = torch.full_like(ids, padding_of(model.network))
    values = integrated_gradients(model.network, ids, torch.where(frame, ids, padding), chosen)
    return Attribution(
        words=words, values=np.array(by_word(words, offsets, values.tolist())), label=chosen,
        probability=float(probabilities[chosen]), method="gradients",
    )  # fmt: skip


def _surrogate(asked: Asked, texts: Sequence[str]) -> Surrogate:
    """Fit simple models to the answers.

    Raises:
        DataFault: there are too few texts, or they all get one answer.
    """
    answers = [asked.labels[int(number)] for number in asked.ask(texts).argmax(1)]
    if len(texts) < _FEWEST or len(set(answers)) == 1:
        raise DataFault(
            say("--global: {n} texts with {labels} different answers", n=len(texts), labels=len(set(answers))),
            step=say("Give a file of {n} texts or more that get different answers.", n=_FEWEST),
        )
    return fit_surrogate(texts, answers)


def _facts(explained: Explained, labels: Sequence[str], surrogate: Surrogate | None, seconds: float) -> dict[str, Any]:
    texts = [
        {
            "text": one.words.text, "label": labels[one.label], "probability": one.probability,
            "words": [{"word": word, "start": start, "end": end, "value": value}
                      for word, (start, end), value in zip(one.words.names(), one.words.spans, one.values.tolist(), strict=True)],
            "counterfactual": {**dataclasses.asdict(closest), "label": labels[closest.label]} if closest else None,
        }
        for one, closest in zip(explained.found, explained.counterfactuals, strict=True)
    ]  # fmt: skip
    measured = {name: dataclasses.asdict(one) for name, one in explained.faithfulness.items()}
    found: dict[str, Any] = {"method": explained.method, "seconds_per_text": seconds, "faithfulness": measured, "texts": texts}
    return found | ({"surrogate": dataclasses.asdict(surrogate)} if surrogate else {})


def _print(explained: Explained, labels: Sequence[str], seconds: float, surrogate: Surrogate | None) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    for one, closest in zip(explained.found, explained.counterfactuals, strict=True):
        console.print(Text(said(one, labels), style="bold"))
        console.print(_coloured(one.words.text, one.words.spans, one.values))
        strongest = np.argsort(-np.abs(one.values), kind="stable")[:_STRONGEST]
        console.print(Text("  " + ", ".join(f"{one.words.names()[place]} {one.values[place]:+.2f}" for place in strongest)))
        console.print(Text("  " + told(closest, labels)), end="\n\n")
    for name, one in explained.faithfulness.items():
        line = say(
            "{name}: without its words {without:+.1%}, with them alone {alone:+.1%}, deletion {deletion:.3f}, on {n} texts",
            name=name, without=-one.comprehensiveness, alone=-one.sufficiency, deletion=one.deletion, n=one.texts,
        )  # fmt: skip
        console.print(Text(line, style="bold" if name == explained.method else ""))
    console.print(Text(say("{seconds:.2f} s per text", seconds=seconds)))
    if surrogate:
        console.print(Text(surrogate.rules))
        for label, words in surrogate.words.items():
            console.print(Text(f"{label}: " + ", ".join(word for word, _ in words)))
        console.print(Text(say("as the model: linear {linear:.1%}, tree {tree:.1%}, most frequent answer {majority:.1%} of {n} texts",
                               linear=surrogate.linear, tree=surrogate.tree, majority=surrogate.majority, n=surrogate.texts)))  # fmt: skip


def _coloured(text: str, spans: Sequence[tuple[int, int]], values: NDArray[np.float64]) -> Any:  # noqa: ANN401  rich is imported late
    from rich.text import Text

    most, found = float(np.abs(values).max(initial=0.0)) or 1.0, Text(text)
    for (start, end), value in zip(spans, values, strict=True):
        if abs(value) > most / 3:
            found.stylize("bold blue" if value >= 0 else "bold dark_orange", start, end)
        elif abs(value) > most / 10:
            found.stylize("blue" if value >= 0 else "dark_orange", start, end)
    return found
