"""Which processes of a cluster get a GPU: known from what the cluster has, not from the machine that asks."""

from pathlib import Path

import pytest

from smelt.errors import EnvironmentFault
from smelt.launch.cluster import Crew, wants_gpus


def crew(device, fewest=2):
    return Crew(work=print, told={}, fewest=fewest, most=4, threads=1, device=device, folder=Path("x"))


@pytest.mark.parametrize(
    ("device", "resources", "want"),
    [
        ("auto", {"CPU": 8.0}, False),
        ("auto", {"CPU": 8.0, "GPU": 1.0}, False),
        ("auto", {"CPU": 8.0, "GPU": 2.0}, True),
        ("cuda", {"CPU": 8.0, "GPU": 2.0}, True),
        ("cpu", {"CPU": 8.0, "GPU": 4.0}, False),
    ],
)
def test_processes_get_gpus_where_there_is_one_for_each_of_the_fewest(device, resources, want):
    assert wants_gpus(crew(device), resources) == want


def test_too_few_gpus_are_refused():
    with pytest.raises(EnvironmentFault, match=r"has 1 GPUs, and .* wants one for each of 2 processes"):
        wants_gpus(crew("cuda"), {"CPU": 8.0, "GPU": 1.0})
