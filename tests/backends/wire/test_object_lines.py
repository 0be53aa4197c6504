"""Objects that a program writes line by line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends.wire import object_lines
from complaint_llm.exceptions import ResponseFormatError

OBJECTS = st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9), max_size=3), max_size=5)
OTHERS = st.sampled_from(["", "warning: old", "[1]", '"text"', "  {", "\t{}", "null"])


@given(OBJECTS, st.lists(OTHERS, max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_objects_come_in_their_order_and_other_lines_are_passed_over(
    objects: list[dict[str, Any]], others: list[str], end: str
) -> None:
    """Whatever stands between them."""
    lines: list[str] = []
    for place, each in enumerate(objects):
        lines += (*others[place : place + 1], json.dumps(each))
    assert list(object_lines(end.join([*lines, *others]).encode(), "it")) == objects


@pytest.mark.parametrize("broken", ["{", '{"a":}', '{"a": 1} x', "{'a': 1}", '{"a": NaN', "{" * 100_000])
def test_a_line_that_begins_as_an_object_and_is_none_is_an_error_of_the_program(broken: str) -> None:
    """The error names who wrote it and shows nothing of it."""
    found = object_lines(f'{{"first": 1}}\n{broken}\n'.encode(), "the program")
    assert next(found) == {"first": 1}
    with pytest.raises(ResponseFormatError, match=r"^the program wrote a line that is no valid JSON$") as error:
        next(found)
    assert error.value.maybe_received
