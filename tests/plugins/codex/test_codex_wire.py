"""What Codex is told, and how what it writes is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from complaint_llm_plugins.backends.codex import wire
from complaint_llm_plugins.backends.codex.backend import CodexBackend
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends import Request
from complaint_llm.backends.command import Failure
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import (
    AuthenticationError,
    ContextLengthError,
    QuotaExceededError,
    ResponseFormatError,
)
from complaint_llm.messages import Message, TokenUsage
from complaint_llm.testing import BackendConformance


class TestConformance(BackendConformance):
    """What every backend must do, on a program that writes what Codex wrote."""

    plugin = "complaint_llm_plugins.backends.codex.plugin"
    type_name = "codex"

    @pytest.fixture(autouse=True)
    def program(self, tmp_path: Path) -> None:
        program = tmp_path / "codex"
        said = _lines({"type": "item.completed", "item": {"type": "agent_message", "text": "The answer."}}, DONE)
        program.write_text(f"#!/bin/sh\ncat >/dev/null\ncat <<'E'\n{said.decode()}E\n")
        program.chmod(0o755)
        self.keys = {"command": str(program)}  # type: ignore[misc]


DONE = {
    "type": "turn.completed",
    "usage": {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 5, "reasoning_output_tokens": 2},
}


def _lines(*events: Any) -> bytes:
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def _request(**keys: Any) -> Request:
    return Request((Message("user", "Hello"),), Deadline(10), CancelToken(), **keys)


def test_the_last_message_of_a_turn_is_the_answer() -> None:
    """Warnings, reconnections and announcements before it are not."""
    written = b"WARNING: something\n" + _lines(
        {"type": "thread.started", "thread_id": "1"},
        {"type": "error", "message": "Reconnecting... 1/5"},
        {"type": "item.completed", "item": {"type": "error", "message": "Model metadata not found."}},
        {"type": "item.completed", "item": {"type": "reasoning", "text": "Hm."}},
        {"type": "item.completed", "item": {"type": "agent_message", "text": "I shall look."}},
        {"type": "item.completed", "item": {"type": "agent_message", "text": "The answer."}},
        DONE,
    )
    output = wire.decode(written)
    assert output is not None
    assert not isinstance(output, Failure)
    assert (output.content, output.reasoning) == ("The answer.", "Hm.")
    assert output.token_usage == TokenUsage(10, 5, 15, 4, 2)


@pytest.mark.parametrize(
    ("message", "status", "kind"),
    [
        ("unexpected status 401 Unauthorized: bad key", 401, None),
        ("exceeded retry limit, last status: 429 Too Many Requests", 429, None),
        ("Codex ran out of room in the model's context window. Start anew.", None, ContextLengthError),
        ("You've hit your usage limit. Try again later.", None, QuotaExceededError),
        ("something unheard of, status 500", None, None),
    ],
)
def test_a_failed_turn_is_an_error_of_its_class(message: str, status: int | None, kind: type | None) -> None:
    """By the status where Codex puts it, or by its own sentence."""
    read = wire.decode(_lines({"type": "turn.failed", "error": {"message": message}}))
    assert isinstance(read, Failure)
    assert (read.status, read.error.kind) == (status, kind)


def test_a_turn_without_its_end_is_no_answer() -> None:
    """What came before the program died is not handed out as whole."""
    assert wire.decode(_lines({"type": "item.completed", "item": {"type": "agent_message", "text": "Half"}})) is None


@given(
    st.lists(st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
)
def test_any_other_json_is_a_format_error_or_no_answer(values: list[Any]) -> None:
    """Never another exception."""
    events = [{"type": kind, "item": value, "error": value, "usage": value} for value in values for kind in KINDS]
    for event in events:
        try:
            wire.decode(_lines(event))
        except ResponseFormatError:
            continue


KINDS = ("item.completed", "turn.failed", "turn.completed", "other")


def test_a_key_goes_into_the_environment_with_a_home_of_its_own(tmp_path: Path) -> None:
    """Never into the arguments, which other users of the machine can see."""
    backend = CodexBackend(id="c", api_key="sk-1234567", args=["--flag"])
    line = backend.command_line(_request(model="m", params={"reasoning_effort": "low"}), tmp_path)
    assert line.args[-2:] == ("--flag", "-")
    assert 'model_reasoning_effort="low"' in line.args
    assert "features.shell_tool=false" in line.args
    assert "sk-1234567" not in str(line)
    assert Path(str(line.environment["CODEX_HOME"])).parent == tmp_path
    assert line.stdin == "Hello"


def test_without_a_key_the_login_counts_and_costs_nothing_by_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's home is left as it is; another address wants a key."""
    monkeypatch.delenv("CODEX_API_KEY", raising=False)
    backend = CodexBackend(id="c")
    assert backend.command_line(_request(), tmp_path).environment == {}
    assert backend.price_provider() is None
    assert CodexBackend(id="c", api_key="sk-1234567").price_provider() == "openai"
    with pytest.raises(AuthenticationError, match="base_url needs"):
        CodexBackend(id="c", base_url="http://127.0.0.1:1/v1").command_line(_request(), tmp_path)
