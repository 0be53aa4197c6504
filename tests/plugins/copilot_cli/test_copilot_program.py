"""The real Copilot program, asked through its backend."""

from __future__ import annotations

import pytest

from tests import agent_cli


@pytest.mark.peer("copilot")
def test_the_real_program_answers_without_tools_and_leaves_nothing() -> None:
    """Text, stream, shape, a refused key and the deadline, in a namespace without a network."""
    found = agent_cli.session("copilot_cli")
    agent_cli.check(found)
    assert found["text sent"][0]["reasoning_effort"] == "low"
    assert agent_cli.tools_of(found["text sent"][0]) == []
