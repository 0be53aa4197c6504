"""What a factory takes by name is its schema, as far as a file can hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from complaint_llm.json_schema.from_factory import schema_of_parameters


class Thing:
    """Not a value of a file."""


def keys(factory: Callable[..., Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schema_of_parameters(factory, without=("folder",))["properties"]
    return found


def typed(*, a: str, b: int, c: float = 0.5, d: bool = False, e: str | None = None, folder: Path) -> None:
    """First line.

    Another.
    """


def open_ended(*, a: Any, **others: Any) -> None: ...


def mixed(x, /, *, a: Sequence[str | Mapping[str, Any]] | None = None, b: Thing | str | None = None) -> None:  # type: ignore[no-untyped-def]
    ...


def unusable(
    *, a: Thing, b: Thing | None = None, c: Mapping[str, Thing], d: Literal["x", "y"], e: int | str
) -> None: ...


def test_plain_annotations_become_types() -> None:
    schema = schema_of_parameters(typed, without=("folder",))
    assert schema["properties"] == {
        "a": {"type": "string"},
        "b": {"type": "integer"},
        "c": {"type": "number", "default": 0.5},
        "d": {"type": "boolean", "default": False},
        "e": {"type": "string"},
    }
    assert schema["required"] == ["a", "b"]
    assert schema["description"] == "First line."
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("factory", "names"),
    [
        (typed, {"a", "b", "c", "d", "e"}),
        (open_ended, {"a"}),
        (mixed, {"a", "b"}),
        (unusable, {"d", "e"}),
        (lambda a, b=3: None, {"a", "b"}),
        (lambda: None, set()),
        (Thing, set()),
    ],
)
def test_what_no_file_can_hold_is_left_out(factory: Callable[..., Any], names: set[str]) -> None:
    assert keys(factory).keys() == names


def test_who_takes_every_keyword_takes_further_keys() -> None:
    assert schema_of_parameters(open_ended)["additionalProperties"] is True


def test_what_has_no_signature_is_an_error() -> None:
    with pytest.raises((TypeError, ValueError)):
        schema_of_parameters(3)  # type: ignore[arg-type]
