import os

import pytest
import torch

from smelt.recipe.train import AdamW, Sgd
from smelt.run.disk import Disk
from smelt.train.checkpoint import Checkpoints, Learner, Progress
from smelt.train.optimize import build_optimizer


class State:
    """A network and its optimizer, saved with every part marked by the number of the step."""

    def __init__(self, network, section=None):
        self.network = network
        self.optimizer = build_optimizer(network, section or AdamW(), 0.1)

    def train(self, steps):
        """Step with gradients that follow from the step's number."""
        for step in range(1, steps + 1):
            for place, parameter in enumerate(self.network.parameters()):
                parameter.grad = torch.full_like(parameter, float(place % 3 - step))
            self.optimizer.step()
        return self

    def save(self, folder, step, disk):
        torch.manual_seed(step)
        with torch.no_grad():
            self.network.outer.bias.fill_(step)
        progress = Progress(
            step=step, best_epoch=1, best_score=step / 10, history=[{"epoch": 0.0}], loss_sum=2.5, loss_count=3, seconds=1.5
        )
        with Checkpoints(folder, Learner(self.network, self.optimizer), disk) as checkpoints:
            checkpoints.save(progress, {"outer.bias": torch.full((3,), float(step))})


def load(folder, network, optimizer):
    return Checkpoints(folder, Learner(network, optimizer), Disk()).load()


def step_of(folder, make_cnn):
    """Load as the next process would; return the step if every part is of that step, None if there is no checkpoint."""
    network = make_cnn()
    found = load(folder, network, build_optimizer(network, AdamW(), 0.1))
    if found is None:
        return None
    progress, best = found
    drawn = torch.rand(1).item()
    torch.manual_seed(progress.step)
    marks = {progress.step, *network.outer.bias.tolist(), *best["outer.bias"].tolist(), round(progress.best_score * 10)}
    assert (len(marks), drawn) == (1, torch.rand(1).item()), f"a mixture: {marks}"
    return progress.step


@pytest.fixture
def two(tmp_path, make_cnn, disk):
    """A folder with the checkpoints of steps 1 and 2."""
    state = State(make_cnn()).train(2)
    state.save(tmp_path, 1, disk)
    state.save(tmp_path, 2, disk)
    return tmp_path


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.write_bytes(raw)


def remove(path):
    path.unlink()


FILES = ("shard-00001-model-00001-of-00001.safetensors", "progress.json", "manifest.json")


@pytest.mark.parametrize("section", [AdamW(), Sgd(), Sgd(momentum=0.0)], ids=["adamw", "sgd", "sgd without momentum"])
def test_network_and_optimizer_come_back_as_they_were(tmp_path, make_cnn, disk, section):
    first, second = State(make_cnn(), section).train(3), State(make_cnn(), section)
    first.save(tmp_path, 3, disk)
    load(tmp_path, second.network, second.optimizer)
    first.train(2)
    second.train(2)
    assert all(torch.equal(tensor, second.network.state_dict()[name]) for name, tensor in first.network.state_dict().items())


def test_progress_and_best_weights_come_back_as_they_were(tmp_path, make_cnn, disk):
    state = State(make_cnn()).train(1)
    state.save(tmp_path, 7, disk)
    progress, best = load(tmp_path, state.network, state.optimizer)
    want = Progress(step=7, best_epoch=1, best_score=0.7, history=[{"epoch": 0.0}], loss_sum=2.5, loss_count=3, seconds=1.5)
    assert progress == want
    assert {name: tensor.tolist() for name, tensor in best.items()} == {"outer.bias": [7.0, 7.0, 7.0]}


def test_random_numbers_go_on_where_they_were(tmp_path, make_cnn, disk):
    state = State(make_cnn()).train(1)
    torch.manual_seed(12)
    torch.rand(5)
    checkpoints = Checkpoints(tmp_path, Learner(state.network, state.optimizer), disk)
    checkpoints.save(Progress(step=1), {})
    want = torch.rand(3)
    checkpoints.wait()
    torch.manual_seed(99)
    load(tmp_path, state.network, state.optimizer)
    assert torch.equal(torch.rand(3), want)


