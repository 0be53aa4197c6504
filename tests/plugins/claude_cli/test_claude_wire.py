"""What Claude Code is told, and how what it writes is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from complaint_llm_plugins.backends.claude_cli import wire
from complaint_llm_plugins.backends.claude_cli.backend import ClaudeCLIBackend
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends import Request
from complaint_llm.backends.command import Failure, ProgramResult
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import InvalidRequestError, ResponseFormatError
from complaint_llm.messages import InferenceOutput, Message, TokenUsage
from complaint_llm.testing import BackendConformance

ANSWER: dict[str, Any] = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "num_turns": 1,
    "result": "The answer.",
    "stop_reason": "end_turn",
    "total_cost_usd": 0.25,
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 30,
        "output_tokens": 5,
    },
    "modelUsage": {"claude-sonnet-4-5": {}},
}


class TestConformance(BackendConformance):
    """What every backend must do, on a program that writes what Claude Code wrote."""

    plugin = "complaint_llm_plugins.backends.claude_cli.plugin"
    type_name = "claude_cli"

    @pytest.fixture(autouse=True)
    def program(self, tmp_path: Path) -> None:
        program = tmp_path / "claude"
        program.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{json.dumps(ANSWER)}'\n")
        program.chmod(0o755)
        self.keys = {"command": str(program)}  # type: ignore[misc]


def _request(*messages: Message, **keys: Any) -> Request:
    return Request(messages or (Message("user", "Hello"),), Deadline(10), CancelToken(), **keys)


def _read(backend: ClaudeCLIBackend, tmp_path: Path, **changes: Any) -> InferenceOutput | Failure | None:
    written = json.dumps({**ANSWER, **changes}).encode()
    return backend.read_answer(ProgramResult(0, written, b""), tmp_path, _request())


def test_the_prompt_includes_what_was_read_from_and_written_to_the_cache() -> None:
    """Anthropic's input_tokens exclude both."""
    output = wire.decode(ANSWER)
    assert isinstance(output, InferenceOutput)
    assert output.token_usage == TokenUsage(60, 5, 65, 30, cache_write_tokens=20)
    assert (output.content, output.finish_reason, output.model) == ("The answer.", "stop", "claude-sonnet-4-5")


def test_a_failure_is_told_by_is_error() -> None:
    """It says "success" of a refused key."""
    read = wire.decode({**ANSWER, "is_error": True, "api_error_status": 401, "result": "no such key"})
    assert isinstance(read, Failure)
    assert (read.status, read.error.message, read.error.code) == (401, "no such key", None)
    read = wire.decode({**ANSWER, "subtype": "error_during_execution"})
    assert isinstance(read, Failure)
    assert read.error.code == "error_during_execution"


def test_an_answer_that_no_model_gave_is_none() -> None:
    """Its own commands end as "success" too."""
    with pytest.raises(ResponseFormatError, match="asked no model"):
        wire.decode({**ANSWER, "num_turns": 0})


def test_a_cut_answer_says_so() -> None:
    """``max_tokens`` is a length."""
    output = wire.decode({**ANSWER, "stop_reason": "max_tokens"})
    assert isinstance(output, InferenceOutput)
    assert output.finish_reason == "length"


def test_its_price_counts_only_where_a_key_pays_anthropic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for a login, another address or prices of the config; and 0 means that it does not know."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    keyed = ClaudeCLIBackend(id="c", api_key="sk-1234567")
    prices = {"input": 1.0, "output": 1.0}
    for backend, told, cost in (
        (keyed, 0.25, 0.25),
        (keyed, 0, None),
        (ClaudeCLIBackend(id="c"), 0.25, None),
        (ClaudeCLIBackend(id="c", api_key="sk-1234567", base_url="http://127.0.0.1:1"), 0.25, None),
        (ClaudeCLIBackend(id="c", api_key="sk-1234567", pricing=prices), 0.25, None),
    ):
        output = _read(backend, tmp_path, total_cost_usd=told)
        assert isinstance(output, InferenceOutput)
        assert output.cost == cost


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from(sorted(ANSWER)), JSON))
def test_any_other_json_is_a_format_error(changes: dict[str, Any]) -> None:
    """Or a failure, or an answer; never another exception."""
    try:
        result = wire.load(json.dumps({**ANSWER, **changes}).encode())
        if result is not None:
            wire.decode(result)
    except ResponseFormatError:
        return


@given(st.binary())
def test_any_other_bytes_are_a_format_error_or_no_answer(written: bytes) -> None:
    """A program may write anything."""
    try:
        assert wire.load(b"{" + written) is None
    except ResponseFormatError:
        return


def test_key_and_system_prompt_are_no_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other users of the machine can see those."""
    backend = ClaudeCLIBackend(id="c", api_key="sk-1234567", base_url="http://127.0.0.1:1", args=["--flag"])
    params = {"reasoning_effort": "low", "max_tokens": 77}
    line = backend.command_line(
        _request(Message("system", "Be kind."), Message("user", "Hello"), model="m", params=params), tmp_path
    )
    assert "sk-1234567" not in str(line)
    assert "Be kind." not in str(line)
    assert Path(line.args[line.args.index("--system-prompt-file") + 1]).read_text() == "Be kind."
    assert line.args[line.args.index("--tools") + 1] == ""
    assert line.args[0] == "--bare"
    assert line.args[-1] == "--flag"
    assert line.args[line.args.index("--effort") + 1] == "low"
    assert line.environment["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "77"
    assert line.environment["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:1"
    assert Path(str(line.environment["CLAUDE_CONFIG_DIR"])).parent == tmp_path
    assert line.stdin == "Hello"


def test_without_a_key_the_login_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the user's own settings folder, but none of what is set there."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    line = ClaudeCLIBackend(id="c").command_line(_request(), tmp_path)
    assert line.args[0] == "--safe-mode"
    assert "CLAUDE_CONFIG_DIR" not in line.environment
    assert line.environment["CLAUDE_CODE_DISABLE_ATTACHMENTS"] == "1"


def test_a_prompt_is_never_a_command(tmp_path: Path) -> None:
    """One that begins as its commands do gets its role put before it; a system message alone is no prompt."""
    backend = ClaudeCLIBackend(id="c", api_key="sk-1234567")
    assert backend.command_line(_request(Message("user", " /help")), tmp_path).stdin == "user:  /help"
    with pytest.raises(InvalidRequestError, match="besides the system"):
        backend.command_line(_request(Message("system", "x")), tmp_path)
