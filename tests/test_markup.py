from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from smelt.markup import Html, join, prose, tag


class Reader(HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


PRINTED = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")))


@given(PRINTED)
def test_any_text_comes_back_as_text(text: str) -> None:
    read = Reader(tag("p", text))
    assert (read.tags, read.text) == (["p"], text)


@given(PRINTED)
def test_any_text_comes_back_as_an_attribute(text: str) -> None:
    assert Reader(tag("p", "x", title=text)).attributes == [("title", text)]


def test_control_characters_and_surrogates_are_replaced() -> None:
    assert tag("p", "a\x00b\x1bc\ud800d\ne") == "<p>a\ufffdb\ufffdc\ufffdd\ne</p>"


def test_attribute_names_follow_python_names() -> None:
    assert tag("a", class_="x", stroke_width=1.5, left=None, viewBox="0 0") == '<a class="x" stroke-width="1.5" viewBox="0 0"></a>'


def test_coordinates_have_at_most_two_decimals() -> None:
    assert tag("c", x=1 / 3, y=2.0, r=-0.5) == '<c x="0.33" y="2" r="-0.5"></c>'


def test_void_elements_are_not_closed() -> None:
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_join_keeps_markup_escapes_text_and_leaves_out_none() -> None:
    assert join([Html("<b>"), "<", None, 7]) == "<b>&lt;7"


def test_backticks_become_code_and_their_content_is_escaped() -> None:
    assert prose("a `<b>` c") == "a <code>&lt;b&gt;</code> c"
