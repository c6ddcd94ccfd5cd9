"""The page of a plan: well-formed, with the document's numbers, harmless whatever the names, and readable where there is little to say."""

import json
import re
from copy import deepcopy
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from smelt.plan.answer import answer
from smelt.plan.constants import Constants
from smelt.plan.document import document
from smelt.plan.page import page
from smelt.plan.question import question_of
from smelt.recipe.document import Document
from smelt.recipe.faults import check
from smelt.recipe.plan import PlanSpec

SPACE = "\N{NO-BREAK SPACE}"
HOSTILE = "</title></style><script>alert('x')</script>\"'&\x00\x1b"


def document_of(spec, *, what_if=False):
    question = question_of(check(PlanSpec, Document("spec", spec)), Path(), Path())
    return json.loads(json.dumps(document(answer(question, Constants(), what_if=what_if))))


@pytest.fixture(scope="module")
def piped():
    return document_of(
        {
            "model": {"layers": 12, "hidden": 4096, "heads": 32, "vocab": 32000},
            "task": {"sequence": 4096, "global_batch": 96, "tokens": 1e11},
            "cluster": {"accelerator": "H100", "count": 16, "price_per_hour": 2.5},
            "layout": {"pipeline": 4, "tensor": 2, "virtual": 1, "micro_batch": 1},
        },
        what_if=True,
    )


@pytest.fixture(scope="module")
def single():
    return document_of(
        {
            "model": {"layers": 3, "hidden": 256, "heads": 4, "vocab": 1000},
            "task": {"sequence": 512, "global_batch": 64},
            "cluster": {"accelerator": "A100", "count": 4},
            "layout": {"pipeline": 1},
        }
    )


@pytest.fixture(scope="module")
def nowhere():
    return document_of(
        {
            "model": {"layers": 96, "hidden": 12288, "heads": 96, "vocab": 51200},
            "task": {"sequence": 2048, "global_batch": 2, "tokens": 1e9},
            "cluster": {"accelerator": "A100", "count": 2},
        }
    )


def parsed(html):
    """The page as XML, which is stricter than HTML."""
    start = html.index("<html")
    return ET.fromstring(re.sub(r"<meta ([^>]*)>", r"<meta \1/>", html[start:]))


def text_of(html):
    return " ".join("".join(parsed(html).find("body").itertext()).replace(SPACE, " ").split())


def cells(html, chapter):
    section = next(each for each in parsed(html).iter("section") if each.get("id") == chapter)
    return [["".join(cell.itertext()).replace(SPACE, " ") for cell in row] for row in section.iter("tr")]


def picture(html, key):
    return next((svg for svg in parsed(html).iter("svg") if svg.get("aria-labelledby") == f"{key}-title"), None)


@pytest.mark.parametrize("kind", ["piped", "single", "nowhere"])
def test_the_page_is_well_formed(kind, request):
    assert parsed(page(request.getfixturevalue(kind))).get("lang") == "en"


@pytest.mark.parametrize("kind", ["piped", "single", "nowhere"])
def test_the_page_loads_and_runs_nothing(kind, request):
    html = page(request.getfixturevalue(kind))
    tags = {each.tag for each in parsed(html).iter()}
    assert not tags & {"script", "link", "img", "iframe", "a", "image", "use", "foreignObject"}
    assert "url(" not in html
    assert "@import" not in html


def test_every_picture_is_described(piped):
    pictures = [svg for svg in parsed(page(piped)).iter("svg") if svg.get("aria-hidden") is None]
    assert [svg.get("aria-labelledby") for svg in pictures] == ["memory-title", "parts-title", "timeline-title", "offers-title"]
    assert all(svg.get("role") == "img" and svg[0].tag == "title" and svg[1].tag == "desc" and svg[1].text for svg in pictures)


def test_every_heading_of_a_table_says_what_it_heads(piped):
    assert {heading.get("scope") for heading in parsed(page(piped)).iter("th")} == {"col", "row"}


def test_the_sentence_has_the_document_s_numbers(piped):
    best, spent = piped["best"], piped["best"]["hours"] * 16
    sentence = next(each for each in parsed(page(piped)).iter("p") if each.get("class") == "sentence").text.replace(SPACE, " ")
    for words in (
        "16 × H100-80GB (tensor 2 × pipeline 4 × data 2)", f"{best['step_seconds']:.2f} s a step", f"{best['hours']:,.1f} hours",
        f"{piped['task']['steps']:,} steps", f"{spent:,.0f} accelerator hours", f"cost {2.5 * spent:,.0f}", f"{100 * best['mfu']:.1f} %",
    ):  # fmt: skip
        assert words in sentence


