"""Which encoding a file has, decided over all of it."""

import codecs
import random

import pytest

from smelt.data.encoding import MAX_LINE, Lines, find_encoding, open_text
from smelt.errors import DataFault

CHINESE = "央行下调了基准利率，市场反应平静。\n"


def written(path, raw):
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (b"plain\n", "utf-8"),
        (CHINESE.encode(), "utf-8"),
        (codecs.BOM_UTF8 + b"plain\n", "utf-8-sig"),
        (CHINESE.encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + CHINESE.encode("utf-16-be"), "utf-16"),
        (CHINESE.encode("gb18030"), "gb18030"),
        ("𠀀𠀁㐂\n".encode("gb18030"), "gb18030"),
    ],
)
def test_the_encoding_is_found(tmp_path, raw, encoding):
    assert find_encoding(written(tmp_path / "a.csv", raw)) == encoding


def test_the_whole_file_decides_and_not_its_beginning(tmp_path):
    raw = b"ascii\n" * 400_000 + CHINESE.encode("gb18030")
    assert find_encoding(written(tmp_path / "a.csv", raw)) == "gb18030"


def test_utf8_with_one_broken_byte_is_not_taken_for_gb18030(tmp_path):
    raw = "你好世界\n".encode() * 3 + b"\xb0\xa1\n"
    assert raw.decode("gb18030").startswith("浣犲ソ")
    with pytest.raises(DataFault, match=r"a\.csv:4: bytes that are not UTF-8"):
        find_encoding(written(tmp_path / "a.csv", raw))


@pytest.mark.parametrize("text", ["très bien\n", "ein schöner Tag in Köln\n", "café\n"])
def test_latin_1_is_refused(tmp_path, text):
    with pytest.raises(DataFault, match="not UTF-8"):
        find_encoding(written(tmp_path / "a.csv", text.encode("latin-1")))


def test_an_encoding_that_was_named_is_checked(tmp_path):
    path = written(tmp_path / "a.csv", b"one\ntwo\n" + CHINESE.encode("gb18030"))
    assert find_encoding(path, "gb18030") == "gb18030"
    with pytest.raises(DataFault, match=r"a\.csv:3: bytes that are not UTF-8"):
        find_encoding(path, "utf-8")


def test_a_broken_byte_after_a_mark_is_refused(tmp_path):
    with pytest.raises(DataFault, match=r"a\.csv:2: bytes that are not UTF-8"):
        find_encoding(written(tmp_path / "a.csv", codecs.BOM_UTF8 + b"one\n\xff\n"))


@pytest.mark.parametrize("length", [7, 51, 400])
def test_any_common_characters_in_gb18030_are_read(tmp_path, length):
    generator = random.Random(length)
    # The 3,755 characters of GB 2312's first level.
    raw = b"".join(bytes([generator.randrange(0xB0, 0xD7), generator.randrange(0xA1, 0xFF)]) for _ in range(length))
    path = written(tmp_path / "a.csv", raw)
    with open_text(path, find_encoding(path)) as stream:
        assert stream.read() == raw.decode("gb18030")


def test_a_line_beyond_all_measure_is_a_fault_and_not_a_full_memory(tmp_path):
    path = written(tmp_path / "a.csv", b"first\n" + b"x" * (MAX_LINE + 2))
    with open_text(path, "utf-8") as stream, pytest.raises(DataFault, match=r"a\.csv:2: a line longer"):
        list(Lines(stream, path))
