"""Hostile model folders: each is a sound one with one thing done to it, and each is refused before anything of it runs."""

import json
import os
import shutil
import struct

import pytest

from smelt.errors import BundleFault, EnvironmentFault
from smelt.models.build import build_model, load_network
from smelt.models.folder import check_folder, find_weights, own_length
from smelt.recipe.model import PretrainedTransformer

WEIGHTS = "model.safetensors"


class Attack:
    """One folder to spoil, with a place outside it and a file that no code may ever make."""

    def __init__(self, folder, outside):
        self.folder, self.outside, self.canary = folder, outside, outside / "canary"

    def pickle(self, name):
        """A pickle of protocol 0 that makes the canary when it is opened."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(f"cos\nsystem\n(S'touch {self.canary}'\ntR.".encode())

    def code(self, name):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"open({str(self.canary)!r}, 'w')\n", encoding="utf-8")

    def config(self, **values):
        self.json("config.json", values)

    def json(self, name, values):
        path = self.folder / name
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        path.write_text(json.dumps(content | values), encoding="utf-8")

    def write(self, name, data):
        (self.folder / name).write_bytes(data)

    def say_first(self, name, after, words):
        """Put words behind the first occurrence of others."""
        self.write(name, (self.folder / name).read_bytes().replace(after, after + words, 1))

    def move_out(self, name):
        """Leave a file outside the folder and return its place there."""
        return shutil.move(self.folder / name, self.outside / name)

    def link(self, name, target):
        (self.folder / name).unlink(missing_ok=True)
        (self.folder / name).symlink_to(target)

    def hard_link(self, name):
        os.link(self.folder / name, self.outside / name)

    def sparse(self, name, size):
        with (self.folder / name).open("ab") as stream:
            stream.truncate(size)

    def replace_by_folder(self, name):
        (self.folder / name).unlink()
        (self.folder / name).mkdir()

    def replace_by_pipe(self, name):
        (self.folder / name).unlink(missing_ok=True)
        os.mkfifo(self.folder / name)

    def cut(self, size):
        self.write(WEIGHTS, (self.folder / WEIGHTS).read_bytes()[:size])

    def header_length(self, length):
        self.write(WEIGHTS, struct.pack("<Q", length) + (self.folder / WEIGHTS).read_bytes()[8:])

    def raw_header(self, header, body=b""):
        self.write(WEIGHTS, struct.pack("<Q", len(header)) + header + body)

    def header(self, change):
        """Rewrite the header of the weights: `change` gets it as a dict, and the names of its tensors by place."""
        raw = (self.folder / WEIGHTS).read_bytes()
        length = struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8 : 8 + length])
        header.pop("__metadata__", None)
        names = sorted(header, key=lambda name: header[name]["data_offsets"])
        change(header, *names[:2])
        self.raw_header(json.dumps(header).encode(), raw[8 + length :])


def offsets(value):
    return lambda header, first, second: header[first].update(data_offsets=value)


def shape(value):
    return lambda header, first, second: header[first].update(shape=value)


def overlap(header, first, second):
    header[second].update(data_offsets=header[first]["data_offsets"], shape=header[first]["shape"])


def hole(header, first, second):
    del header[first]


def twice(attack):
    raw = (attack.folder / WEIGHTS).read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    entry = b'"bert.pooler.dense.bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
    attack.raw_header(b"{" + entry + raw[9 : 8 + length], raw[8 + length :])


def tokenizer_panics(attack):
    content = json.loads((attack.folder / "tokenizer.json").read_text(encoding="utf-8"))
    content["post_processor"]["special_tokens"] = {}
    attack.json("tokenizer.json", content)


REFUSED = {
    "pickled weights": lambda attack: attack.pickle("pytorch_model.bin"),
    "pickled shard": lambda attack: attack.pickle("pytorch_model-00001-of-00002.bin"),
    "pickle of another name": lambda attack: attack.pickle("weights.bin"),
    "pickle": lambda attack: attack.pickle("scaler.pkl"),
    "pickle in capitals": lambda attack: attack.pickle("SCALER.PKL"),
    "joblib": lambda attack: attack.pickle("vectorizer.joblib"),
    "torch file": lambda attack: attack.pickle("optimizer.pt"),
    "exported program": lambda attack: attack.pickle("model.pt2"),
    "checkpoint": lambda attack: attack.pickle("last.ckpt"),
    "numpy archive": lambda attack: attack.pickle("arrays.npz"),
    "keras": lambda attack: attack.pickle("tf_model.h5"),
    "nested pickle": lambda attack: attack.pickle("1_Pooling/state.pth"),
    "code": lambda attack: attack.code("modeling_bert.py"),
    "nested code": lambda attack: attack.code("custom/__init__.py"),
    "library": lambda attack: attack.code("kernel.so"),
    "auto_map": lambda attack: attack.config(auto_map={"AutoConfig": "evil.Config"}),
    "nested auto_map": lambda attack: attack.config(text_config={"deep": [{"auto_map": {"AutoModel": "evil.Model"}}]}),
    "auto_map of the tokenizer": lambda attack: attack.json("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.T", None]}}),
    "trust_remote_code": lambda attack: attack.config(trust_remote_code=True),
    "custom pipelines": lambda attack: attack.config(custom_pipelines={"x": {"impl": "evil.Pipeline"}}),
    "adapter of a foreign model": lambda attack: attack.json("adapter_config.json", {"base_model_name_or_path": "evil/base"}),
    "unknown architecture": lambda attack: attack.config(model_type="lightglue"),
    "no architecture": lambda attack: attack.write("config.json", b"{}"),
    "architecture that is a list": lambda attack: attack.config(model_type=["bert"]),
    "million layers": lambda attack: attack.config(num_hidden_layers=1_000_000),
    "billion labels": lambda attack: attack.config(num_labels=1_000_000_000),
    "config that is a list": lambda attack: attack.write("config.json", b"[]"),
    "config that is a number": lambda attack: attack.write("config.json", b"7"),
    "config with a byte order mark": lambda attack: attack.write("config.json", b'\xef\xbb\xbf{"model_type": "bert"}'),
    "config in utf-16": lambda attack: attack.write("config.json", '{"model_type": "bert"}'.encode("utf-16")),
    "config that is not utf-8": lambda attack: attack.write("config.json", b'{"model_type": "\xff"}'),
    "config with a key twice": lambda attack: attack.say_first("config.json", b'{', b'"model_type": "evil",'),
    "deep json": lambda attack: attack.write("config.json", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "huge json": lambda attack: attack.sparse("special_tokens_map.json", 1 << 40),
    "no config": lambda attack: (attack.folder / "config.json").unlink(),
    "no tokenizer": lambda attack: (attack.folder / "tokenizer.json").unlink(),
    "no weights": lambda attack: (attack.folder / WEIGHTS).unlink(),
    "empty folder": lambda attack: [path.unlink() for path in attack.folder.iterdir()],
    "tokenizer that is a folder": lambda attack: attack.replace_by_folder("tokenizer.json"),
    "config that is a folder": lambda attack: attack.replace_by_folder("config.json"),
    "weights that are a folder": lambda attack: attack.replace_by_folder(WEIGHTS),
    "weights that are a pipe": lambda attack: attack.replace_by_pipe(WEIGHTS),
    "pipe": lambda attack: attack.replace_by_pipe("vocab.json"),
    "link out of the folder": lambda attack: attack.link("config.json", attack.move_out("config.json")),
    "weights linked from elsewhere": lambda attack: attack.link(WEIGHTS, attack.move_out(WEIGHTS)),
    "link to a folder elsewhere": lambda attack: attack.link("more", attack.outside),
    "link to itself": lambda attack: attack.link("loop.json", "loop.json"),
    "link to nothing": lambda attack: attack.link("gone.json", "nowhere.json"),
    "hard link": lambda attack: attack.hard_link(WEIGHTS),
    "empty weights": lambda attack: attack.cut(0),
    "weights of seven bytes": lambda attack: attack.cut(7),
    "weights cut in the header": lambda attack: attack.cut(100),
    "weights cut by a byte": lambda attack: attack.cut(-1),
    "weights with a tail": lambda attack: attack.sparse(WEIGHTS, 1 << 40),
    "header of 2^63 bytes": lambda attack: attack.header_length(1 << 63),
    "header of no bytes": lambda attack: attack.header_length(0),
    "header that is no json": lambda attack: attack.raw_header(b"{" * 64),
    "header that is a list": lambda attack: attack.raw_header(b"[]"),
    "deep header": lambda attack: attack.raw_header(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "header with a tensor twice": twice,
    "overlapping tensors": lambda attack: attack.header(overlap),
    "hole between tensors": lambda attack: attack.header(hole),
    "offsets below zero": lambda attack: attack.header(offsets([-8, 0])),
    "offsets past the end": lambda attack: attack.header(offsets([0, 1 << 62])),
    "offsets turned around": lambda attack: attack.header(offsets([4, 0])),
    "three offsets": lambda attack: attack.header(offsets([0, 1, 2])),
    "offsets that are words": lambda attack: attack.header(offsets(["0", "4"])),
    "offsets that are fractions": lambda attack: attack.header(offsets([0.0, 4.0])),
    "shape that does not fit": lambda attack: attack.header(shape([1 << 40])),
    "shape that overflows": lambda attack: attack.header(shape([1 << 62, 4])),
    "shape below zero": lambda attack: attack.header(shape([-1, -8])),
    "shape that is a word": lambda attack: attack.header(shape("big")),
    "unknown dtype": lambda attack: attack.header(lambda header, first, second: header[first].update(dtype="PICKLE")),
    "tensor that is a number": lambda attack: attack.header(lambda header, first, second: header.update({first: 3})),
    "shards elsewhere": lambda attack: attack.json("model.safetensors.index.json", {"weight_map": {"a": f"../outside/{WEIGHTS}"}}),
    "shards at an absolute place": lambda attack: attack.json("model.safetensors.index.json", {"weight_map": {"a": "/etc/passwd"}}),
    "shards that are missing": lambda attack: attack.json("model.safetensors.index.json", {"weight_map": {"a": "other.safetensors"}}),
    "shards that are a list": lambda attack: attack.json("model.safetensors.index.json", {"weight_map": ["a"]}),
    "list of shards that is a list": lambda attack: attack.write("model.safetensors.index.json", b"[]"),
}  # fmt: skip
REFUSED_BY_BUILD = {
    "header without tensors": lambda attack: attack.raw_header(b"{}"),
    "sizes that do not fit": lambda attack: attack.config(hidden_size=4, num_attention_heads=2),
    "size that is a word": lambda attack: attack.config(hidden_size="wide"),
    "size below zero": lambda attack: attack.config(vocab_size=-1),
    "tokenizer that is no tokenizer": lambda attack: attack.write("tokenizer.json", b"{}"),
    "tokenizer that panics": tokenizer_panics,
    "tokenizer with more tokens than the model": lambda attack: attack.json(
        "tokenizer.json",
        {"added_tokens": [{"id": 10 + extra, "content": f"<{extra}>", "special": True, "single_word": False, "lstrip": False,
                           "rstrip": False, "normalized": False} for extra in range(5)]},
    ),
}  # fmt: skip


@pytest.fixture
def attack(sound_folder, tmp_path):
    shutil.copytree(sound_folder, tmp_path / "model")
    (tmp_path / "outside").mkdir()
    return Attack(tmp_path / "model", tmp_path / "outside")


def open_as_reference(folder):
    return build_model(PretrainedTransformer(weights=str(folder), max_tokens=8), ["a", "b"], [], seed=0)


def open_as_fine_tuned(folder):
    return build_model(PretrainedTransformer(weights=str(folder), max_tokens=8), [], [], seed=0, fine_tuned=True)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("opened", [check_folder, open_as_reference, load_network])
def test_a_hostile_folder_is_refused_and_nothing_of_it_runs(attack, name, opened):
    REFUSED[name](attack)
    with pytest.raises(BundleFault):
        opened(attack.folder)
    assert not attack.canary.exists()


@pytest.mark.parametrize("name", REFUSED_BY_BUILD)
@pytest.mark.parametrize("opened", [open_as_reference, open_as_fine_tuned])
def test_parts_that_do_not_fit_each_other_are_refused(attack, name, opened, capfd):
    REFUSED_BY_BUILD[name](attack)
    with pytest.raises(BundleFault):
        opened(attack.folder)
    capfd.readouterr()  # a panic's own words


@pytest.mark.parametrize("opened", [open_as_reference, open_as_fine_tuned, load_network])
def test_the_sound_folder_is_opened(attack, opened):
    assert opened(attack.folder)


@pytest.mark.parametrize(
    "add",
    [
        lambda attack: attack.pickle("training_args.bin"),
        lambda attack: attack.write("README.md", b"# model"),
        lambda attack: attack.json("tokenizer_config.json", {"auto_map": None, "trust_remote_code": False}),
        lambda attack: attack.json("vocab.json", {"auto_map": 7, "trust_remote_code": 8}),
        lambda attack: attack.json("model.safetensors.index.json", {"weight_map": {"a": WEIGHTS}}),
        lambda attack: attack.link("config2.json", "config.json"),
    ],
    ids=["training arguments", "readme", "no code asked for", "words that look like keys", "index", "link inside"],
)
def test_what_is_harmless_beside_the_weights_is_let_be(attack, add):
    add(attack)
    open_as_reference(attack.folder)
    assert not attack.canary.exists()


def test_a_snapshot_of_the_hub_is_links_into_its_own_blobs(sound_folder, tmp_path):
    snapshot, blobs = tmp_path / "snapshots" / "0123", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    shutil.copytree(sound_folder, blobs)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(path)
    assert find_weights(str(snapshot), "main") == snapshot


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(sound_folder, tmp_path, number):
    network = load_network(sound_folder)
    network.hugging_face.classifier.bias.data[1] = number
    shutil.copy(sound_folder / "tokenizer.json", tmp_path)
    network.save(tmp_path)
    with pytest.raises(BundleFault, match="finite"):
        load_network(tmp_path)


def test_the_fault_names_the_file_and_the_next_step(attack):
    attack.code("modeling_bert.py")
    with pytest.raises(BundleFault, match=r"modeling_bert\.py: refused: .*can run code") as caught:
        check_folder(attack.folder)
    assert "config.json" in caught.value.step


def test_weights_that_are_no_folder_and_no_model_of_the_hub_are_an_environment_fault():
    with pytest.raises(EnvironmentFault, match="'no/such/model/at/all' is neither a folder nor a model"):
        find_weights("no/such/model/at/all", "main")


@pytest.mark.parametrize(
    ("config", "tokenizer", "want"),
    [
        ({"max_position_embeddings": 512}, {"model_max_length": 256}, 256),
        ({"max_position_embeddings": 512}, {"model_max_length": 10**30}, 512),
        ({"max_position_embeddings": 512}, None, 512),
        ({}, {"model_max_length": 1e30}, None),
        ({"max_position_embeddings": -1}, {"model_max_length": "512"}, None),
        ({"max_position_embeddings": True}, ["model_max_length"], None),
        ({"max_position_embeddings": 512}, "[" * 100_000, 512),
    ],
)
def test_a_model_reads_as_much_as_it_says_and_nonsense_is_no_word(tmp_path, config, tokenizer, want):
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if tokenizer is not None:
        text = tokenizer if isinstance(tokenizer, str) else json.dumps(tokenizer)
        (tmp_path / "tokenizer_config.json").write_text(text, encoding="utf-8")
    assert own_length(tmp_path) == want
    (tmp_path / "codec.json").write_text(json.dumps({"encoder": {"max_tokens": 64}}), encoding="utf-8")
    assert own_length(tmp_path) == 64
