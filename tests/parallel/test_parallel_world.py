"""Shares of a batch: whoever asks, whichever number of processes there is, the same examples in the same order."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed import HashStore  # pyright: ignore[reportPrivateImportUsage]  public at run time

from smelt.data.batch import token_batches
from smelt.errors import EnvironmentFault
from smelt.launch.torchrun import is_joined
from smelt.parallel.world import ALONE, World, _compare_versions, join
from smelt.recipe.parallel import Parallel


@given(count=st.integers(1, 60), size=st.integers(1, 9), microbatches=st.integers(1, 5))
def test_shares_put_one_after_the_other_are_the_batch(count, size, microbatches):
    shares = [World(rank=rank, size=size).share(count) for rank in range(size)]
    assert np.concatenate(shares).tolist() == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    pieces = [np.array_split(share, microbatches) for share in shares]
    assert {len(one) for one in pieces} == {microbatches}


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=80), seed=st.integers(0, 9),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
)  # fmt: skip
def test_the_order_of_examples_is_the_same_for_every_number_of_processes_and_after_it_changes(lengths, seed, sizes):
    batches = token_batches(lengths, batch_tokens=60, batch_examples=8, seed=(seed, 0))
    want = np.concatenate(batches)
    changing = [sizes[number * len(sizes) // len(batches)] for number in range(len(batches))]
    for plan in ([1] * len(batches), [2] * len(batches), [4] * len(batches), changing):
        seen = [
            batch[World(rank=rank, size=size).share(len(batch))] for batch, size in zip(batches, plan, strict=True) for rank in range(size)
        ]
        assert np.array_equal(np.concatenate(seen), want)


@given(count=st.integers(1, 30), readers=st.integers(1, 4), tensor=st.integers(1, 3), pipeline=st.integers(1, 3))
def test_processes_that_split_matrices_or_layers_read_the_same_examples(count, readers, tensor, pipeline):
    section = Parallel(replicate=readers, tensor=tensor, pipeline=pipeline)
    worlds = [World(rank=rank, size=section.processes, section=section) for rank in range(section.processes)]
    shares = {(world.stage, world.reader): world.share(count).tolist() for world in worlds}
    assert all(world.share(count).tolist() == shares[world.stage, world.reader] for world in worlds)
    for stage in range(pipeline):
        assert [place for reader in range(readers) for place in shares[stage, reader]] == list(range(count))


def test_alone_every_collective_is_the_identity():
    value = torch.tensor([1.0, 2.0])
    assert ALONE.sum(value) is value
    assert ALONE.tell(3) == 3
    assert [ALONE.follow(decision) for decision in (True, False)] == [True, False]
    assert ALONE.leads
    ALONE.wait()


def test_another_number_of_processes_than_the_degrees_ask_for_is_refused(monkeypatch):
    assert not is_joined()
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert is_joined()
    with (
        pytest.raises(
            EnvironmentFault,
            match="3 processes were started, and the degrees of parallel ask for 4: replicate 2, shard 2",
        ),
        join(Parallel(replicate=2, shard=2), torch.device("cpu"), 1.0, "test"),
    ):
        pass


def test_a_peer_that_does_not_come_is_told_of_within_the_timeout(monkeypatch, tmp_path):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "SMELT_STORE": str(tmp_path / "meeting")}.items():
        monkeypatch.setenv(name, value)
    with (
        pytest.raises(EnvironmentFault, match="process 0 of 2 cannot reach the others within 1 s"),
        join(Parallel(replicate=2), torch.device("cpu"), 1.0, "test"),
    ):
        pass


def test_processes_with_other_versions_are_refused():
    store = HashStore()
    _compare_versions(store, 0)
    _compare_versions(store, 1)
    store.set("versions", json.dumps(json.loads(store.get("versions")) | {"torch": "2.0.0"}))
    with pytest.raises(EnvironmentFault, match=r"process 1 has other versions than process 0: torch \S+ != 2.0.0"):
        _compare_versions(store, 1)
