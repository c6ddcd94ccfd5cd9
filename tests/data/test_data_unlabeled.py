import pytest

from smelt.data.build import prepare
from smelt.data.unlabeled import read_unlabeled
from smelt.errors import DataFault
from smelt.recipe.data import FilesData, Splits
from smelt.run.disk import Disk


@pytest.fixture
def dataset(tmp_path):
    rows = "".join(f"text {number},{'xy'[number % 2]}\n" for number in range(40))
    (tmp_path / "rows.csv").write_text("text,label\n" + rows, encoding="utf-8")
    section = FilesData(path=str(tmp_path / "rows.csv"), splits=Splits(dev=0.2, confirm=0.3))
    return prepare(section, tmp_path / "data", tmp_path / "work", Disk())


def test_texts_of_any_split_and_repeats_are_left_out(dataset, tmp_path):
    known = [dataset.train.texts()[0], dataset.dev.texts()[1], dataset.confirm.texts()[2]]
    lines = ["new one", *known, "new two", "new one", "", "   "]
    (tmp_path / "more.csv").write_text("id,body\n" + "".join(f"{place},{line}\n" for place, line in enumerate(lines)), encoding="utf-8")
    found = read_unlabeled(tmp_path / "more.csv", "body", dataset)
    assert found.texts == ["new one", "new two"]
    assert found.left_out == 6


def test_a_missing_column_is_told(dataset, tmp_path):
    (tmp_path / "more.csv").write_text("body\nx\n", encoding="utf-8")
    with pytest.raises(DataFault, match=r"no column 'text'.*\n  Name the column in compress\.transfer\.text"):
        read_unlabeled(tmp_path / "more.csv", "text", dataset)


def test_a_text_of_confirm_with_spaces_around_it_is_still_left_out(dataset, tmp_path):
    (tmp_path / "more.csv").write_text(f'body\n"  {dataset.confirm.texts()[0]} "\n', encoding="utf-8")
    assert read_unlabeled(tmp_path / "more.csv", "body", dataset).texts == []
