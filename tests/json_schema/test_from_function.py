"""A typed function becomes the tool that its annotations and docstring describe."""

from __future__ import annotations

import dataclasses
import enum
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.json_schema.from_function import tool_from_function
from complaint_llm.request import as_tools


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Party:
    name: str
    age: int | None = None


class Address(TypedDict):
    street: str
    flat: NotRequired[int]


def properties(function: Any) -> Any:
    return tool_from_function(function).parameters["properties"]


def test_a_plain_function_gives_name_description_types_and_required() -> None:
    def weather(city: str, days: int = 3, exact: bool = False) -> str:
        """The weather of a city.

        Looks it up.

        Args:
            city: Where, such as
                "Paris, France".
            days (int): How many days.

        Returns:
            city: never described from here.
        """
        return city

    tool = tool_from_function(weather)
    assert tool.name == "weather"
    assert tool.description == "The weather of a city.\n\nLooks it up."
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": 'Where, such as "Paris, France".'},
            "days": {"type": "integer", "description": "How many days.", "default": 3},
            "exact": {"type": "boolean", "default": False},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_numpy_and_sphinx_docstrings_describe_parameters_too() -> None:
    def numpy(a: int, b: str) -> None:
        """Adds.

        Parameters
        ----------
        a : int
            The first
            number.
        b
            The second.

        Returns
        -------
        None
        """

    def sphinx(a: int, b: str) -> None:
        """Adds.

        :param a: The first
            number.
        :param str b: The second.
        :returns: nothing
        """

    for function in (numpy, sphinx):
        tool = tool_from_function(function)
        assert tool.description == "Adds."
        assert tool.parameters["properties"] == {
            "a": {"type": "integer", "description": "The first number."},
            "b": {"type": "string", "description": "The second."},
        }


def test_every_kind_of_annotation_has_its_schema() -> None:
    def function(
        a: list[str],
        b: dict[str, float],
        c: Literal["x", 2],
        d: Colour,
        e: str | None,
        f: Party | str,
        g: Annotated[int, "how many"],
        h: tuple[int, str],
        i: set[int],
        j: Address,
        k: Any,
        n: tuple[int, ...],
        m: list,  # type: ignore[type-arg]
    ) -> None: ...

    party = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}},
        "required": ["name"],
        "additionalProperties": False,
    }
    assert properties(function) == {
        "a": {"type": "array", "items": {"type": "string"}},
        "b": {"type": "object", "additionalProperties": {"type": "number"}},
        "c": {"enum": ["x", 2]},
        "d": {"enum": ["red", "blue"]},
        "e": {"type": ["string", "null"]},
        "f": {"anyOf": [party, {"type": "string"}]},
        "g": {"type": "integer", "description": "how many"},
        "h": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
        "i": {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
        "j": {
            "type": "object",
            "properties": {"street": {"type": "string"}, "flat": {"type": "integer"}},
            "required": ["street"],
            "additionalProperties": False,
        },
        "k": {},
        "n": {"type": "array", "items": {"type": "integer"}},
        "m": {"type": "array"},
    }


def test_a_pydantic_model_brings_its_own_schema() -> None:
    pydantic = pytest.importorskip("pydantic")
    claim = pydantic.create_model("Claim", title=(str, ...))

    def function(claim: Any) -> None: ...

    function.__annotations__["claim"] = claim
    assert properties(function)["claim"] == claim.model_json_schema()


def test_methods_and_callable_objects_are_functions_without_self() -> None:
    class Search:
        def find(self, query: str) -> str:
            return query

        def __call__(self, query: str) -> str:
            return query

    assert list(properties(Search().find)) == ["query"]
    assert tool_from_function(Search()).name == "Search"
    assert list(properties(Search())) == ["query"]


def test_a_default_that_is_no_json_is_left_out_and_not_required() -> None:
    def function(a: Any = float("nan"), b: Any = object()) -> None: ...  # noqa: B008

    schema = tool_from_function(function).parameters
    assert schema["properties"] == {"a": {}, "b": {}}
    assert schema["required"] == []


def untyped(a) -> None: ...  # type: ignore[no-untyped-def]
def variadic(*args: int) -> None: ...
def unresolved(a: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def impossible(a: list[Exception]) -> None: ...
def integer_keys(a: dict[int, str]) -> None: ...


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (untyped, "parameter 'a': has no type annotation"),
        (variadic, "parameter 'args': only parameters"),
        (unresolved, "annotations cannot be resolved"),
        (impossible, "no JSON Schema for the class Exception"),
        (integer_keys, "keys of a JSON object are str"),
    ],
)
def test_what_no_schema_can_describe_is_refused_by_name_before_anything_is_sent(function: Any, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as caught:
        as_tools([function])
    assert caught.value.sent is False
    assert function.__name__ in str(caught.value)
