"""Text and Markdown are read as they are, whatever encoding they are in."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.documents.page_choice import Pages
from complaint_llm.documents.pages import Limits, ReadDocument
from complaint_llm.documents.readers import markdown, text
from complaint_llm.documents.readers.unreadable import UnreadableError
from tests.sampled import sampled

LINE = "Café “rent” — 5 €\n"


def read(data: bytes, pages: str | None = None) -> ReadDocument:
    return text.read(io.BytesIO(data), Limits(), None if pages is None else Pages.parse(pages))


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "windows-1252"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_encoding_and_the_line_ends_do_not_matter(encoding: str, end: str) -> None:
    """Editors of every system write the same letter."""
    source = ("plain words before it\n" * 3 + LINE).replace("\n", end)
    for reader in (text, markdown):
        found = reader.read(io.BytesIO(source.encode(encoding)), Limits(), None)
        assert (found.pages[0].text, found.notes) == ("plain words before it\n" * 3 + LINE, ())


def test_form_feeds_part_pages() -> None:
    """Only a text that has some has pages."""
    found = read(b"one\ftwo\n\f\fthree\f")
    assert [(page.number, page.text, page.source) for page in found.pages] == [
        (1, "one", "extracted"),
        (2, "two\n", "extracted"),
        (3, "", "none"),
        (4, "three", "extracted"),
    ]
    assert (found.has_pages, found.page_count) == (True, 4)
    assert [page.text for page in read(b"one\ftwo\fthree", "2-").pages] == ["two", "three"]
    assert not read(b"one").has_pages
    with pytest.raises(UnreadableError, match="page 9"):
        read(b"one\ftwo", "9")
    with pytest.raises(UnreadableError, match="no pages of its own"):
        read(b"one", "1")
    with pytest.raises(UnreadableError, match="no pages of its own"):
        markdown.read(io.BytesIO(b"one\ftwo"), Limits(), Pages.parse("1"))


def test_markdown_keeps_its_marks() -> None:
    """They are what the author wrote; form feeds are none of its pages."""
    source = "# Title\n\n* one <b>x</b>\n\n| a | b |\n\f"
    found = markdown.read(io.BytesIO(source.encode()), Limits(), None)
    assert [page.text for page in found.pages] == [source]
    assert not found.has_pages


@pytest.mark.parametrize(
    "data",
    [b"caf\xc3\xa9 \xff", b"\xe2\x82\xac \xe2\x82", b"\xc3\xa9\xed\xa0\x80", b"\xc3\xa9\xc0\x80", b"\xef\xbb\xbfa\x80",
     b"\xc3\xa9\xf5", b"\xff\xfea\x00b", b"\xfe\xff\x00a\xd8\x00", b"\x81 only", b"\x9d\x8f"],
)  # fmt: skip
def test_damaged_places_are_told(data: bytes) -> None:
    """They are shown as replaced, and the notes count them."""
    found = read(data)
    assert "\ufffd" in found.pages[0].text
    assert "shown as \ufffd" in found.notes[0]


def test_limits_hold() -> None:
    """Characters and pages; past them the text is refused."""
    for reader in (text, markdown):
        with pytest.raises(UnreadableError, match="more than 10 characters"):
            reader.read(io.BytesIO(b"x" * 11), Limits(text_characters=10), None)
    with pytest.raises(UnreadableError, match="3 pages, and at most 2"):
        text.read(io.BytesIO(b"a\fb\fc"), Limits(pages=2), None)


def test_an_empty_text_is_an_empty_page() -> None:
    """It has nothing to read and is no fault."""
    for reader in (text, markdown):
        assert [page.source for page in reader.read(io.BytesIO(b" \n"), Limits(), None).pages] == ["none"]


@sampled(80, of=5_000)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\0\ufeff")))
def test_text_comes_back(source: str) -> None:
    """Joined by form feeds its pages are the text."""
    found = read(source.encode())
    joined = "\f".join(page.text for page in found.pages)
    assert joined == source or joined + "\f" == source[: len(joined) + 1]
    assert markdown.read(io.BytesIO(source.encode()), Limits(), None).pages[0].text == source


@sampled(80, of=5_000)
@given(st.binary())
def test_any_bytes_are_a_text(data: bytes) -> None:
    """Whether they are one is for the kind of the file to say; the reader does not fail."""
    assert read(data).page_count >= 1
