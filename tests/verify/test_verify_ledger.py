import json
import logging

import pytest

from smelt.run.disk import Disk
from smelt.verify import ledger

DATA, OTHER = "d" * 64, "e" * 64


def opening(predictions="1", time="2024-05-06T07:08:09+00:00", data=DATA, run="demo"):
    return ledger.Opening(data_sha256=data, predictions_sha256=predictions * 64, run=run, time=time)


def test_openings_come_oldest_first(tmp_path):
    late, early = opening("1", "2024-05-07T00:00:00+00:00"), opening("2", "2024-05-06T00:00:00+00:00")
    for one in (late, early):
        assert ledger.record(tmp_path, one, Disk())
    assert ledger.openings(tmp_path, DATA) == [early, late]


def test_each_confirm_set_has_its_own_openings(tmp_path):
    ledger.record(tmp_path, opening(data=OTHER), Disk())
    assert ledger.openings(tmp_path, DATA) == []


def test_the_same_answers_judged_again_are_no_opening(tmp_path):
    assert ledger.record(tmp_path, opening(run="first"), Disk())
    assert not ledger.record(tmp_path, opening(run="second"), Disk())
    assert [one.run for one in ledger.openings(tmp_path, DATA)] == ["first"]


def test_a_state_folder_that_cannot_be_written_is_a_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        assert not ledger.record(tmp_path / "file", opening(), Disk())
    assert "ledger" in caplog.text
    assert ledger.openings(tmp_path / "file", DATA) == []


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"run": "x"}', '{"data_sha256": "d", "predictions_sha256": "p", "run": "r", "time": "today"}']
)
def test_a_damaged_entry_is_left_out_with_a_warning(tmp_path, caplog, text):
    ledger.record(tmp_path, opening("1"), Disk())
    (tmp_path / "openings" / DATA / "damaged.json").write_text(text)
    with caplog.at_level(logging.WARNING):
        assert ledger.openings(tmp_path, DATA) == [opening("1")]
    assert "damaged.json" in caplog.text


def test_an_entry_is_one_small_file(tmp_path):
    ledger.record(tmp_path, opening("1"), Disk())
    entry = json.loads((tmp_path / "openings" / DATA / f"{'1' * 64}.json").read_text())
    assert set(entry) == {"data_sha256", "predictions_sha256", "run", "time"}
