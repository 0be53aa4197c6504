"""Which pages of a document are asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.documents.page_choice import Pages
from tests.sampled import sampled


@pytest.mark.parametrize(
    ("text", "count", "numbers"),
    [
        ("1", 5, [1]),
        ("1-3,7", 9, [1, 2, 3, 7]),
        (" 2 - 4 , 3", 4, [2, 3, 4]),
        ("4-", 6, [4, 5, 6]),
        ("6-", 6, [6]),
        ("5,1", 5, [1, 5]),
        ("1-1", 1, [1]),
        ("0002", 3, [2]),
        ("1-2,2-3,3-", 4, [1, 2, 3, 4]),
        ("7,7,7", 7, [7]),
        ("1-2000", 2000, list(range(1, 2001))),
    ],
)
def test_pages_are_named_as_people_write_them(text: str, count: int, numbers: list[int]) -> None:
    """Ranges, single pages, an open end; each page once, ascending."""
    assert list(Pages.parse(text).numbers(count)) == numbers


@pytest.mark.parametrize(
    "text",
    ["", "a", "1,", ",1", "-3", "1--3", "1-2-3", "0", "0-3", "3-1", "1.5", "١", "9" * 12, "1;2", "1" + ",1" * 1000],
)
def test_what_is_no_choice_of_pages_is_said_in_words(text: str) -> None:
    """One line, which tells how pages are written or what is wrong."""
    with pytest.raises(ValueError, match="page") as caught:
        Pages.parse(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "count", "words"),
    [
        ("7", 5, "has 5 pages, and page 7"),
        ("1-2", 1, "has 1 page, and page 2"),
        ("3-", 2, "page 3"),
        ("1-999999999", 3, "page 999999999"),
    ],
)
def test_a_page_that_is_not_there_is_told(text: str, count: int, words: str) -> None:
    """How many there are, and which was asked for; a huge range takes no time."""
    with pytest.raises(ValueError, match=words):
        Pages.parse(text).numbers(count)


@given(st.lists(st.tuples(st.integers(1, 500), st.none() | st.integers(0, 50)), min_size=1, max_size=20))
@sampled(50, of=1000)
def test_what_is_written_is_what_was_parsed(ranges: list[tuple[int, int | None]]) -> None:
    """A choice says itself so that it can be parsed again."""
    pages = Pages(tuple((first, None if more is None else first + more) for first, more in ranges))
    assert Pages.parse(str(pages)) == pages
    expected = {n for first, last in pages.ranges for n in range(first, (last or 600) + 1)}
    assert list(pages.numbers(600)) == sorted(expected)
