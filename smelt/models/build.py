"""From a recipe's `model:` section to a network and the codec that feeds it; from a folder to the same pair."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, assert_never

import torch
from transformers import PreTrainedConfig

from smelt.errors import BundleFault, DataFault
from smelt.language import say
from smelt.models.cnn import CnnNetwork, CnnSizes
from smelt.models.folder import check_folder, find_weights
from smelt.models.network import CONFIG, Network, read_weights
from smelt.models.rnn import RnnNetwork, RnnSizes
from smelt.models.slices import FAMILY, open_sliced
from smelt.models.static import StaticNetwork, StaticSizes
from smelt.models.transformer import TransformerNetwork, TransformerSizes, from_folder, from_sizes
from smelt.models.vocabulary import train_encoder
from smelt.recipe.model import CnnModel, NetworkSection, PretrainedTransformer, RnnModel, ScratchTransformer, StaticModel
from smelt.recipe.task import WindowsSection
from smelt.tasks.classify import SETTINGS, ClassifyCodec, load_codec
from smelt.tasks.ngrams import is_words
from smelt.tasks.tokens import FILE, TokenEncoder, read_tokenizer
from smelt.tasks.windows import Windows

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Model:
    """A network and the codec of its task."""

    network: Network
    codec: ClassifyCodec


def build_model(
    section: NetworkSection, labels: Sequence[str], texts: Iterable[str], seed: int,
    *, fine_tuned: bool = False, windows: WindowsSection | Literal["none"] = "none",
) -> Model:  # fmt: skip
    """Build the reference before training, or open it where its weights are already fine-tuned.

    Args:
        section: which family, which sizes.
        labels: of the task, in the order of the scores.
        texts: training documents; read only where a vocabulary is trained.
        seed: of the random weights.
        fine_tuned: keep the classification head and the labels that the weights bring.
        windows: how documents are read that are longer than `max_tokens`; for transformers.

    Raises:
        BundleFault: the weights' folder is unsafe or damaged.
        EnvironmentFault: the weights cannot be found.
    """
    torch.manual_seed(seed)
    if isinstance(section, PretrainedTransformer):
        return _pretrained(section, labels, windows, fine_tuned=fine_tuned)
    if fine_tuned:
        raise DataFault(
            say("model.kind {kind} has no weights yet, and the recipe has no train section", kind=section.kind),
            step=say("Add the line `train: {{}}` to the recipe."),
        )
    encoder = train_encoder(texts, section.vocabulary, section.max_tokens, section.cut)
    network = _from_scratch(section, encoder.size, len(labels))
    if not isinstance(network, TransformerNetwork):
        return Model(network, ClassifyCodec(labels=tuple(labels), encoder=encoder))
    _name_labels(network, labels)
    return _with_windows(Model(network, ClassifyCodec(labels=tuple(labels), encoder=encoder)), windows)


def load_model(folder: Path) -> Model:
    """Open a model folder of a run: network, codec.

    Raises:
        BundleFault: it is unsafe, damaged or of an unknown family.
    """
    model = Model(load_network(folder), load_codec(folder))
    if isinstance(model.network, TransformerNetwork):
        model.network.windows = model.codec.windows
    return model


def load_network(folder: Path) -> Network:
    """Open the network of a model folder of a run.

    Raises:
        BundleFault: it is unsafe, damaged or of an unknown family.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if not isinstance(config, dict) or "smelt_family" not in config:
            check_folder(folder)
            return from_folder(folder, classes=None)
        if config["smelt_family"] == FAMILY:
            return open_sliced(folder, config)
        network = _of_family(config["smelt_family"], config["sizes"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise BundleFault(say("{folder}: unreadable model: {reason}", folder=folder, reason=error)) from error
    read_weights(network, folder)
    return network


def _of_family(family: str, sizes: dict) -> Network:
    match family:
        case "static":
            return StaticNetwork(StaticSizes(**sizes))
        case "cnn":
            return CnnNetwork(CnnSizes(**sizes))
        case "rnn":
            return RnnNetwork(RnnSizes(**sizes))
        case _:
            raise BundleFault(say("unknown model family '{family}'", family=family))


def _pretrained(
    section: PretrainedTransformer, labels: Sequence[str], windows: WindowsSection | Literal["none"], *, fine_tuned: bool
) -> Model:
    """Open pretrained weights with a new head for the labels, or with the head and labels they have."""
    folder = find_weights(section.weights, section.revision)
    if (folder / SETTINGS).is_file():
        return _of_a_run(folder, section, labels, windows, fine_tuned=fine_tuned)
    network = from_folder(folder, classes=None if fine_tuned else len(labels))
    config = network.hugging_face.config
    if fine_tuned:
        labels = _labels_of(config.id2label or {}, folder, labels)
    _name_labels(network, labels)
    encoder = TokenEncoder(read_tokenizer(folder / FILE), min(section.max_tokens, positions_of(config)), section.cut)
    if max(encoder.tokenizer.get_vocab().values(), default=0) >= network.embedding.num_embeddings:
        raise BundleFault(say("{folder}: its tokenizer has more tokens than the model", folder=folder))
    if section.freeze == "embeddings":
        network.embedding.weight.requires_grad = False
    return _with_windows(Model(network, ClassifyCodec(labels=tuple(labels), encoder=encoder)), windows)


def _of_a_run(
    folder: Path, section: PretrainedTransformer, labels: Sequence[str], windows: WindowsSection | Literal["none"], *, fine_tuned: bool
) -> Model:  # fmt: skip
    """Open a model that smelt trained: it keeps its head, its labels and its way of reading.

    Raises:
        DataFault: it is to be trained on labels that it does not know, or read by windows that it was not made for.
    """
    model = load_model(folder)
    unknown = sorted(set(labels) - set(model.codec.labels))
    if unknown and not fine_tuned:
        raise DataFault(
            say("{folder}: the model does not know the label '{label}'", folder=folder, label=unknown[0]),
            step=say("Train from the encoder that it was made from, or on the same labels."),
        )
    if windows != "none" and model.codec.windows is None:
        raise DataFault(
            say("{folder}: the model reads no windows, and the recipe has task.windows", folder=folder),
            step=say("Train from the encoder that it was made from, or leave task.windows out."),
        )
    if section.freeze == "embeddings" and isinstance(model.network, TransformerNetwork):
        model.network.embedding.weight.requires_grad = False
    return model


def _with_windows(model: Model, section: WindowsSection | Literal["none"]) -> Model:
    """Let the codec read as much as the windows hold, and the network read it by windows."""
    encoder = model.codec.encoder
    if section == "none" or not isinstance(encoder, TokenEncoder) or not isinstance(model.network, TransformerNetwork):
        return model
    size = encoder.max_tokens
    stride = max(1, (size - 2) * 3 // 4) if section.stride == "auto" else section.stride
    windows = Windows(tokens=size, stride=min(stride, size - 2), pool=section.pool)
    model.network.windows = windows
    longer = TokenEncoder(encoder.tokenizer, size + (section.most - 1) * windows.stride, encoder.cut)
    return Model(model.network, replace(model.codec, encoder=longer, windows=windows))


def _name_labels(network: TransformerNetwork, labels: Sequence[str]) -> None:
    """Write the labels into the configuration, for whoever opens the folder without smelt."""
    config = network.hugging_face.config
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}


def _labels_of(names: dict, folder: Path, expected: Sequence[str]) -> list[str]:
    """Return the labels that a fine-tuned folder brings; those that say nothing, LABEL_0 and so on, are numbers if the data's are."""
    labels = [names.get(number) for number in range(len(names))]
    if not is_words(labels):
        raise BundleFault(say("{folder}: id2label does not give every class a label of its own", folder=folder))
    numbers = [str(number) for number in range(len(labels))]
    if labels == [f"LABEL_{number}" for number in numbers] and set(expected) <= set(numbers):
        return numbers
    if expected and not set(expected) & set(labels):
        raise DataFault(
            say(
                "{folder}: the model's labels are {ours}; the data has {theirs}",
                folder=folder,
                ours=", ".join(map(str, labels[:_SHOWN])),
                theirs=", ".join(expected[:_SHOWN]),
            ),
            step=say("Write the data's labels into id2label of its config.json, in the order of the scores."),
        )
    return [str(label) for label in labels]


def positions_of(config: PreTrainedConfig) -> int:
    """Return how many tokens a transformer can read. The numbering of RoBERTa and MPNet starts behind their padding token."""
    positions = getattr(config, "max_position_embeddings", None) or 2**31
    behind = "roberta" in config.model_type or config.model_type in ("camembert", "mpnet")
    return positions - (config.pad_token_id + 1) if behind else positions


def _from_scratch(section: ScratchTransformer | CnnModel | RnnModel | StaticModel, vocabulary: int, classes: int) -> Network:
    match section:
        case ScratchTransformer():
            sizes = section.model_dump(include={"layers", "dim", "heads", "feed_forward", "dropout", "max_tokens"})
            return from_sizes(TransformerSizes(vocabulary=vocabulary, classes=classes, **sizes))
        case CnnModel():
            sizes = section.model_dump(include={"dim", "filters", "kernels", "dropout"})
            return CnnNetwork(CnnSizes(vocabulary=vocabulary, classes=classes, **sizes))
        case RnnModel():
            sizes = section.model_dump(include={"dim", "cell", "hidden", "layers", "bidirectional", "dropout"})
            return RnnNetwork(RnnSizes(vocabulary=vocabulary, classes=classes, **sizes))
        case StaticModel():
            sizes = section.model_dump(include={"dim", "hidden", "dropout"})
            return StaticNetwork(StaticSizes(vocabulary=vocabulary, classes=classes, **sizes))
        case _:
            assert_never(section)
