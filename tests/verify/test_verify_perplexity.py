import json

import numpy as np
import pytest

from smelt.cli.main import main
from smelt.errors import DataFault
from smelt.verify.perplexity import Guesses, are_guesses, compare, read_guesses, sentence, write_guesses


def guesses(gain=0.0, count=400, seed=0):
    rng = np.random.default_rng(seed)
    tokens = rng.integers(5, 200, count)
    hard = rng.gamma(4.0, 0.5, count)
    noise = np.random.default_rng(9).normal(0, 0.02, count) if gain else 0.0
    return Guesses([f"test-{number}" for number in range(count)], tokens * (hard - gain + noise), tokens, tokens * 4)


def test_perplexity_has_a_unit():
    own = guesses()
    assert own.loss("token") == pytest.approx(own.nats_N.sum() / own.tokens_N.sum())
    assert own.perplexity("token") == pytest.approx(np.exp(own.loss("token")))
    assert own.loss("byte") == pytest.approx(own.loss("token") / 4)


def test_a_gain_that_all_documents_share_is_seen_though_documents_differ_a_lot():
    change = compare(guesses(), guesses(0.01), "token")
    assert change.lower < change.difference < change.upper < 0
    assert change.difference == pytest.approx(-0.01, abs=0.003)
    assert change.upper - change.lower < 0.01
    assert "guesses better" in sentence(change, masked=False)


def test_the_interval_has_its_level():
    """Against the truth of a population, in 200 samples of 150 documents: 95 % but for the noise of 200."""
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        tokens = rng.integers(5, 100, 150)
        gap = rng.normal(0.02, 0.1, 150)
        before = Guesses([str(number) for number in range(150)], tokens * 2.0, tokens, tokens)
        after = Guesses(before.ids, tokens * (2.0 + gap), tokens, tokens)
        change = compare(before, after, "token", resamples=500, seed=seed)
        held += change.lower <= 0.02 <= change.upper
    assert 181 <= held <= 199


def test_an_equal_model_shows_no_difference():
    change = compare(guesses(), guesses(), "byte")
    assert (change.difference, change.lower, change.upper) == (0, 0, 0)
    assert "no difference can be told" in sentence(change, masked=True)


def test_files_go_round_and_the_command_compares_them(tmp_path, capsys):
    write_guesses(tmp_path / "a.jsonl", guesses())
    write_guesses(tmp_path / "b.jsonl", guesses(0.05))
    assert are_guesses(str(tmp_path / "a.jsonl"))
    np.testing.assert_allclose(read_guesses(tmp_path / "a.jsonl").nats_N, guesses().nats_N, atol=1e-6)
    pair = ["--reference", str(tmp_path / "a.jsonl"), "--candidate", str(tmp_path / "b.jsonl")]
    assert main(["verify", *pair]) == 0
    assert "guesses better" in capsys.readouterr().out
    assert main(["verify", *pair, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unit"] == "token"


def test_other_tokens_are_compared_by_bytes_and_other_documents_not_at_all(tmp_path, capsys):
    write_guesses(tmp_path / "a.jsonl", guesses())
    other = guesses()
    write_guesses(tmp_path / "b.jsonl", Guesses(other.ids, other.nats_N, other.tokens_N + 1, other.bytes_N))
    assert main(["verify", "--reference", str(tmp_path / "a.jsonl"), "--candidate", str(tmp_path / "b.jsonl")]) == 0
    assert "per byte" in capsys.readouterr().out
    with pytest.raises(DataFault, match="did not guess the same tokens"):
        compare(guesses(), Guesses(other.ids, other.nats_N, other.tokens_N + 1, other.bytes_N), "token")
    with pytest.raises(DataFault, match="did not guess the same documents"):
        compare(guesses(), guesses(count=399), "token")


def test_covered_tokens_have_no_figure_per_byte(tmp_path, capsys):
    own = guesses()
    for name, more in (("a", 0), ("b", 1)):
        write_guesses(tmp_path / f"{name}.jsonl", Guesses(own.ids, own.nats_N, own.tokens_N + more, own.bytes_N, masked=True))
    assert main(["verify", "--reference", str(tmp_path / "a.jsonl"), "--candidate", str(tmp_path / "b.jsonl")]) == 4
    assert "no figure per byte" in capsys.readouterr().err
    assert main(["verify", "--reference", str(tmp_path / "a.jsonl"), "--candidate", str(tmp_path / "a.jsonl")]) == 0
    assert "per covered token" in capsys.readouterr().out


def test_what_is_for_answers_is_refused(tmp_path, capsys):
    write_guesses(tmp_path / "a.jsonl", guesses())
    pair = ["--reference", str(tmp_path / "a.jsonl"), "--candidate", str(tmp_path / "a.jsonl")]
    assert main(["verify", *pair, "--also", "macro_f1=1.0"]) == 2
    assert "these are guesses of a language model" in capsys.readouterr().err
    assert main(["verify", *pair[:3], str(tmp_path / "none.jsonl")]) == 4
    assert "none.jsonl: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        '{"id": "a", "nats": NaN, "tokens": 1, "bytes": 1}',
        '{"id": "a", "nats": "x", "tokens": 1, "bytes": 1}',
        '{"id": "a"}',
        "[1]",
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path, line):
    write_guesses(tmp_path / "a.jsonl", guesses(count=2))
    with (tmp_path / "a.jsonl").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(DataFault, match=r"a\.jsonl:3: no guesses of a language model: want id, nats, tokens and bytes"):
        read_guesses(tmp_path / "a.jsonl")
