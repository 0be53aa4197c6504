"""JSON from outside is read within bounds, and refused before it is parsed where it holds too much."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from complaint_llm.bounded_json import (
    MAX_CONTAINERS,
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_MEMBERS,
    ExcessiveJSONError,
    is_deeper,
    loads,
)
from tests.sampled import sampled

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
TOO_MUCH: dict[str, Callable[[], str]] = {
    "empty arrays": lambda: f"[{'[],' * (MAX_CONTAINERS + 1)}0]",
    "empty objects": lambda: f"[{'{},' * (MAX_CONTAINERS + 1)}0]",
    "24 MiB of arrays": lambda: f"[{'[],' * (8 << 20)}0]",
    "arrays in pairs": lambda: f"[{'[[],{}],' * (MAX_CONTAINERS // 2)}0]",
    "objects of objects": lambda: "[" + '{"a":{}},' * (MAX_CONTAINERS // 2 + 1) + "0]",
    "different keys": lambda: "{" + ",".join(f'"{number}":0' for number in range(MAX_MEMBERS + 1)) + "}",
    "the same key": lambda: "{" + '"a":0,' * (MAX_MEMBERS + 1) + '"a":0}',
    "numbers": lambda: f"[{'0,' * (MAX_ITEMS + 1)}0]",
    "texts": lambda: "[" + '"",' * (MAX_ITEMS + 1) + "0]",
    "nulls, with blanks": lambda: f"[{'null , ' * (MAX_ITEMS + 1)}0]",
    "brackets without an end": lambda: "[" * (24 << 20),
    "objects without an end": lambda: '{"a":' * (1 << 20),
    "one array too deep": lambda: "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
    "one object too deep": lambda: '{"a":' * (MAX_DEPTH + 1) + "0" + "}" * (MAX_DEPTH + 1),
    "both in turns": lambda: '[{"a":' * (MAX_DEPTH // 2 + 1) + "0" + "}]" * (MAX_DEPTH // 2 + 1),
    "deep at its end": lambda: "[0," * (MAX_DEPTH + 1) + "0" + "]" * (MAX_DEPTH + 1),
    "deeper than the stack": lambda: "[" * 100_000 + "]" * 100_000,
}


@pytest.mark.rows(20)
@pytest.mark.parametrize("name", TOO_MUCH)
@pytest.mark.parametrize("kind", ["text", "bytes"])
def test_what_holds_too_much_is_refused(name: str, kind: str) -> None:
    """Whatever it is made of, cut off or whole."""
    text = TOO_MUCH[name]()
    with pytest.raises(ExcessiveJSONError):
        loads(text if kind == "text" else text.encode())


@given(VALUES)
@sampled(80, of=1000, suppress_health_check=[HealthCheck.too_slow])
def test_what_holds_little_is_read_as_json_reads_it(value: Any) -> None:
    """Texts and bytes alike."""
    text = json.dumps(value)
    assert loads(text) == json.loads(text)
    assert loads(text.encode()) == json.loads(text)


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nul", '{"a" 1}', '"', "[1] 2", "'a'", "{1: 2}", "\ud800", "[" * 60])
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    """Nothing else is raised, so callers need one except."""
    with pytest.raises(ValueError):
        loads(text)


def test_a_long_text_with_brackets_in_it_is_read() -> None:
    """An answer that quotes code, or a long one with many commas, is no attack."""
    text = json.dumps({"content": "f(a[0], {b: 1}), and so on. " * 40_000})
    assert loads(text) == json.loads(text)


def test_the_deepest_that_is_allowed_is_read() -> None:
    """The bound is exact, in width with many neighbours too."""
    text = "[0," * (MAX_DEPTH - 1) + "[]" + "]" * (MAX_DEPTH - 1)
    assert loads(text) == json.loads(text)
    assert loads(f"[{'[0],' * 1000}0]")[999] == [0]


def test_who_knows_how_many_values_come_may_take_more() -> None:
    """Vectors: 2,048 of them are millions of numbers."""
    text = f"[{'0,' * MAX_ITEMS}0,0]"
    with pytest.raises(ExcessiveJSONError):
        loads(text)
    assert len(loads(text, max_items=MAX_ITEMS * 2)) == MAX_ITEMS + 2


@given(st.integers(0, 300), st.integers(1, 300))
@settings(deadline=None)
def test_depth_is_counted_in_containers(depth: int, limit: int) -> None:
    """For any depth and limit; what is no container has none."""
    value: Any = 0
    for number in range(depth):
        value = [value, 1] if number % 2 else {"a": value, "b": 1}
    assert is_deeper(value, limit) == (depth > limit)
