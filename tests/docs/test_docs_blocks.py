"""Code blocks in the documents run, commands in them parse, recipes in them load, links in them lead somewhere."""

import itertools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from sklearn.metrics import classification_report
from torch.utils.data import Dataset

from smelt.cli.main import _parser
from smelt.recipe.load import load
from tests.pipeline.test_pipeline_whole_run import RECIPE, write_project

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")])
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
_OURS = ("docs/conventions.md", "docs/design.md")
"""Pages whose blocks are illustrations of style and structure."""


@dataclass(frozen=True)
class Block:
    page: str
    kind: str
    text: str


BLOCKS = [Block(str(page.relative_to(ROOT)), *found) for page in PAGES for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def named(kind):
    chosen = [block for block in BLOCKS if block.kind == kind and block.page not in _OURS]
    return pytest.mark.parametrize("block", chosen, ids=[f"{block.page}-{number}" for number, block in enumerate(chosen)])


def commands(block):
    """The commands of a shell block, without their output, comments and line ends that go on."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.kind == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize("kind", ["bash", "console"])
def test_every_command_of_ours_parses_and_every_target_is_in_the_makefile(kind):
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    seen = 0
    for block in BLOCKS:
        for words in commands(block) if block.kind == kind else []:
            words = list(itertools.dropwhile(lambda word: re.match(r"[A-Z]+=", word), words))
            if words[0] == "smelt":
                _parser().parse_args(words[1:])
                seen += 1
            elif words[0] == "make":
                assert set(words[1:]) <= targets, (block.page, words)
                seen += 1
    assert seen > 1


@named("yaml")
def test_every_recipe_in_the_documents_loads(block, tmp_path):
    (tmp_path / "recipe.yaml").write_text(block.text, encoding="utf-8")
    assert load(tmp_path / "recipe.yaml").name


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_python_of_the_readme_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mytask").mkdir()
    write_project(tmp_path / "mytask", RECIPE.replace("name: tiny", "name: mytask"))
    for name in ("a", "b"):
        rows = "".join(f'{{"id": "{number}", "label": "x", "prediction": "x"}}\n' for number in range(400))
        (tmp_path / f"{name}.jsonl").write_text(rows, encoding="utf-8")
    (block,) = [block for block in BLOCKS if block.page == page and block.kind == "python"]
    found = {}
    exec(compile(block.text, page, "exec"), found)
    assert found["result"].bundle == Path("runs/mytask/export/bundle")
    assert found["verdict"].certified
    (tour,) = [block for block in BLOCKS if block.page == page.replace("README", "docs/tour") and block.kind == "python"]
    exec(compile(tour.text, tour.page, "exec"), found)
    assert found["answers"] == found["bundle"].predict(["I was charged twice", "iron and zinc"])


class _Texts(Dataset):
    def __len__(self):
        return 7

    def __getitem__(self, number):
        return {"input_ids": torch.tensor([number, 1]), "attention_mask": torch.ones(2), "labels": torch.tensor(number % 3)}


class _Model(torch.nn.Module):
    def forward(self, input_ids, attention_mask):
        return type("Output", (), {"logits": torch.nn.functional.one_hot(input_ids[:, 0] * 2 % 3, 3).float()})


@pytest.mark.parametrize("page", ["docs/article.md", "docs/article.zh-CN.md"])
def test_the_corrected_evaluation_of_the_article_runs(page):
    (block,) = [block for block in BLOCKS if block.page == page and block.kind == "python"]
    found = {}
    exec(compile(block.text, page, "exec"), found)
    want = classification_report([number % 3 for number in range(7)], [number * 2 % 3 for number in range(7)], digits=4)
    assert found["evaluate"](_Model(), _Texts(), 3, torch.device("cpu")) == want


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_there(page):
    links = [link for link, _ in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_block_says_what_it_is():
    bare = [page.name for page in PAGES if len(re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE)) % 2]
    assert bare == []
    kinds = {block.kind for block in BLOCKS}
    assert kinds <= {"bash", "console", "python", "yaml", "text", "json"}
