import hashlib
import json
import os
import random
import shutil

import pytest

from smelt.errors import BundleFault
from smelt.runtime.bundle import open_bundle
from smelt.runtime.manifest import FILE, SEAL, Manifest, read_manifest, seal

EVIL_NAMES = [
    "../outside",
    "../../etc/passwd",
    "/etc/passwd",
    "deep/file",
    "deep\\file",
    "..",
    ".",
    "",
    ".hidden",
    "a\0b",
    "a\nb",
    "x" * 65,
    "名.json",
    "a b",
    "C:evil",
]


@pytest.mark.parametrize("seed", range(10))
def test_a_bundle_with_a_flipped_bit_or_a_cut_file_is_refused(bundle_folder, seed):
    draw = random.Random(seed)
    paths = sorted(bundle_folder.iterdir())
    for _ in range(100):
        path = draw.choice(paths)
        sound = path.read_bytes()
        if draw.random() < 0.8:
            place = draw.randrange(len(sound))
            damaged = sound[:place] + bytes([sound[place] ^ 1 << draw.randrange(8)]) + sound[place + 1 :]
        else:
            damaged = sound[: draw.randrange(len(sound))]
        path.write_bytes(damaged)
        with pytest.raises(BundleFault):
            read_manifest(bundle_folder)
        with pytest.raises(BundleFault):
            open_bundle(bundle_folder)
        path.write_bytes(sound)


def test_the_sound_bundle_is_read(bundle_folder):
    manifest = read_manifest(bundle_folder)
    assert (manifest.name, manifest.family, manifest.runtime, manifest.precision) == ("tiny", "static", "numpy", "fp32")


def test_the_manifest_holds_the_hash_of_every_other_file(bundle_folder):
    others = [path for path in bundle_folder.iterdir() if path.name not in (FILE, SEAL)]
    assert read_manifest(bundle_folder).files == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in others}


def test_the_seal_is_what_sha256sum_checks(bundle_folder):
    digest = hashlib.sha256((bundle_folder / FILE).read_bytes()).hexdigest()
    assert (bundle_folder / SEAL).read_text(encoding="ascii") == f"{digest}  {FILE}\n"


def test_what_was_sealed_is_read_back(tmp_path):
    facts = Manifest(
        name="中 1", family="network", runtime="onnxruntime", precision="int8", text_column="文本", isa="x86_64 avx2",
        versions={"smelt": "0.1.0"}, threads=2, certified=True,
    )  # fmt: skip
    (tmp_path / "model.onnx").write_bytes(b"x")
    seal(tmp_path, facts)
    read = read_manifest(tmp_path)
    assert read.files == {"model.onnx": hashlib.sha256(b"x").hexdigest()}
    assert {key: getattr(read, key) for key in Manifest.__slots__ if key != "files"} == {
        key: getattr(facts, key) for key in Manifest.__slots__ if key != "files"
    }


@pytest.mark.parametrize("name", ["extra.txt", ".hidden", "extra.onnx_data"])
def test_a_foreign_file_is_refused_by_name(bundle_folder, name):
    (bundle_folder / name).write_bytes(b"")
    with pytest.raises(BundleFault, match=name):
        read_manifest(bundle_folder)


def test_a_foreign_folder_is_refused(bundle_folder):
    (bundle_folder / "more").mkdir()
    with pytest.raises(BundleFault, match="more"):
        read_manifest(bundle_folder)


@pytest.mark.parametrize("name", ["static.safetensors", "codec.json", "labels.json", "tokenizer.json", FILE, SEAL])
def test_a_missing_file_is_refused(bundle_folder, name):
    (bundle_folder / name).unlink()
    with pytest.raises(BundleFault):
        read_manifest(bundle_folder)


def test_a_linked_file_is_refused_though_its_bytes_are_right(bundle_folder, tmp_path):
    shutil.move(bundle_folder / "labels.json", tmp_path / "labels.json")
    (bundle_folder / "labels.json").symlink_to(tmp_path / "labels.json")
    with pytest.raises(BundleFault, match=r"labels\.json"):
        read_manifest(bundle_folder)


def test_a_hard_linked_file_is_refused_though_its_bytes_are_right(bundle_folder, tmp_path):
    os.link(bundle_folder / "labels.json", tmp_path / "labels.json")
    with pytest.raises(BundleFault, match=r"labels\.json"):
        read_manifest(bundle_folder)


def test_a_pipe_in_place_of_a_file_is_refused(bundle_folder):
    (bundle_folder / "labels.json").unlink()
    os.mkfifo(bundle_folder / "labels.json")
    with pytest.raises(BundleFault, match=r"labels\.json"):
        read_manifest(bundle_folder)


@pytest.mark.parametrize("name", EVIL_NAMES, ids=repr)
def test_a_sealed_manifest_that_names_no_plain_file_is_refused(bundle_folder, reseal, tmp_path, name):
    (tmp_path / "outside").write_bytes(b"x")
    files = read_manifest(bundle_folder).files | {name: hashlib.sha256(b"x").hexdigest()}
    reseal(bundle_folder, files=files)
    with pytest.raises(BundleFault):
        read_manifest(bundle_folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"smelt_format": 2},
        {"runtime": "pickle"},
        {"runtime": ["numpy"]},
        {"precision": "fp4"},
        {"family": "magic"},
        {"files": []},
        {"files": None},
        {"unknown": 1},
    ],
    ids=json.dumps,
)
def test_a_sealed_manifest_of_another_format_is_refused(bundle_folder, reseal, changes):
    reseal(bundle_folder, **changes)
    with pytest.raises(BundleFault):
        read_manifest(bundle_folder)


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"7", b"{", b"{}", b"\xff", b'{"a":' * 100_000])
def test_a_sealed_manifest_that_is_no_manifest_is_refused(bundle_folder, raw):
    (bundle_folder / FILE).write_bytes(raw)
    (bundle_folder / SEAL).write_text(f"{hashlib.sha256(raw).hexdigest()}  {FILE}\n", encoding="ascii")
    with pytest.raises(BundleFault):
        read_manifest(bundle_folder)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path):
    with pytest.raises(BundleFault, match=r"no bundle: manifest\.json is missing") as caught:
        read_manifest(tmp_path)
    assert "export/bundle" in caught.value.step


def test_a_bundle_that_does_not_exist_is_no_bundle(tmp_path):
    with pytest.raises(BundleFault):
        open_bundle(tmp_path / "nowhere")
