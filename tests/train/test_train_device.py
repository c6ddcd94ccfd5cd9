from dataclasses import replace

import pytest
import torch

from smelt.errors import EnvironmentFault
from smelt.recipe.train import Train
from smelt.run.disk import Disk
from smelt.train.device import device_of, find_device
from smelt.train.session import train

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")


@no_gpu
def test_auto_takes_the_cpu_where_there_is_no_gpu():
    assert find_device("auto").type == find_device("cpu").type == "cpu"


@no_gpu
def test_a_gpu_that_is_not_there_is_refused_with_the_next_step():
    with pytest.raises(EnvironmentFault, match=r"finds no GPU.*\n  Take device: auto"):
        find_device("cuda")


@pytest.mark.gpu
@gpu
def test_a_gpu_learns_what_the_cpu_learns_and_hands_the_network_back(job, tmp_path):
    scores = {}
    for device in ("cpu", "cuda"):
        section = Train(**(job.section.model_dump() | {"device": device, "precision": "fp32"}))
        one = replace(job, section=section)
        scores[device] = train(one, tmp_path / device, Disk()).best_score
        assert device_of(one.network).type == "cpu"
    assert abs(scores["cpu"] - scores["cuda"]) < 0.2