def test_the_sentence_names_the_largest_part_that_could_be_avoided(piped):
    changed = deepcopy(piped)
    parts = dict.fromkeys(piped["best"]["parts_seconds"], 0.0) | {"compute": 5.0, "optimizer": 3.0, "bubble": 0.5, "data": 0.25}
    changed["best"] |= {"parts_seconds": parts, "step_seconds": 8.75}
    assert "what could be avoided is mostly bubble, 0.50 s a step (5.7 %)" in text_of(page(changed))


def test_the_parts_of_the_table_are_those_of_the_document(piped):
    rows = cells(page(piped), "time")[1:]
    assert [float(row[1]) for row in rows] == pytest.approx(list(piped["best"]["parts_seconds"].values()), abs=5e-5)


def test_bars_are_as_long_as_memory_is_large(piped):
    svg, ranks = picture(page(piped), "memory"), piped["best"]["memory"]
    names = ("weights", "gradients", "optimizer", "activations", "reserve")
    want = [rank[f"{name}_gb"] for rank in ranks for name in names if rank[f"{name}_gb"]]
    widths = [float(rect.get("width")) for rect in svg.iter("rect")]
    assert len(widths) == len(want)
    assert [width / sum(widths) for width in widths] == pytest.approx([each / sum(want) for each in want], abs=1e-3)


def test_the_memory_table_adds_up(piped):
    for row in cells(page(piped), "memory")[1:]:
        assert sum(map(float, row[1:6])) == pytest.approx(float(row[6]), abs=0.03)


def test_only_the_first_and_the_last_micro_batches_are_numbered(piped):
    count = piped["best"]["micro_batches"]
    numbers = {int(text.text) for text in picture(page(piped), "timeline").iter("text") if text.get("class") == "piece"}
    assert count == 48
    assert numbers <= {*range(8), *range(count - 8, count)}
    assert {0, count - 1} <= numbers
    assert f"the first and the last 8 of {count} micro-batches" in text_of(page(piped))


@pytest.mark.parametrize("schedule", ["gpipe", "1f1b", "interleaved", "zero_bubble"])
def test_every_schedule_is_drawn(piped, schedule):
    changed = deepcopy(piped)
    changed["best"]["layout"] |= {"schedule": schedule, "virtual": 3 if schedule == "interleaved" else 1}
    html = page(changed)
    assert picture(html, "timeline") is not None
    assert ("backward of the weights" in html) == (schedule == "zero_bubble")


def test_no_piece_lies_outside_the_picture(piped):
    for schedule in ("gpipe", "1f1b"):
        changed = deepcopy(piped)
        changed["best"]["layout"]["schedule"] = schedule
        for shape in picture(page(changed), "timeline").iter("path"):
            for left, width in re.findall(r"M([\d.-]+) [\d.-]+h([\d.]+)", shape.get("d")):
                assert float(left) >= 0.0
                assert float(left) + float(width) <= 900.0


def test_few_micro_batches_are_drawn_in_full(piped):
    changed = deepcopy(piped)
    changed["best"]["micro_batches"] = 6
    assert "Drawn are all 6 micro-batches" in text_of(page(changed))


def test_without_a_pipeline_there_is_no_timeline(single):
    html = page(single)
    assert picture(html, "timeline") is None
    assert f"works on its {single['best']['micro_batches']} micro-batches" in text_of(html)


def test_a_pipeline_that_would_take_minutes_to_play_is_not_drawn(piped):
    changed = deepcopy(piped)
    changed["best"]["layout"] |= {"pipeline": 512}
    assert picture(page(changed), "timeline") is None
    assert "A pipeline of 512 is too long to be drawn." in text_of(page(changed))


def test_without_steps_no_hours_are_told(single):
    assert single["task"]["steps"] == 0
    assert "hours" not in text_of(page(single))


def test_where_nothing_fits_the_leanest_layout_is_shown(nowhere):
    html = page(nowhere)
    largest = max(rank["total_gb"] for rank in nowhere["leanest"]["memory"])
    assert nowhere["best"] is None
    assert f"needs {largest:,.1f} GB of 85.0 GB" in text_of(html)
    assert picture(html, "memory") is not None
    assert picture(html, "parts") is picture(html, "timeline") is picture(html, "offers") is None


@pytest.mark.parametrize("least", [1e-9, 1e-5, 1e-2])
def test_costs_that_are_powers_apart_are_drawn(piped, least):
    offers = [offer | {"cost": cost, "hours": 1 / cost} for offer, cost in zip(piped["offers"][-2:], (least, 100.0), strict=True)]
    texts = [each.text for each in picture(page(piped | {"offers": offers}), "offers").iter("text") if each.get("class") == "tick"]
    assert 4 <= len(texts) <= 18


