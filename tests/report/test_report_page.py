"""The whole page, rendered from made-up run folders."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from smelt.errors import DataFault, UsageFault
from smelt.report.page import write_report
from smelt.run.disk import Disk

HOSTILE = ["<script>alert(1)</script>", "a\"b'c&d", "</title><img src=x onerror=alert(2)>", "\u202ertl", "退款", "`x`", "{n}", "nul\x07"]
VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Reads a page back: its elements, whether they close, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(run: Path) -> str:
    return write_report(run, Disk()).read_text(encoding="utf-8")


def test_the_page_stands_in_the_run_folder(make_run: Callable[..., Path]) -> None:
    run = make_run()
    assert write_report(run, Disk()) == run / "report.html"


def test_a_certified_run_says_so_in_words_and_shows_its_sentence(make_run: Callable[..., Path]) -> None:
    run = make_run(rows=7600, lost=30, won=24)
    outline = Outline(page_of(run))
    sentence = json.loads((run / "verify/verdict.json").read_text())["sentence"]
    assert {"class": "verdict yes"} in outline.all("div")
    assert "Certified" in outline.texts
    assert sentence.split("`")[2] in outline.text


def test_a_run_that_is_not_certified_says_so_in_words(make_run: Callable[..., Path]) -> None:
    outline = Outline(page_of(make_run(rows=900, lost=14, won=5)))
    assert {"class": "verdict no"} in outline.all("div")
    assert "Not certified" in outline.texts


def test_ratios_are_between_the_reference_and_the_choice_of_the_run(make_run: Callable[..., Path]) -> None:
    run = make_run(rows=7600, lost=30, won=24)
    path = run / "frontier.json"
    front = json.loads(path.read_text())
    for one in front["candidates"]:
        if one["name"] == "reference":
            one |= {"examples_per_s": 50.0, "latency_ms_p50": 42.0, "size_bytes": 400_000_000}
        if one["chosen"]:
            one |= {"examples_per_s": 620.0, "latency_ms_p50": 10.0, "size_bytes": 80_000_000}
    path.write_text(json.dumps(front))
    tiles = re.findall(r'class="tile"><b>([^<]+)</b><span>([^<]+)', page_of(run))
    assert tiles[:3] == [("12.4×", "documents per second"), ("4.2×", "lower latency at batch 1"), ("5.0×", "smaller on disk")]


def test_a_choice_that_is_larger_is_called_larger(make_run: Callable[..., Path]) -> None:
    run = make_run(rows=7600, lost=30, won=24)
    path = run / "frontier.json"
    front = json.loads(path.read_text())
    next(one for one in front["candidates"] if one["chosen"])["size_bytes"] = 2 * 438_200_000
    path.write_text(json.dumps(front))
    assert "<b>2.0×</b><span>larger on disk" in page_of(run)


def test_the_bound_on_the_page_is_that_of_the_sentence(make_run: Callable[..., Path]) -> None:
    page = page_of(make_run(rows=7600, lost=30, won=24))
    said = re.search(r"at most ([\d.]+) points", page)
    assert said is not None
    assert f"upper bound at 95 %</th><td>{said[1]}</td>" in page


@pytest.mark.parametrize("facts", [{}, {"labels": HOSTILE, "rows": 2100}, {"labels": [f"class {n}" for n in range(77)], "rows": 3080}])
def test_every_element_is_closed_in_order(make_run: Callable[..., Path], facts: dict[str, object]) -> None:
    assert not Outline(page_of(make_run(**facts))).open


def test_labels_and_warnings_are_text_and_never_markup(make_run: Callable[..., Path]) -> None:
    run = make_run(labels=HOSTILE, rows=2100, notes=["<b onclick=alert(3)>"])
    facts = json.loads((run / "run.json").read_text()) | {"name": "<i>run</i>", "command": "smelt run '</code><script>'"}
    (run / "run.json").write_text(json.dumps(facts))
    page = page_of(run)
    outline = Outline(page)
    names = {tag for tag, _ in outline.elements}
    assert not names & {"script", "img", "i"}
    assert not any(key.startswith("on") for _, attributes in outline.elements for key in attributes)
    assert HOSTILE[0] in outline.texts
    assert "<b onclick=alert(3)>" in outline.texts
    assert "\x07" not in page


def test_the_page_loads_nothing(make_run: Callable[..., Path]) -> None:
    page = page_of(make_run(labels=HOSTILE, rows=2100))
    outline = Outline(page)
    keys = {key for _, attributes in outline.elements for key in attributes}
    assert not keys & {"src", "href", "srcset", "data", "xlink:href", "style"}
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_a_policy_forbids_scripts_and_loading(make_run: Callable[..., Path]) -> None:
    policies = [meta["content"] for meta in Outline(page_of(make_run())).all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_pictures_have_words_and_tables_have_captions(make_run: Callable[..., Path]) -> None:
    page = page_of(make_run(labels=[f"class {n}" for n in range(5)], rows=2100))
    outline = Outline(page)
    assert all(svg.get("aria-hidden") == "true" or svg.get("aria-label") for svg in outline.all("svg"))
    assert len(re.findall(r"<table[^>]*><caption>", page)) == len(outline.all("table"))


def test_many_classes_stay_small(make_run: Callable[..., Path]) -> None:
    run = make_run(labels=[f"a rather long label of a class {n}" for n in range(900)], rows=5000, scores=False)
    assert len(page_of(run).encode()) < 2_000_000


@pytest.mark.parametrize(("code", "lang"), [("zh_CN.UTF-8", "zh-CN"), ("en_US.UTF-8", "en")])
def test_the_page_names_its_language(make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, code: str, lang: str) -> None:
    monkeypatch.setenv("SMELT_LANG", code)
    assert Outline(page_of(make_run())).all("html") == [{"lang": lang}]


@pytest.mark.parametrize(
    "missing", ["data/data.json", "verify/details.json", "verify/tests.json", "predictions/reference.jsonl", "train/log.jsonl"]
)
def test_optional_files_may_be_missing(make_run: Callable[..., Path], missing: str) -> None:
    run = make_run()
    (run / missing).unlink()
    assert not Outline(page_of(run)).open


def test_a_run_in_which_nothing_was_cheaper_has_a_page(make_run: Callable[..., Path]) -> None:
    run = make_run()
    verdict = json.loads((run / "verify/verdict.json").read_text())
    nothing = dict.fromkeys(("candidate", "candidate_score", "drop_points", "upper_points", "lost", "won"))
    (run / "verify/verdict.json").write_text(json.dumps(verdict | nothing | {"certified": False, "sentence": "Nothing was cheaper."}))
    (run / "verify/tests.json").write_text("[]")
    front = [one | {"chosen": False, "certified": None} for one in json.loads((run / "frontier.json").read_text())["candidates"]]
    (run / "frontier.json").write_text(json.dumps({"candidates": front[:2]}))
    outline = Outline(page_of(run))
    assert "Nothing was cheaper." in outline.texts
    assert not any(attributes.get("class") == "tile" for attributes in outline.all("div"))


def test_a_verdict_without_labels_has_a_page(make_run: Callable[..., Path]) -> None:
    run = make_run()
    nothing = dict.fromkeys(("reference_score", "candidate_score", "floor_score", "drop_points", "lost", "won"))
    for name in ("verdict", "tests"):
        value = json.loads((run / f"verify/{name}.json").read_text())
        (run / f"verify/{name}.json").write_text(json.dumps(value | nothing if name == "verdict" else [one | nothing for one in value]))
    for path in (run / "predictions").iterdir():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps({key: row[key] for key in ("id", "prediction")}) + "\n" for row in rows))
    outline = Outline(page_of(run))
    assert "Loss and margin" in outline.texts
    assert "Class by class" not in outline.texts


def test_a_folder_that_is_no_run_is_refused_with_a_next_step(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="no run folder") as fault:
        write_report(tmp_path, Disk())
    assert "smelt run" in fault.value.step


@pytest.mark.parametrize("missing", ["frontier.json", "verify/verdict.json"])
def test_an_unfinished_run_is_refused_by_the_missing_file(make_run: Callable[..., Path], missing: str) -> None:
    run = make_run()
    (run / missing).unlink()
    with pytest.raises(UsageFault, match=f"not finished, {missing}"):
        write_report(run, Disk())


@pytest.mark.parametrize(
    ("file", "content", "found"),
    [
        ("frontier.json", "{", "frontier.json"),
        ("frontier.json", "[1]", "valid dictionary"),
        ("verify/verdict.json", '{"certified": true}', "margin_points"),
        ("data/data.json", '{"labels": 7}', "labels"),
        ("train/log.jsonl", '{"event": "step", "step": "x"}', "step"),
        ("predictions/reference.jsonl", "nonsense", "reference.jsonl:1"),
    ],
)
def test_a_damaged_file_is_named(make_run: Callable[..., Path], file: str, content: str, found: str) -> None:
    run = make_run()
    (run / file).write_text(content)
    with pytest.raises(DataFault, match=found):
        write_report(run, Disk())


def test_a_log_that_a_crash_cut_is_read_as_far_as_it_goes(make_run: Callable[..., Path]) -> None:
    run = make_run()
    with (run / "train/log.jsonl").open("a") as log:
        log.write('{"event": "st')
    assert "Loss of the reference" in page_of(run)


def test_numbers_that_are_none_are_left_out_of_pictures(make_run: Callable[..., Path]) -> None:
    run = make_run()
    text = (run / "frontier.json").read_text()
    (run / "frontier.json").write_text(re.sub(r'"latency_ms_p50": [\d.]+', '"latency_ms_p50": NaN', text))
    page = page_of(run)
    assert "Quality against latency" not in page
    assert "Quality against throughput" in page
