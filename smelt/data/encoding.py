"""Text files in UTF-8, UTF-16 with a byte-order mark, or GB18030: found out over the whole file, never repaired in silence."""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from smelt.errors import DataFault
from smelt.language import say

Wanted = Literal["auto", "utf-8", "gb18030"]
MAX_LINE = 1 << 24
"""Characters of the longest line. A longer one is no text file, and would not fit in memory."""
_CHUNK = 1 << 20
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def find_encoding(path: Path, wanted: Wanted = "auto") -> str:
    """Return Python's name of the encoding in which every byte of the file is valid.

    `auto` takes a byte-order mark, else UTF-8 where it is valid, else GB18030. Text that is UTF-8 but for a few bytes is refused,
    although those bytes may make sense as GB18030: the rest would not.

    Raises:
        DataFault: there is none; the message names the first bad line.
    """
    if wanted == "gb18030":
        _require(path, "gb18030")
        return "gb18030"
    marked = next((name for mark, name in _MARKS.items() if _head(path).startswith(mark)), None)
    if marked or wanted == "utf-8" or _bad_byte(path, "utf-8") is None or not _looks_gb18030(path):
        encoding = marked or "utf-8"
        _require(path, encoding)
        return encoding
    return "gb18030"


class Lines(Iterator[str]):
    """The lines of an open text file with their ends, never longer than `MAX_LINE`."""

    def __init__(self, stream: IO[str], path: Path) -> None:
        """Start at the stream's position, which must be its beginning."""
        self._stream = stream
        self._path = path
        self.number = 0
        """Of the line given out last, from 1."""
        self.latest = ""

    def __next__(self) -> str:
        """Return the next line."""
        try:
            line = self._stream.readline(MAX_LINE + 1)
        except UnicodeDecodeError as error:
            raise DataFault(say("{path}: changed while it was read", path=self._path)) from error
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > MAX_LINE:
            raise DataFault(
                say("{path}:{line}: a line longer than {n:,} characters", path=self._path, line=self.number, n=MAX_LINE),
                step=say("Is this a text file? Give csv, tsv, jsonl or parquet."),
            )
        self.latest = line
        return line


def open_text(path: Path, encoding: str) -> IO[str]:
    """Open for reading with line ends kept as they are."""
    return path.open(encoding=encoding, newline="")


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(4)


def _decoded(path: Path, encoding: str, errors: str = "strict") -> Iterator[tuple[bytes, str]]:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    with path.open("rb") as stream:
        while raw := stream.read(_CHUNK):
            yield raw, decoder.decode(raw)
    yield b"", decoder.decode(b"", final=True)


def _bad_byte(path: Path, encoding: str) -> int | None:
    """Return in which line the first invalid bytes are, or None."""
    line = 1
    try:
        for _, text in _decoded(path, encoding):
            line += text.count("\n")
    except UnicodeDecodeError as error:
        return line + error.object[: error.start].count(b"\n")
    return None


def _require(path: Path, encoding: str) -> None:
    line = _bad_byte(path, encoding)
    if line is not None:
        name = encoding.removesuffix("-sig").upper()
        raise DataFault(
            say("{path}:{line}: bytes that are not {encoding}", path=path, line=line, encoding=name),
            step=say("Save the file as UTF-8, or set data.encoding to what it is."),
        )


def _looks_gb18030(path: Path) -> bool:
    """Tell GB18030 from damaged UTF-8 (valid sequences outnumber broken ones) and from Latin-1 (one high byte per character)."""
    whole, broken = 0, 0
    for _, text in _decoded(path, "utf-8", errors="replace"):
        broken += text.count("\ufffd")
        whole += _beyond_ascii(text)
    if whole - broken > broken:
        return False
    high, characters = 0, 0
    try:
        for raw, text in _decoded(path, "gb18030"):
            high += len(raw) - len(raw.translate(None, bytes(range(128, 256))))
            characters += _beyond_ascii(text)
    except UnicodeDecodeError:
        return False
    return high > 1.3 * characters


def _beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))
