"""The page, control by control, in a headless browser."""

import csv
import io
import json
import shutil

import pytest

from smelt.runtime.bundle import open_bundle
from smelt.runtime.manifest import Manifest, seal
from smelt.serve.guard import Rules
from smelt.serve.house import House
from smelt.serve.keys import make_key, read_keys
from smelt.serve.limits import Limits
from tests.runtime.conftest import FACTS

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
CANDIDATE = {"dev_score": 0.9, "latency_ms_p50": 1.0, "certified": None, "chosen": False}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def open_page(browser):
    faults = []

    def begin(client, **settings):
        page = browser.new_context(locale="en-US", **settings).new_page()
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.goto(f"http://127.0.0.1:{client.port}/")
        return page

    yield begin
    for context in browser.contexts:
        context.close()
    assert not [fault for fault in faults if "401" not in fault]


@pytest.fixture
def certified(sealed_bundle, tmp_path):
    folder = shutil.copytree(sealed_bundle, tmp_path / "certified")
    verdict = {
        "margin_points": 1.0, "confidence": 0.95, "agreement": 0.999, "disagreement_upper_points": 0.5,
        "sentence": "Certified: `tiny` loses at most 0.4 points.",
    }  # fmt: skip
    (folder / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    candidates = [
        CANDIDATE | {"name": "reference", "latency_ms_p50": 9.0},
        CANDIDATE | {"name": "tiny", "chosen": True, "certified": True, "latency_ms_p50": 0.1, "dev_score": 0.89},
        CANDIDATE | {"name": "floor", "latency_ms_p50": None},
    ]
    (folder / "frontier.json").write_text(json.dumps({"candidates": candidates}), encoding="utf-8")
    for name in ("manifest.json", "manifest.sha256"):
        (folder / name).unlink()
    seal(folder, Manifest(**FACTS))
    return folder


@pytest.fixture
def two(start, sealed_bundle, certified):
    house = House(Limits())
    house.open("tiny", certified)
    house.open("other", sealed_bundle)
    return start(house)


def test_a_text_is_asked_and_its_words_are_marked(open_page, two, sealed_bundle):
    page = open_page(two)
    page.fill("#texts", "rate cuts bond")
    page.get_by_role("button", name="Ask").click()
    page.wait_for_selector(".why mark")
    assert page.locator(".said h3").inner_text().startswith(open_bundle(sealed_bundle).predict(["rate cuts bond"])[0])
    assert page.locator(".why").inner_text() == "rate cuts bond"
    assert page.locator(".why mark[class]").count() >= 1
    assert page.locator(".bars meter").count() == 3
    assert page.locator("#fault").is_hidden()


def test_many_texts_by_the_keyboard_and_two_bundles_side_by_side(open_page, two):
    page = open_page(two)
    page.wait_for_selector("#second option", state="attached")
    page.select_option("#second", "other")
    page.select_option("#method", "")
    page.fill("#texts", "rate\n\nbond 央行\ncut")
    page.press("#texts", "Control+Enter")
    page.wait_for_selector(".answer")
    assert page.locator(".answer").count() == 3
    assert page.locator(".said").count() == 6
    assert page.locator(".why").count() == 0
    assert {name.split("· ")[-1] for name in page.locator(".said h3").all_inner_texts()} == {"tiny", "other"}


def test_the_thorough_method_is_asked_for(open_page, two):
    page = open_page(two)
    page.wait_for_selector("#model option", state="attached")
    page.select_option("#method", "shapley")
    page.fill("#texts", "rate cuts")
    with page.expect_request("**/explain") as asked:
        page.get_by_role("button", name="Ask").click()
    assert asked.value.post_data_json["method"] == "shapley"
    page.wait_for_selector(".why mark")


def test_an_empty_question_is_said_to_be_one(open_page, two):
    page = open_page(two)
    page.get_by_role("button", name="Ask").click()
    assert page.locator("#fault").inner_text() == "Write a text first."


def test_the_language_changes_and_stays(open_page, two):
    page = open_page(two)
    page.click("#language")
    assert page.locator("#try-title").inner_text() == "试一试"
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.reload()
    assert page.locator("#try-title").inner_text() == "试一试"
    page.click("#language")
    assert page.locator("#try-title").inner_text() == "Try it"


def labelled(page):
    page.locator("#label-file").click()
    page.wait_for_selector("#download", state="visible")
    with page.expect_download() as found:
        page.locator("#download").click()
    return found.value


def test_a_csv_file_is_labelled_and_downloaded(open_page, two, sealed_bundle, tmp_path):
    texts = [f"rate {'cut ' * (number % 4)}bond" for number in range(150)]
    source = tmp_path / "mine.csv"
    with source.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "text"])
        rows.writerows([[number, f'{text}, "so"\nit is'] for number, text in enumerate(texts)])
    page = open_page(two)
    page.set_input_files("#file", str(source))
    page.wait_for_function("document.getElementById('column').value === 'text'")
    found = labelled(page)
    assert found.suggested_filename == "mine.labelled.csv"
    answered = list(csv.DictReader(io.StringIO(found.path().read_text(encoding="utf-8"))))
    want = open_bundle(sealed_bundle).predict([f'{text}, "so"\nit is' for text in texts])
    assert [row["prediction"] for row in answered] == want
    assert [row["id"] for row in answered] == [str(number) for number in range(150)]
    assert page.locator("#progress-text").inner_text() == "done"


