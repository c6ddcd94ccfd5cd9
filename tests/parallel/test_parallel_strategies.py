"""Every way to spread a training gives the losses, gradients and scores of one process."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from smelt.launch.local import Group, launch
from smelt.recipe.parallel import LocalLaunch
from tests.parallel.cases import SPREADS, STEPS

ROOT = Path(__file__).resolve().parents[2]
SIZES = [pytest.param(2, id="2"), pytest.param(4, marks=pytest.mark.distributed, id="4")]


def together(size, *arguments, folder, restarts=0):
    """Run the cases in so many processes."""
    group = Group(command=[sys.executable, "-m", "tests.parallel.cases", *map(str, arguments)], processes=size, threads=1, folder=folder)
    launch(group, LocalLaunch(restarts=restarts), lambda *_: None)


def answers(size, folder):
    """What the leading process found, with the gradients that each process has."""
    together(size, folder / "answer.json", folder=folder)
    each = [json.loads((folder / f"{rank}-answer.json").read_text(encoding="utf-8")) for rank in range(size)]
    for other in each[1:]:
        for name, found in other.items():
            np.testing.assert_array_equal(found["losses"], each[0][name]["losses"])
            each[0][name]["gradients"] |= found["gradients"]
    return each[0]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    answer = tmp_path_factory.mktemp("alone") / "answer.json"
    subprocess.run([sys.executable, "-m", "tests.parallel.cases", answer], check=True, cwd=ROOT)
    return json.loads(answer.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=SIZES)
def spread(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"spread-{request.param}")
    found = answers(request.param, folder)
    assert {name.partition(" ")[2] for name in found} == {json.dumps(one) for one in SPREADS[request.param]}
    return found


TWINS = {
    "hugging_face.lm_head.weight": "hugging_face.transformer.wte.weight",
    "hugging_face.cls.predictions.decoder.weight": "hugging_face.bert.embeddings.word_embeddings.weight",
}
"""What the last stage of a pipeline holds a copy of."""


def far(found, want):
    """Distance of two sets of gradients, as a share of the length of the second. Copies of one matrix have one gradient."""
    for twin, first in TWINS.items():
        if twin in found and twin not in want:
            np.testing.assert_array_equal(found.pop(twin), found[first])
    assert found.keys() == want.keys()
    differences = [np.subtract(found[name], want[name]) for name in want]
    return np.sqrt(sum((one**2).sum() for one in differences) / sum(np.square(one).sum() for one in want.values()))


def test_every_spread_has_the_losses_gradients_and_scores_of_one_process(spread, alone):
    for name, found in spread.items():
        want = alone[f"{name.partition(' ')[0]} alone"]
        assert len(found["losses"]) == STEPS
        np.testing.assert_allclose(found["losses"], want["losses"], rtol=1e-5, err_msg=name)
        assert far(found["gradients"], want["gradients"]) < 1e-6, name
        np.testing.assert_allclose(found["scores"], want["scores"], atol=1e-5, err_msg=name)


def test_norms_work_on_a_share_of_the_tokens(spread, alone):
    sections = {name: json.loads(name.partition(" ")[2]) for name in spread}
    split = [name for name, section in sections.items() if section.get("sequence") and "shard" not in section]
    assert split
    for name in split:
        want = alone[f"{name.partition(' ')[0]} alone"]["tokens"]
        assert spread[name]["tokens"] == -(-want // sections[name]["tensor"]), name


def test_the_network_learns_in_these_steps(alone):
    for found in alone.values():
        assert np.mean(found["losses"][-5:]) < np.mean(found["losses"][:5])