def test_a_folder_without_checkpoint_changes_nothing(tmp_path, make_cnn):
    state, twin = State(make_cnn()), make_cnn()
    assert load(tmp_path / "none", state.network, state.optimizer) is None
    assert all(torch.equal(tensor, twin.state_dict()[name]) for name, tensor in state.network.state_dict().items())


def test_the_newest_two_checkpoints_are_kept(tmp_path, make_cnn, disk):
    state = State(make_cnn()).train(1)
    for step in (1, 2, 9, 10):
        state.save(tmp_path, step, disk)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000000009", "step-000000010"]


def test_what_changes_while_a_checkpoint_is_written_is_not_in_it(tmp_path, make_cnn, disk):
    state = State(make_cnn()).train(1)
    before = {name: tensor.clone() for name, tensor in state.network.state_dict().items()}
    checkpoints = Checkpoints(tmp_path, Learner(state.network, state.optimizer), disk)
    checkpoints.save(Progress(step=1), {})
    state.train(3)
    checkpoints.wait()
    load(tmp_path, state.network, state.optimizer)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.network.state_dict().items())


def test_of_two_whole_checkpoints_the_newer_one_is_taken(two, make_cnn):
    assert step_of(two, make_cnn) == 2


@pytest.mark.parametrize("damage", [cut, empty, flip, remove])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_is_passed_over_for_the_older_one(two, make_cnn, name, damage, caplog):
    damage(two / "step-000000002" / name)
    assert step_of(two, make_cnn) == 1
    assert "step-000000002: this checkpoint is damaged; an older one is taken" in caplog.text


@pytest.mark.parametrize("name", FILES)
def test_no_checkpoint_is_better_than_a_damaged_one(two, make_cnn, name):
    for folder in two.iterdir():
        flip(folder / name)
    assert step_of(two, make_cnn) is None


def test_what_a_crash_left_half_written_is_written_anew(tmp_path, make_cnn, disk):
    (tmp_path / "next.tmp").mkdir()
    (tmp_path / "next.tmp" / FILES[0]).write_bytes(b"half")
    (tmp_path / "next.tmp" / "rubbish").write_bytes(b"half")
    State(make_cnn()).train(1).save(tmp_path, 1, disk)
    assert step_of(tmp_path, make_cnn) == 1
    assert not (tmp_path / "step-000000001" / "rubbish").exists()


def test_a_stop_at_any_operation_leaves_the_old_checkpoint_or_the_new_one(tmp_path, make_cnn, disk, every_stop, crash):
    left = []
    for number, stopping in enumerate(every_stop()):
        folder = tmp_path / str(number)
        state = State(make_cnn()).train(2)
        state.save(folder, 1, disk)
        try:
            state.save(folder, 2, stopping)
        except crash:
            left.append(step_of(folder, make_cnn))
    assert left == sorted(left)
    assert set(left) == {1, 2}
    assert step_of(folder, make_cnn) == 2


def test_a_stop_in_the_first_checkpoint_leaves_none_or_a_whole_one(tmp_path, make_cnn, every_stop, crash):
    left = []
    for number, stopping in enumerate(every_stop()):
        folder = tmp_path / str(number)
        try:
            State(make_cnn()).train(1).save(folder, 1, stopping)
        except crash:
            left.append(step_of(folder, make_cnn))
    assert set(left) == {None, 1}


def test_after_any_stop_the_next_checkpoint_is_written_and_found(tmp_path, make_cnn, disk, every_stop, crash):
    for number, stopping in enumerate(every_stop()):
        folder = tmp_path / str(number)
        state = State(make_cnn()).train(2)
        state.save(folder, 1, disk)
        try:
            state.save(folder, 2, stopping)
        except crash:
            state.save(folder, 2, disk)
        assert step_of(folder, make_cnn) == 2
