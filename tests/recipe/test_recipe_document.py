"""YAML in, plain values and places out; everything dangerous refused with a place."""

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from smelt.errors import RecipeFaults
from smelt.recipe.document import DEEPEST, LARGEST_BYTES, Nothing, read_document
from smelt.recipe.write import written


def _tree(text):
    return read_document(text.encode(), "r.yaml").tree


def _fault(content):
    with pytest.raises(RecipeFaults) as caught:
        read_document(content if isinstance(content, bytes) else content.encode(), "r.yaml")
    (fault,) = caught.value.faults
    return fault


def _outcome(content):
    """Return the tree and no faults, or None and the faults."""
    try:
        return read_document(content, "r.yaml").tree, []
    except RecipeFaults as error:
        return None, error.faults


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1.5", 1.5), (".5", 0.5), ("-3", -3), ("0x1F", 31), ("0o17", 15), ("007", 7), ("1E+2", 100.0),
        ("-.inf", -math.inf), ("true", True), ("False", False),
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("2024-01-02", "2024-01-02"), ("12:30", "12:30"), ("1_000", "1_000"), ("tRUE", "tRUE"),
        ("'3'", "3"), ('"true"', "true"), ("", Nothing.NOTHING), ("~", Nothing.NOTHING), ("null", Nothing.NOTHING), ('""', ""),
        ("[1, a, [2]]", [1, "a", [2]]), ("{b: 1, c: {d: x}}", {"b": 1, "c": {"d": "x"}}), ("|\n  x\n  y\n", "x\ny\n"),
    ],
)  # fmt: skip
def test_values_follow_the_core_schema_of_yaml_1_2(text, value):
    assert _tree(f"a: {text}") == {"a": value}


def test_a_number_too_long_for_an_integer_is_a_float():
    assert _tree("a: " + "9" * 300) == {"a": float("9" * 300)}


def test_keys_are_texts():
    assert _tree("1: a\nno: b\n~: c") == {"1": "a", "no": "b", "~": "c"}


def test_places_of_keys_and_values_count_from_one():
    document = read_document(b"a: 1\nb:\n  - c:  x\n  - {d: 2}\n", "r.yaml")
    places = {trail: (place.line, place.column) for trail, place in document.keys.items()}
    assert places == {("a",): (1, 1), ("b",): (2, 1), ("b", 0, "c"): (3, 5), ("b", 1, "d"): (4, 6)}
    assert (document.values["b", 0, "c"].line, document.values["b", 0, "c"].column) == (3, 9)
    assert (document.values["b", 1].line, document.values["b", 1].column) == (4, 5)


def test_an_empty_value_stands_where_its_key_stands():
    document = read_document(b"a: 1\nb:\n  # nothing\n\nc: 2\n", "r.yaml")
    assert document.values["b",].line == 2


def test_a_byte_order_mark_moves_no_column():
    document = read_document(b"\xef\xbb\xbfa: 1", "r.yaml")
    assert (document.tree, document.keys["a",].column) == ({"a": 1}, 1)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_an_empty_mapping(text):
    assert _tree(text) == {}


