"""What Copilot is told, and how what it writes is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from complaint_llm_plugins.backends.copilot_cli import wire
from complaint_llm_plugins.backends.copilot_cli.backend import CopilotCLIBackend
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends import Request
from complaint_llm.backends.command import Failure
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import AuthenticationError, QuotaExceededError, ResponseFormatError
from complaint_llm.messages import InferenceOutput, Message, TokenUsage
from complaint_llm.testing import BackendConformance

MESSAGE = {"type": "assistant.message", "data": {"model": "gpt-5-mini", "content": "The answer."}}
END = {"type": "result", "exitCode": 0}
USAGE = {
    "modelMetrics": {
        "a": {"usage": {"inputTokens": 10, "outputTokens": 2, "cacheReadTokens": 4}},
        "b": {"usage": {"inputTokens": 1, "outputTokens": 1, "cacheReadTokens": 0}},
    }
}


def _lines(*events: Any) -> bytes:
    return "".join(json.dumps(event) + "\n" for event in events).encode()


class TestConformance(BackendConformance):
    """What every backend must do, on a program that writes what Copilot wrote."""

    plugin = "complaint_llm_plugins.backends.copilot_cli.plugin"
    type_name = "copilot_cli"

    @pytest.fixture(autouse=True)
    def program(self, tmp_path: Path) -> None:
        program = tmp_path / "copilot"
        program.write_text(f"#!/bin/sh\ncat >/dev/null\ncat <<'E'\n{_lines(MESSAGE, END).decode()}E\n")
        program.chmod(0o755)
        self.keys = {"command": str(program), "api_key": "sk-1234567"}  # type: ignore[misc]


def _request(**keys: Any) -> Request:
    return Request((Message("user", "Hello"),), Deadline(10), CancelToken(), **keys)


def test_the_last_message_is_the_answer_and_all_models_count() -> None:
    """Usage is in a file of its own: the lines have none for every model family."""
    announced = {"type": "assistant.message", "data": {"content": "I shall look."}}
    output = wire.decode(_lines({"type": "user.message"}, announced, MESSAGE, END), json.dumps(USAGE).encode())
    assert isinstance(output, InferenceOutput)
    assert (output.content, output.model, output.finish_reason) == ("The answer.", "gpt-5-mini", None)
    assert output.token_usage == TokenUsage(11, 3, 14, 4)


def test_an_error_has_its_status_or_its_name() -> None:
    """As Copilot tells them."""
    for data, status, kind in (
        ({"errorType": "rate_limit", "statusCode": 429, "message": "slow down"}, 429, None),
        ({"errorType": "authentication", "message": "log in"}, None, AuthenticationError),
        ({"errorType": "quota", "message": "no more"}, None, QuotaExceededError),
        ({"errorType": "query", "message": "no connection"}, None, None),
    ):
        read = wire.decode(_lines({"type": "session.error", "data": data}, {"type": "result", "exitCode": 1}), b"")
        assert isinstance(read, Failure)
        assert (read.status, read.error.kind) == (status, kind)


def test_plain_text_or_a_missing_end_is_no_answer() -> None:
    """Without authentication it writes a text; a program that died wrote no result."""
    assert wire.decode(b"Error: No authentication information found.\n", b"") is None
    assert wire.decode(_lines(MESSAGE), b"") is None
    assert wire.decode(_lines(MESSAGE, {"type": "result", "exitCode": 1}), b"") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from(["assistant.message", "session.error", "result"]), JSON, JSON)
def test_any_other_json_is_a_format_error_or_no_answer(kind: str, value: Any, usage: Any) -> None:
    """Never another exception."""
    try:
        wire.decode(_lines({"type": kind, "data": value, "exitCode": value}, END), json.dumps(usage).encode())
    except ResponseFormatError:
        return


def test_it_has_a_home_of_its_own_and_no_tools(tmp_path: Path) -> None:
    """It would keep every conversation in the user's; the token is no argument."""
    backend = CopilotCLIBackend(id="c", api_key="sk-1234567", args=["--flag"])
    line = backend.command_line(_request(model="m", params={"reasoning_effort": "low"}), tmp_path)
    assert "sk-1234567" not in str(line)
    assert Path(str(line.environment["COPILOT_HOME"])).parent == tmp_path
    assert str(line.environment["COPILOT_GITHUB_TOKEN"]) == "***"
    assert line.args[line.args.index("--available-tools") + 1] == "none"
    assert line.args[line.args.index("--reasoning-effort") + 1] == "low"
    assert line.args[-1] == "--flag"
    assert line.stdin == "Hello"


def test_another_address_gets_the_key_and_github_nothing(tmp_path: Path) -> None:
    """Offline means: nothing but that address is asked."""
    backend = CopilotCLIBackend(id="c", api_key="sk-1234567", base_url="http://127.0.0.1:1/v1")
    found = backend.command_line(_request(model="m"), tmp_path).environment
    assert "COPILOT_GITHUB_TOKEN" not in found
    assert (found["COPILOT_OFFLINE"], found["COPILOT_MODEL"]) == ("true", "m")
    assert found["COPILOT_PROVIDER_BASE_URL"] == "http://127.0.0.1:1/v1"