def test_without_offers_there_is_no_scatter(piped):
    html = page(piped | {"offers": [], "pareto": [], "cheapest": None})
    assert picture(html, "offers") is None
    assert "has a layout that fits" in text_of(html)


def test_points_stand_where_their_offers_are(piped):
    pareto, offers = piped["pareto"][1:], piped["offers"]
    svg = picture(page(piped | {"pareto": pareto}), "offers")
    names = [text.text for text in svg.iter("text") if text.get("class") == "label"]
    dots = [circle for circle in svg.iter("circle") if circle.get("class") in ("blue", "hollow")]
    assert names == [f"{offer['count']:,}" for offer in offers]
    order = sorted(range(len(offers)), key=lambda place: offers[place]["hours"])
    assert sorted(range(len(offers)), key=lambda place: float(dots[place].get("cx"))) == order
    assert [dot.get("class") == "blue" for dot in dots] == [offer["count"] in pareto for offer in offers]


@pytest.mark.parametrize(("kept", "line"), [((True, False), 1), ((True, True), 0), ((False, False), 0), ((None, None), 0)])
def test_the_deadline_is_a_line_where_it_divides_the_offers(piped, kept, line):
    first, last = piped["offers"][0], piped["offers"][-1]
    offers = [last | {"keeps_deadline": kept[0]}, first | {"keeps_deadline": kept[1]}]
    between = (first["hours"] + last["hours"]) / 2
    html = page(piped | {"offers": offers, "deadline_hours": between})
    lines = [float(each.get("x1")) for each in picture(html, "offers").iter("line") if each.get("class") == "end"]
    soon, late = sorted(float(each.get("cx")) for each in picture(html, "offers").iter("circle") if each.get("class") in ("blue", "hollow"))
    assert len(lines) == line
    assert all(soon < place < late for place in lines)
    assert ("All of them keep the deadline." in html) == (kept == (True, True))
    assert ("None of them keeps the deadline." in html) == (kept == (False, False))


def test_lost_meshes_come_with_their_reasons(piped):
    lost = piped["best"] | {"reason": "because of <it>", "step_seconds": 2 * piped["best"]["step_seconds"]}
    row = cells(page(piped | {"lost": [lost]}), "lost")[1]
    assert row[2] == "+100.0 %"
    assert row[4] == "because of <it>"


def test_changes_point_to_the_quicker_side(piped):
    layout = piped["best"]["layout"]
    changes = [
        {"name": "less", "step_seconds": 1.0, "share": 0.5, "layout": layout},
        {"name": "more", "step_seconds": 3.0, "share": 1.25, "layout": layout},
        {"name": "never", "step_seconds": None, "share": None, "layout": None},
    ]
    html = page(piped | {"what_if": changes})
    bars = [svg.find("rect") for svg in parsed(html).iter("svg") if svg.get("aria-hidden")]
    found = [(bar.get("class"), float(bar.get("x")), float(bar.get("width"))) for bar in bars]
    assert found == [("yes", 2.0, 78.0), ("no", 80.0, 39.0)]
    assert [row[2] for row in cells(html, "what-if")[1:]] == ["−50.0 %", "+25.0 %", ""]
    assert cells(html, "what-if")[3][3] == "no layout fits"


def test_a_run_that_never_ends_says_so(piped):
    trouble = piped["failures"] | {"expected": None, "goodput": 0.0}
    assert "∞hours with failuresit never ends" in text_of(page(piped | {"failures": trouble}))


def test_hostile_names_stay_text(piped):
    changed = deepcopy(piped)
    changed["cluster"] |= {"accelerator": HOSTILE, "source": HOSTILE, "date": HOSTILE, "validated_on": [HOSTILE]}
    changed |= {"warnings": [HOSTILE], "assumed": [HOSTILE], "lost": [piped["best"] | {"reason": HOSTILE}]}
    changed["what_if"][0]["name"] = HOSTILE
    html = page(changed)
    assert "<script" not in html
    assert not set(html) & {"\x00", "\x1b"}
    shown = HOSTILE.replace("\x00", "�").replace("\x1b", "�")
    assert "".join(parsed(html).itertext()).count(shown) >= 9


def test_the_page_speaks_chinese(piped, monkeypatch):
    english = page(piped)
    monkeypatch.setenv("SMELT_LANG", "zh")
    html = page(piped)
    headings = ["".join(each.itertext()) for each in parsed(html).iter("h2")]
    assert parsed(html).get("lang") == "zh-CN"
    assert all(re.search("[\u4e00-\u9fff]", heading) for heading in headings)
    assert len(headings) == len(list(parsed(english).iter("h2")))
