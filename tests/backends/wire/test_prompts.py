"""Conversations with tools for what takes texts alone."""

from __future__ import annotations

import pytest

from complaint_llm.backends.wire.prompts import as_prompt, as_turns
from complaint_llm.messages import ImagePart, Message, TextPart, ToolCall

FIND = ToolCall("c1", "find", {"n": 1}, '{"n": 1}')
DATE = ToolCall("c2", "date", None, "{broken")


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        ([Message("user", "q")], ["user: q"]),
        ([Message("system", "s"), Message("user", "q"), Message("assistant", "a")],
         ["system: s", "user: q", "assistant: a"]),
        ([Message("assistant", "", (FIND,))], ['assistant: Calls find with {"n": 1}']),
        ([Message("assistant", "I look.", (FIND, DATE))],
         ['assistant: I look.\nCalls find with {"n": 1}\nCalls date with {broken']),
        ([Message("assistant", "", (FIND,)), Message("tool", "42", tool_call_id="c1")],
         ['assistant: Calls find with {"n": 1}', "user: Result of find: 42"]),
        ([Message("assistant", "", (FIND, DATE)), Message("tool", "7", tool_call_id="c2"),
          Message("tool", "42", tool_call_id="c1")],
         ['assistant: Calls find with {"n": 1}\nCalls date with {broken',
          "user: Result of date: 7\nResult of find: 42"]),
        ([Message("tool", "42", tool_call_id="c9")], ["user: Result: 42"]),
        ([Message("tool", "42", tool_call_id="c9", name="find")], ["user: Result of find: 42"]),
        ([Message("tool", "1", tool_call_id="a"), Message("user", "q"), Message("tool", "2", tool_call_id="b")],
         ["user: Result: 1", "user: q", "user: Result: 2"]),
        ([Message("assistant", "", (FIND._replace(arguments={"n": 2}),))], ['assistant: Calls find with {"n": 2}']),
        ([Message("user", (TextPart("a"), ImagePart(url="https://example.org"), TextPart("b")))], ["user: ab"]),
        ([Message("assistant", "")], ["assistant: "]),
    ],
)  # fmt: skip
def test_calls_and_results_are_told_in_words(messages: list[Message], turns: list[str]) -> None:
    """A model that knows no tools goes on with a conversation that had some."""
    assert [f"{turn['role']}: {turn['content']}" for turn in as_turns(messages)] == turns
    one = len(messages) == 1 and messages[0].role == "user"
    assert as_prompt(messages) == (messages[0].text if one else "\n\n".join(turns))
