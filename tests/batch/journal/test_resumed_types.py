"""A resumed result is of the same types as a fresh one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend
from complaint_llm.batch import BatchItem
from complaint_llm.messages import InferenceOutput, ToolCall

pydantic = pytest.importorskip("pydantic")


class Claim(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    title: str
    amount: float | None = None


class Claims(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    claims: list[Claim]


class Plain:
    """A class with pydantic's two methods, and no more."""

    def __init__(self, claims: list[Any]) -> None:
        self.claims = claims

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and other.claims == self.claims

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        return {"type": "object", "properties": {"claims": {"type": "array"}}, "required": ["claims"]}

    @classmethod
    def model_validate(cls, value: Any) -> Plain:
        return cls(value["claims"])


class Scripted(Backend):
    type = "scripted"
    capabilities = frozenset(("structured",))
    asked = 0

    def answer(self, request: Any) -> InferenceOutput:
        type(self).asked += 1
        text = request.messages[-1].content
        return InferenceOutput(
            text if text.startswith("{") else '{"claims": [{"title": "wages", "amount": 1.5}]}',
            tool_calls=(ToolCall("1", "f", {"a": (1, 2)}, '{"a": [1, 2]}'),) if "tool" in text else (),
            finish_reason="stop",
            metadata={"raw": (1, b"\xff", {"n": None}), "list": [1]},
        )


FORMATS: list[Any] = [
    Claims,
    Plain,
    {"type": "object", "properties": {"claims": {"type": "array"}}},
    {"type": "json_object"},
    {"type": "json_schema", "json_schema": {"name": "c", "schema": Claims.model_json_schema()}},
    None,
]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("own", [False, True])
def test_a_resumed_result_equals_the_fresh_one(tmp_path: Path, form: Any, own: bool) -> None:
    """For a format of the whole batch and for one of an item."""
    items = ['{"claims": []}', "some", "tool"]
    common = {} if own or form is None else {"response_format": form}
    given = [BatchItem(item, None, {"response_format": form} if own and form is not None else {}) for item in items]
    runs = []
    for _ in range(3):
        before = Scripted.asked
        with Mediator([Scripted(id="s")]) as mediator:
            runs.append([r.output for r in mediator.batch(given, journal=tmp_path / "j", ordered=True, **common)])
        assert Scripted.asked - before == (3 if len(runs) == 1 else 0)
    assert None not in runs[0]
    assert [type(each.parsed) for each in runs[0]] == [type(each.parsed) for each in runs[1]]
    assert runs[0] == runs[1] == runs[2]


def test_an_answer_that_no_longer_fits_its_class_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    """Its schema is the same, its validator is another: neither a dict nor a second bill comes of it."""

    class Strict(Plain):
        @classmethod
        def model_validate(cls, value: Any) -> Plain:
            raise ValueError("not this one")

    with Mediator([Scripted(id="s")]) as mediator:
        list(mediator.batch(["x"], journal=tmp_path / "j", response_format=Plain))
        asked = Scripted.asked
        (result,) = mediator.batch(["x"], journal=tmp_path / "j", response_format=Strict)
    assert "does not fit the class" in str(result.error)
    assert Scripted.asked == asked
