"""The real Codex program, asked through its backend."""

from __future__ import annotations

import pytest

from tests import agent_cli


@pytest.mark.peer("codex")
def test_the_real_program_answers_without_tools_and_leaves_nothing() -> None:
    """Text, stream, shape, a refused key and the deadline, in a namespace without a network."""
    found = agent_cli.session("codex")
    agent_cli.check(found)
    assert found["text"]["finish_reason"] == "stop"
    # It has no switch for this one, which reaches nothing: there is nobody to ask.
    assert agent_cli.tools_of(found["text sent"][0]) == ["request_user_input"]
