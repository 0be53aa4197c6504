"""What makes two items the same: everything that a model is told, and nothing else."""

from __future__ import annotations

import pytest

from complaint_llm.batch import BatchItem
from complaint_llm.batch.input.items import item_digest
from complaint_llm.messages import Message, ToolCall

CALL = ToolCall("c1", "find", {"n": 1}, '{"n": 1}')


def digest(call: ToolCall) -> str:
    history = [Message("user", "q"), Message("assistant", "", (call,)), Message("tool", "42", tool_call_id=call.id)]
    return item_digest(BatchItem(history))


@pytest.mark.parametrize(
    "other",
    [
        CALL._replace(arguments={"n": 2}),
        CALL._replace(arguments={}),
        CALL._replace(arguments={"n": 1, "m": 1}),
        CALL._replace(arguments={"n": [1]}),
        ToolCall("c1", "find", {"n": 2}),
        ToolCall("c1", "find", None, "{broken"),
        CALL._replace(name="date"),
        CALL._replace(id="c2"),
    ],
)
def test_a_call_that_says_something_else_is_another_item(other: ToolCall) -> None:
    """Also where its text is still the one that came: a resumed run must not give the old answer."""
    assert digest(other) != digest(CALL)


def test_a_call_without_its_text_is_the_same() -> None:
    """Its arguments are what a model is told."""
    assert digest(ToolCall("c1", "find", {"n": 1})) == digest(CALL)
