"""Which process the others wait for."""

import os
import time

from smelt.parallel.pulse import COMPUTED, COMPUTES, Pulse, behind, signs


def test_the_one_that_has_reached_least_is_named(tmp_path):
    pulses = [Pulse(tmp_path, rank) for rank in range(3)]
    for rank, (step, part) in enumerate([(17, COMPUTED), (17, COMPUTES), (17, COMPUTED)]):
        pulses[rank].beat(16, COMPUTED)
        pulses[rank].beat(step, part)
    assert [(sign.step, sign.part) for sign in signs(tmp_path, 3)] == [(17, COMPUTED), (17, COMPUTES), (17, COMPUTED)]
    assert behind(signs(tmp_path, 3)) == "process 1 stands in step 17, and the others wait for it there"


def test_where_all_live_and_stand_at_the_same_place_nobody_is_named(tmp_path):
    for rank in range(2):
        Pulse(tmp_path, rank).beat(3, COMPUTES)
    assert not behind(signs(tmp_path, 2))


def test_one_that_gives_no_sign_any_more_is_named_wherever_it_stands(tmp_path):
    pulses = [Pulse(tmp_path, rank) for rank in range(2)]
    for pulse in pulses:
        pulse.beat(9, COMPUTED)
    pulses[1].end()
    os.utime(tmp_path / "pulse-1", (time.time() - 60, time.time() - 60))
    assert behind(signs(tmp_path, 2)) == "process 1 gives no sign of life since step 9"


def test_one_that_never_began_is_named(tmp_path):
    Pulse(tmp_path, 0).beat(1, COMPUTES)
    assert behind(signs(tmp_path, 2)) == "process 1 gives no sign of life since step 0"


def test_a_process_that_computes_for_long_gives_signs(tmp_path):
    pulse = Pulse(tmp_path, 0)
    pulse.beat(1, COMPUTES)
    before = signs(tmp_path, 1)[0].seconds
    time.sleep(1.2)
    assert signs(tmp_path, 1)[0].seconds > before
