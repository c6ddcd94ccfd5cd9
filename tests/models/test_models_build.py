import json

import numpy as np
import pytest

from smelt.errors import BundleFault, DataFault
from smelt.models.build import build_model, load_model, load_network
from smelt.models.session import LiveSession
from smelt.recipe.model import CnnModel, PretrainedTransformer, RnnModel, ScratchTransformer, StaticModel, Vocabulary
from smelt.recipe.task import WindowsSection

TEXTS = ["the bank cut its rate", "the bank raised its rate", "bonds fell", "央行降息"]
SMALL = {"dim": 8, "max_tokens": 12, "vocabulary": Vocabulary(size=100)}
SECTIONS = [
    ScratchTransformer(layers=1, heads=2, feed_forward=8, **SMALL),
    CnnModel(filters=3, **SMALL),
    RnnModel(hidden=5, **SMALL),
    StaticModel(hidden=5, **SMALL),
]
LABELS = ("down", "up", "flat")

each_section = pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.kind)


def scores(model):
    return LiveSession(model.network, threads=1).scores(model.codec.encode(TEXTS))


@each_section
def test_a_section_becomes_a_network_that_scores_texts(section):
    assert scores(build_model(section, LABELS, TEXTS, seed=0)).shape == (4, 3)


@each_section
def test_the_same_seed_gives_the_same_weights(section):
    np.testing.assert_array_equal(scores(build_model(section, LABELS, TEXTS, seed=4)), scores(build_model(section, LABELS, TEXTS, seed=4)))


@each_section
def test_another_seed_gives_other_weights(section):
    assert not np.array_equal(scores(build_model(section, LABELS, TEXTS, seed=4)), scores(build_model(section, LABELS, TEXTS, seed=5)))


@each_section
def test_a_saved_model_is_the_same_model(section, tmp_path):
    model = build_model(section, LABELS, TEXTS, seed=0)
    model.network.save(tmp_path)
    model.codec.save(tmp_path)
    opened = load_model(tmp_path)
    assert opened.codec.labels == LABELS
    np.testing.assert_array_equal(scores(opened), scores(model))


@each_section
def test_a_network_from_scratch_has_to_be_trained(section):
    with pytest.raises(DataFault, match=section.kind):
        build_model(section, LABELS, TEXTS, seed=0, fine_tuned=True)


def test_the_folder_of_a_transformer_from_scratch_names_its_labels(tmp_path):
    build_model(SECTIONS[0], LABELS, TEXTS, seed=0).network.save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["id2label"] == {"0": "down", "1": "up", "2": "flat"}


def test_a_fine_tuned_folder_brings_its_labels(sound_folder, tmp_path):
    for path in sound_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["id2label"] = {"0": "low", "1": "high", "2": "中"}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model = build_model(PretrainedTransformer(weights=str(tmp_path), max_tokens=8), [], [], seed=0, fine_tuned=True)
    assert model.codec.labels == ("low", "high", "中")


def named(sound_folder, folder, names):
    for path in sound_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"id2label": names}), encoding="utf-8")
    return PretrainedTransformer(weights=str(folder), max_tokens=8)


def test_labels_that_say_nothing_are_numbers_where_the_data_has_numbers(sound_folder, tmp_path):
    section = named(sound_folder, tmp_path, {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"})
    assert build_model(section, ["0", "2"], [], seed=0, fine_tuned=True).codec.labels == ("0", "1", "2")


def test_labels_that_the_data_does_not_know_are_refused_with_the_next_step(sound_folder, tmp_path):
    section = named(sound_folder, tmp_path, {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"})
    with pytest.raises(
        DataFault, match="labels are LABEL_0, LABEL_1, LABEL_2; the data has ham, spam\n  Write the data's labels into id2label"
    ):
        build_model(section, ["ham", "spam"], [], seed=0, fine_tuned=True)


@pytest.mark.parametrize("names", [{"0": "a", "1": "a", "2": "b"}, {"0": "a", "1": 7, "2": "b"}, {"0": "a", "5": "b", "9": "c"}])
def test_labels_that_do_not_tell_the_classes_apart_are_refused(sound_folder, tmp_path, names):
    for path in sound_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | {"id2label": names}), encoding="utf-8")
    with pytest.raises(BundleFault):
        build_model(PretrainedTransformer(weights=str(tmp_path), max_tokens=8), [], [], seed=0, fine_tuned=True)


def test_documents_are_cut_where_the_positions_of_the_model_end(sound_folder):
    model = build_model(PretrainedTransformer(weights=str(sound_folder), max_tokens=128), LABELS, [], seed=0)
    assert model.codec.encode(["rate " * 200]).offsets.tolist() == [0, 16]


@pytest.mark.parametrize(
    "config",
    [
        {"smelt_family": "magic", "sizes": {}},
        {"smelt_family": "cnn"},
        {"smelt_family": "cnn", "sizes": []},
        {"smelt_family": "cnn", "sizes": {"vocabulary": 3}},
        {"smelt_family": "static", "sizes": {"vocabulary": "x", "dim": 2, "hidden": 2, "classes": 2}},
        {"smelt_family": "static", "sizes": {"vocabulary": -3, "dim": 2, "hidden": 2, "classes": 2}},
        {"smelt_family": "rnn", "sizes": {"vocabulary": 3, "dim": 2, "cell": "magic", "hidden": 2, "classes": 2}},
        {"smelt_family": ["cnn"], "sizes": {}},
        [],
        None,
        "static",
    ],
    ids=json.dumps,
)
def test_a_configuration_that_save_does_not_write_is_refused(tmp_path, config):
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(BundleFault):
        load_network(tmp_path)


@pytest.mark.parametrize("size", [0, 8, 100, -1])
def test_cut_weights_are_refused(tmp_path, size):
    build_model(SECTIONS[3], LABELS, TEXTS, seed=0).network.save(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:size])
    with pytest.raises(BundleFault):
        load_network(tmp_path)


def test_weights_of_other_sizes_are_refused(tmp_path):
    build_model(SECTIONS[3], LABELS, TEXTS, seed=0).network.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["sizes"]["hidden"] = 6
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(BundleFault, match="do not fit"):
        load_network(tmp_path)


@pytest.fixture
def trained(tmp_path):
    """The folder of a transformer that smelt trained, as another recipe names it."""
    model = build_model(SECTIONS[0], LABELS, TEXTS, seed=0)
    model.network.save(tmp_path)
    model.codec.save(tmp_path)
    return PretrainedTransformer(weights=str(tmp_path))


def test_a_model_of_a_run_is_trained_on_with_its_own_head(trained):
    model = build_model(trained, LABELS[:2], TEXTS, seed=1)
    assert model.codec.labels == LABELS
    assert not model.network.embedding.weight.requires_grad


def test_a_model_of_a_run_does_not_learn_labels_that_it_does_not_know(trained):
    with pytest.raises(DataFault, match="does not know the label 'sideways'"):
        build_model(trained, [*LABELS, "sideways"], TEXTS, seed=1)


def test_a_model_of_a_run_reads_no_windows_that_it_was_not_made_for(trained):
    with pytest.raises(DataFault, match="reads no windows"):
        build_model(trained, LABELS, TEXTS, seed=1, windows=WindowsSection())


def test_the_middle_may_be_cut_in_every_family():
    for section in SECTIONS:
        cut = section.model_copy(update={"cut": "middle"})
        assert build_model(cut, LABELS, TEXTS, seed=0).codec.encoder.cut == "middle"
