"""Schedules played through: held against closed forms, against what each piece waits for, and against the cost model's bubble."""

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smelt.plan import timeline
from smelt.plan.timeline import outer, play, shown, windows

SCHEDULES = ["gpipe", "1f1b", "interleaved", "zero_bubble"]


@st.composite
def plays(draw):
    schedule = draw(st.sampled_from(SCHEDULES))
    stages = draw(st.lists(st.floats(0.1, 3.0), min_size=2, max_size=5))
    virtual = draw(st.integers(2, 3)) if schedule == "interleaved" else 1
    micro_batches = draw(st.integers(1, 9)) * (len(stages) if schedule == "interleaved" else 1)
    return stages, micro_batches, schedule, virtual


@pytest.mark.parametrize(("schedule", "share"), [("gpipe", 1.0), ("1f1b", 1.0), ("interleaved", 1 / 3), ("zero_bubble", 1 / 3)])
def test_equal_stages_take_the_published_time(schedule, share):
    virtual = 3 if schedule == "interleaved" else 1
    found = play([0.6] * 4, 12, schedule, virtual)
    assert found.seconds == pytest.approx(12 * 0.6 + share * 3 * 0.6)


@pytest.mark.parametrize(("schedule", "stages"), [("gpipe", [0.9, 0.5, 0.6]), ("gpipe", [0.5, 0.6, 0.9]), ("1f1b", [0.5, 0.6, 0.9])])
def test_unequal_stages_run_at_the_pace_of_the_slowest(schedule, stages):
    assert play(stages, 20, schedule).seconds == pytest.approx(20 * 0.9 + 0.5 + 0.6)


def test_a_slow_first_stage_hides_part_of_its_bubble_in_1f1b():
    """Worked out by hand: the other stages take 1.1 s with the first micro-batch, and it does two more forwards of 0.3 s meanwhile."""
    assert play([0.9, 0.5, 0.6], 20, "1f1b").seconds == pytest.approx(20 * 0.9 + 0.5 + 0.6 - 2 * 0.3)


@given(plays())
def test_a_step_takes_the_slowest_stage_and_at_most_a_bubble_of_all_others(asked):
    stages, micro_batches, schedule, _ = asked
    slowest = micro_batches * max(stages)
    found = play(*asked).seconds
    assert slowest - 1e-9 <= found
    if schedule in ("gpipe", "1f1b"):
        assert found <= slowest + sum(stages) - max(stages) + 1e-9


def test_the_busy_share_is_work_over_all_time():
    assert play([1.0, 1.0], 3, "1f1b").busy == pytest.approx(3 / 4)


@given(plays())
def test_a_stage_does_one_thing_at_a_time(asked):
    rows = defaultdict(list)
    for piece in play(*asked).pieces:
        rows[piece.stage].append((piece.start, piece.end))
    assert all(before[1] <= after[0] + 1e-9 for row in rows.values() for before, after in pairwise(sorted(row)))


@given(plays())
def test_every_piece_is_played_once(asked):
    stages, micro_batches, schedule, virtual = asked
    kinds = ["forward", "backward", *(["weights"] if schedule == "zero_bubble" else [])]
    want = {(s, k, m, p) for s in range(len(stages)) for k in kinds for m in range(micro_batches) for p in range(virtual)}
    found = [(piece.stage, piece.kind, piece.micro, piece.part) for piece in play(*asked).pieces]
    assert len(found) == len(want)
    assert set(found) == want


@given(plays())
def test_no_piece_begins_before_what_it_waits_for(asked):
    stages, _, _, virtual = asked
    found = {(piece.kind, piece.micro, piece.part * len(stages) + piece.stage): piece for piece in play(*asked).pieces}
    last = virtual * len(stages) - 1
    for (kind, micro, place), piece in found.items():
        if kind == "forward" and place:
            assert found["forward", micro, place - 1].end <= piece.start + 1e-9
        if kind == "backward":
            before = found["forward", micro, last] if place == last else found["backward", micro, place + 1]
            assert before.end <= piece.start + 1e-9
        if kind == "weights":
            assert found["backward", micro, place].end <= piece.start + 1e-9


@given(plays())
def test_a_third_is_forward_and_all_of_a_stage_is_played(asked):
    stages, micro_batches, _, _ = asked
    spent, forward = defaultdict(float), defaultdict(float)
    for piece in play(*asked).pieces:
        spent[piece.stage] += piece.end - piece.start
        forward[piece.stage] += (piece.end - piece.start) * (piece.kind == "forward")
    assert [spent[stage] for stage in range(len(stages))] == pytest.approx([micro_batches * time for time in stages])
    assert [forward[stage] for stage in range(len(stages))] == pytest.approx([micro_batches * time / 3 for time in stages])


@pytest.mark.parametrize("schedule", ["1f1b", "zero_bubble"])
def test_no_stage_holds_more_micro_batches_than_there_are_stages(schedule):
    freed = "weights" if schedule == "zero_bubble" else "backward"
    found = play([0.5, 0.9, 0.6, 0.4], 17, schedule)
    for stage in range(4):
        own = [piece for piece in found.pieces if piece.stage == stage]
        events = sorted([(p.start, 1) for p in own if p.kind == "forward"] + [(p.end, -1) for p in own if p.kind == freed])
        held = most = 0
        for _, change in events:
            held += change
            most = max(most, held)
        assert most <= (4 - stage if schedule == "1f1b" else 4)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_leaving_out_the_middle_changes_nothing_at_the_ends(schedule, monkeypatch):
    virtual = 2 if schedule == "interleaved" else 1
    stages = [1.0, 1.2, 1.1, 0.9]
    whole = play(stages, 200, schedule, virtual)
    monkeypatch.setattr(timeline, "MOST_PIECES", 10)
    short = play(stages, 200, schedule, virtual)
    at = {(piece.stage, piece.kind, piece.micro, piece.part): piece.start for piece in whole.pieces}
    assert (whole.skipped, short.skipped) == (0, 168)
    assert short.seconds == pytest.approx(whole.seconds)
    assert [piece.start for piece in short.pieces] == pytest.approx([at[p.stage, p.kind, p.micro, p.part] for p in short.pieces])


def test_a_long_step_is_not_played_in_full():
    found = play([1.0, 1.2, 1.1], 1_000_003, "1f1b")
    assert len(found.pieces) < 2 * timeline.MOST_PIECES
    assert found.seconds == pytest.approx(1_000_003 * 1.2 + 2.1)


@given(st.integers(2, 64), st.integers(1, 999), st.integers(1, 8))
def test_at_most_twelve_micro_batches_are_shown_at_each_end(stages, micro_batches, virtual):
    found = shown(stages, micro_batches, virtual)
    assert 1 <= found <= 12
    assert found <= (micro_batches + 1) // 2


@settings(deadline=None)
@given(plays(), st.integers(1, 12))
def test_windows_hold_every_piece_that_is_shown(asked, ends):
    found = play(*asked)
    seen = windows(found, ends)
    assert all(
        any(start <= piece.start and piece.end <= end for start, end in seen) for piece in found.pieces if outer(piece, found, ends)
    )  # fmt: skip
    assert all(before[1] < after[0] for before, after in pairwise(seen))
