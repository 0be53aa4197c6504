"""Named tuples of ours are those of ``typing``, made without looking at their annotations."""

from __future__ import annotations

import inspect
import pickle
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from complaint_llm.messages import InferenceOutput
from complaint_llm.model_info import ModelInfo, TokenUsage
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.transport.origin import Origin


class Ours(NamedTuple):
    """A value."""

    name: str
    rest: Mapping[str, Sequence[int]] | None = None
    count: int = 3

    @property
    def shown(self) -> str:
        return f"{self.name} {self.count}"

    @classmethod
    def of(cls, name: str) -> Ours:
        return cls(name)

    def __str__(self) -> str:
        return "as it says itself"


class Theirs(typing.NamedTuple):
    """A value."""

    name: str
    rest: Mapping[str, Sequence[int]] | None = None
    count: int = 3

    @property
    def shown(self) -> str:
        return f"{self.name} {self.count}"

    @classmethod
    def of(cls, name: str) -> Theirs:
        return cls(name)

    def __str__(self) -> str:
        return "as it says itself"


ASKED: Sequence[Any] = (
    lambda kind: tuple(kind("a")),
    lambda kind: tuple(kind("a", count=4)),
    lambda kind: kind("a") == ("a", None, 3),
    lambda kind: hash(kind("a")),
    lambda kind: kind("a")._replace(count=5)[2],
    lambda kind: tuple(kind("a")._replace(count=5, name="b", rest={"c": [1]})),
    lambda kind: (tuple(kind("a")._replace()), type(kind("a")._replace()) is kind),
    lambda kind: type(type("Below", (kind,), {})("a")._replace(name="b")).__name__,
    lambda kind: kind("a")._asdict(),
    lambda kind: tuple(kind._make(["a", None, 1])),
    lambda kind: (kind._fields, kind.__match_args__, kind.__slots__, kind.__bases__),
    lambda kind: (kind.__module__, kind.__doc__, list(kind.__annotations__)),
    lambda kind: (kind.of("b").shown, str(kind("b"))),
    lambda kind: typing.get_type_hints(kind),
    lambda kind: [
        (each.name, each.default, bool(each.annotation)) for each in inspect.signature(kind).parameters.values()
    ],
    lambda kind: repr(kind("a")).partition("(")[2],
    lambda kind: type(kind),
    lambda kind: kind.name.__doc__,
    lambda kind: tuple(pickle.loads(pickle.dumps(kind("c", {"a": [1]})))),
)


@pytest.mark.parametrize("asked", ASKED)
def test_a_named_tuple_is_what_typing_makes(asked: Any) -> None:
    assert asked(Ours) == asked(Theirs)


@pytest.mark.parametrize("wrong", [(), ("a", None, 3, 4), ("a", 1, 2, 3, 4)])
def test_wrong_arguments_are_told_as_by_any_named_tuple(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        Ours(*wrong)


@pytest.mark.parametrize("made", [Ours("a"), Theirs("a"), InferenceOutput("a"), TokenUsage()])
@pytest.mark.parametrize("name", ["more", "", "_fields", "index", "Name"])
def test_a_field_that_is_not_there_cannot_be_replaced(made: Any, name: str) -> None:
    with pytest.raises(ValueError, match=repr(name)):
        made._replace(**{name: 1})


def test_a_field_without_a_default_after_one_with_a_default_is_refused() -> None:
    body = {"__module__": "m", "__annotations__": {"a": "int", "b": "int"}, "a": 1}
    with pytest.raises(TypeError, match="without a default"):
        type(NamedTuple)("Wrong", (NamedTuple,), body)


@pytest.mark.parametrize("name", ["__new__", "__slots__", "_fields"])
def test_what_makes_a_tuple_is_not_overwritten_in_its_class(name: str) -> None:
    body = {"__module__": "m", "__annotations__": {"a": "int"}, name: ()}
    with pytest.raises(TypeError, match="a class below it"):
        type(NamedTuple)("Wrong", (NamedTuple,), body)


def test_further_bases_are_refused() -> None:
    with pytest.raises(TypeError, match="no other bases"):
        type(NamedTuple)("Wrong", (NamedTuple, dict), {"__module__": "m", "__annotations__": {"a": "int"}})


def test_public_values_have_hints_that_can_be_read() -> None:
    for kind in (TokenUsage, ModelInfo, Origin):
        assert list(typing.get_type_hints(kind)) == list(kind._fields)
