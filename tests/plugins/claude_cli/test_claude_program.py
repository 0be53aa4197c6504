"""The real Claude Code program, asked through its backend."""

from __future__ import annotations

import pytest

from tests import agent_cli


@pytest.mark.peer("claude")
def test_the_real_program_answers_without_tools_and_leaves_nothing() -> None:
    """Text, stream, shape, a refused key and the deadline, in a namespace without a network."""
    found = agent_cli.session("claude_cli")
    agent_cli.check(found)
    assert found["text"]["finish_reason"] == "stop"
    assert found["text"]["model"] == "claude-sonnet-4-5"
    assert agent_cli.tools_of(found["text sent"][0]) == []
