"""The code of docs/conversations.md runs: a tool conversation, saved, that goes on at another provider."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from complaint_llm.testing import FaultyServer, Reply
from tests.official_types import check_anthropic, check_chat

if TYPE_CHECKING:
    import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conversations.md"


def code() -> str:
    (found,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    return str(found)


def test_the_conversation_of_the_page_goes_on_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With parallel calls and signed thinking at the first provider, which the second one does not get."""
    thinking = {"type": "thinking", "thinking": "Two documents.", "signature": "signed-by-claude"}
    calls = [
        {"type": "tool_use", "id": f"toolu_{name}", "name": "find_date", "input": {"document": name}}
        for name in ("notice", "lease")
    ]
    answer = {
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    said = {**answer, "content": [thinking, {"type": "text", "text": ""}, *calls], "stop_reason": "tool_use"}
    monkeypatch.chdir(tmp_path)
    with FaultyServer() as claude, FaultyServer(Reply("Given on 1 December; it ends on 1 March.")) as gpt:
        claude.script(Reply.raw(json.dumps(said).encode()), Reply("On 1 December; on 1 March."))
        common = {"api_key": "sk-none", "max_retries": 0}
        backends = [
            {"id": "claude", "type": "anthropic", "model": "claude-sonnet-5-5", "base_url": claude.url, **common},
            {"id": "gpt", "type": "openai", "model": "gpt-5.6-terra", "base_url": f"{gpt.url}/v1", **common},
        ]
        Path("config.json").write_text(json.dumps({"BACKENDS": backends}), encoding="utf-8")
        exec(compile(code(), str(PAGE), "exec"), {})
        first, second = claude.requests
        (third,) = gpt.requests
    assert capsys.readouterr().out == "Given on 1 December; it ends on 1 March.\n"
    check_anthropic(first.body)
    check_anthropic(second.body)
    check_chat(third.body)
    assert second.body["messages"][1]["content"] == [thinking, *calls]
    results = second.body["messages"][2]["content"]
    assert [(each["tool_use_id"], each["content"]) for each in results] == [
        ("toolu_notice", "1 December"),
        ("toolu_lease", "1 March"),
    ]
    assert [turn["role"] for turn in third.body["messages"]] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
        "user",
    ]
    assert [call["id"] for call in third.body["messages"][1]["tool_calls"]] == ["toolu_notice", "toolu_lease"]
    assert "signed-by-claude" in json.dumps(second.body)
    assert "signed-by-claude" not in json.dumps(third.body)