def test_json_lines_that_are_dropped_are_labelled(open_page, two):
    page = open_page(two)
    lines = "".join(json.dumps({"body": text, "n": 1}) + "\n" for text in ("rate", "央行"))
    page.evaluate(
        """(lines) => {
            const held = new DataTransfer();
            held.items.add(new File([lines], "mine.jsonl"));
            document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: held, bubbles: true }));
        }""",
        lines,
    )
    page.wait_for_selector("#file-row", state="visible")
    assert page.locator("#column").input_value() == "body"
    answered = [json.loads(line) for line in labelled(page).path().read_text(encoding="utf-8").splitlines()]
    assert [row["body"] for row in answered] == ["rate", "央行"]
    assert all({"prediction", "confidence", "n"} <= set(row) for row in answered)


def test_a_file_is_stopped_and_what_is_done_is_kept(open_page, start, house_of, make_bundle, tmp_path):
    page = open_page(start(house_of(make_bundle(seconds=0.05))))
    source = tmp_path / "long.txt"
    source.write_text("\n".join(f"rate {number}" for number in range(5000)), encoding="utf-8")
    page.set_input_files("#file", str(source))
    page.locator("#label-file").click()
    page.wait_for_selector("#progress-text:has-text('64 of 5000')")
    page.locator("#stop-file").click()
    page.wait_for_selector("#download", state="visible")
    assert page.locator("#progress-text").inner_text() == "stopped"


@pytest.mark.parametrize(("name", "content", "said"), [("a.csv", "", "no rows"), ("a.jsonl", "{", "a.jsonl")])
def test_a_file_that_cannot_be_read_is_named(open_page, two, tmp_path, name, content, said):
    (tmp_path / name).write_text(content, encoding="utf-8")
    page = open_page(two)
    page.set_input_files("#file", str(tmp_path / name))
    page.wait_for_selector("#fault", state="visible")
    assert said in page.locator("#fault").inner_text()


def test_certificate_and_frontier_are_those_of_the_bundle(open_page, two):
    page = open_page(two)
    page.wait_for_selector("#frontier circle")
    assert page.locator("#sentence").inner_text() == "Certified: tiny loses at most 0.4 points."
    assert page.locator("#sentence code").inner_text() == "tiny"
    assert page.locator("#frontier circle").count() == 3
    assert page.locator("#frontier .ring").count() == 1
    page.select_option("#model", "other")
    page.wait_for_selector("#frontier", state="hidden")
    assert page.locator("#sentence").inner_text() == "This bundle has no verdict."


def test_figures_of_now_are_shown(open_page, two):
    page = open_page(two)
    two.post("/predict", {"inputs": "rate"})
    page.wait_for_selector(".tile:has-text('requests per second') b:not(:text-is('0.0'))")
    assert page.locator(".tile").count() == 5


def test_a_server_with_keys_asks_for_one(open_page, start, house_of, make_bundle, tmp_path):
    secret = make_key(tmp_path / "keys.json", "me", ("predict", "metrics"))
    page = open_page(start(house_of(make_bundle()), Rules(keys=read_keys(tmp_path / "keys.json"))))
    page.wait_for_selector("#key-form", state="visible")
    page.fill("#key", secret)
    page.get_by_role("button", name="Use").click()
    page.wait_for_selector("#model option", state="attached")
    page.fill("#texts", "rate")
    page.get_by_role("button", name="Ask").click()
    page.wait_for_selector(".said")
    assert page.locator("#key-form").is_hidden()
    assert page.locator(".said h3").inner_text().startswith("down")
    assert secret not in page.content()


def test_everything_is_reached_by_the_keyboard_and_fits_a_phone(open_page, two):
    page = open_page(two, viewport={"width": 360, "height": 700}, color_scheme="dark")
    page.wait_for_selector("#frontier circle")
    assert page.evaluate("document.documentElement.scrollWidth <= 360")
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"language", "texts", "model", "second", "method", "Ask", "drop"} <= reached