@pytest.mark.parametrize(
    ("content", "line", "column", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "stands here twice; first on line 1"),
        ("a:\n  b: 1\n  b: 1\n", 3, 3, "stands here twice; first on line 2"),
        ("a:\n\tb: 1\n", 2, 1, "a tab"),
        ("a: &x 1\n", 1, 4, "anchors"),
        ("a: *x\n", 1, 4, "anchors"),
        ("a: 1\nb: !!python/object:os.system ls\n", 2, 4, "tags"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ("- a\n- b\n", 1, 1, "want keys with values"),
        ("just text", 1, 1, "want keys with values"),
        ("a: b: c\n", 1, 5, "':' where none can stand"),
        ("a:\n  b: 1\n c: 2\n", 3, 2, "indentation"),
        ("a: 1\nb: 'x\nc: 3\n", 2, 4, "a quote that is not closed"),
        ("a: 1\nb: [1, 2\nc: 3\n", 2, 4, "a bracket that is not closed"),
        ("a: {b: 1\n", 1, 4, "a bracket that is not closed"),
        ("a: @x\n", 1, 4, "has to be quoted"),
        ("a: - b\n", 1, 4, "'-' where no list can begin"),
        ('a: "\\q"\n', 1, 6, "unknown escape"),
        ("a: 1\nb: x\x01y\n", 2, 5, "a character that YAML does not allow"),
        ("? [1]\n: 2\n", 1, 3, "a key has to be a word"),
        (b"a: 1\nb: \xd6\xd0\xce\xc4\n", 2, 4, "not UTF-8"),
        (b"\xef\xbb\xbfa: \xff\n", 1, 4, "not UTF-8"),
        ("\ufeffa: 1\n".encode("utf-16"), 1, 1, "not UTF-8"),
    ],
)
def test_what_is_refused_has_a_place_and_a_sentence(content, line, column, words):
    fault = _fault(content)
    assert (fault.line, fault.column) == (line, column)
    assert words in fault.message


def test_nesting_ends_at_the_limit():
    _tree("a: " + "[" * DEEPEST + "]" * DEEPEST)
    assert "nested deeper" in _fault("a: " + "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1)).message
    assert "nested deeper" in _fault("a: " + "[" * 50_000).message


def test_an_alias_bomb_is_refused_without_growing():
    lines = ["a0: &a0 [x, x, x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9))]
    with pytest.raises(RecipeFaults, match="anchors"):
        _tree("\n".join(lines))


def test_a_file_too_large_is_refused_before_it_is_read():
    assert "bytes" in _fault(b"#" * (LARGEST_BYTES + 1)).message


def test_every_duplicate_key_is_reported():
    with pytest.raises(RecipeFaults) as caught:
        _tree("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n")
    assert [(fault.line, fault.path) for fault in caught.value.faults] == [(2, "a"), (3, "b.c"), (4, "a")]


@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_give_a_mapping_or_faults_with_places(content):
    tree, faults = _outcome(content)
    assert isinstance(tree, dict) or faults
    assert all(fault.line >= 1 and fault.column >= 1 for fault in faults)


_PIECES = [
    "a",
    "b: ",
    "- ",
    "\n",
    "  ",
    "\t",
    "{",
    "}",
    "[",
    "]",
    "&x",
    "*x",
    "!",
    "!!str ",
    "%YAML 1.2\n",
    "---",
    "...",
    "'",
    '"',
    "\\U",
    "|",
    "? ",
    "#",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=14).map("".join))
def test_any_yaml_like_text_gives_a_mapping_or_faults_within_it(text):
    tree, faults = _outcome(text.encode())
    assert isinstance(tree, dict) or faults
    assert all(1 <= fault.line <= text.count("\n") + 1 for fault in faults)


# ruamel.yaml's writer leaves NEL and the line separators bare, where they read back as line ends; and in its flow style, `{?0: 1}`, a
# key that begins with a question mark, which reads back without it.
_LETTERS = st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029")
_SCALARS = (
    st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False) | st.text(_LETTERS, max_size=12)
)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(_LETTERS, max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(_TREES)
def test_what_another_writer_wrote_reads_back_equal(value):
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False  # before the representer, which takes it over when it is made
    writer.representer.ignore_aliases = lambda *_: True
    stream = io.BytesIO()
    writer.dump({"a": value, "b": 1}, stream)
    assert read_document(stream.getvalue(), "r.yaml").tree == {"a": value, "b": 1}


@given(_SCALARS | st.text(max_size=12) | st.lists(_SCALARS, max_size=3))
def test_a_written_value_reads_back_as_itself(value):
    tree = _tree(f"a: {written(value)}  # comment\nb: 1\n")
    assert tree == {"a": value, "b": 1}
    assert type(tree["a"]) is type(value)
