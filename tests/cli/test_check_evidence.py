"""``check`` says where evidence may be shown, and that ``evidence=`` changed its meaning, where that matters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from complaint_llm.cli.main import cli

FAR = {
    "id": "far",
    "type": "openai",
    "model": "m",
    "base_url": "https://api.example.org/v1",
    "api_key": "$NO_SUCH_KEY_X",
}
NEAR = {"id": "near", "type": "mock", "echo": True}
CHAIN = {"id": "chain", "type": "fallback", "primary": "near", "fallbacks": ["far"]}
CHANGED = "evidence= shows the content"
ON, HERE, ANY = {"provenance": "digests"}, {"show": "local"}, {"show": "any"}


@pytest.mark.parametrize(
    ("backends", "mediator", "evidence", "words", "absent"),
    [
        ([NEAR, FAR], {}, None, [], [CHANGED, "evidence"]),
        ([NEAR, FAR], ON, None, [CHANGED, "not to far (api.example.org)", "cite="], ["any backend"]),
        ([NEAR, FAR], ON, {"path": "e"}, [CHANGED, "not to far (api.example.org)"], []),
        ([NEAR, FAR], ON, HERE, ["not to far (api.example.org)"], [CHANGED]),
        ([NEAR, FAR], ON, ANY, ["may leave this machine", "far (api.example.org)"], [CHANGED]),
        ([NEAR, FAR], {}, {"path": "e"}, ["not to far (api.example.org)"], [CHANGED]),
        ([NEAR, FAR], {}, ANY, ["may leave this machine", "far (api.example.org)"], [CHANGED]),
        ([NEAR], ON, HERE, ["on this machine only"], [CHANGED, "not to"]),
        ([NEAR], ON, ANY, [], [CHANGED, "may leave"]),
        ([NEAR, FAR, CHAIN], ON, HERE, ["not to far (api.example.org); cite="], [CHANGED]),
        ([NEAR, FAR], {**ON, "privacy": "local"}, ANY, [], [CHANGED, "may leave"]),
    ],
)
def test_check_says_where_evidence_may_go(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backends: list[Any],
    mediator: dict[str, Any],
    evidence: dict[str, Any] | None,
    words: list[str],
    absent: list[str],
) -> None:
    """On standard error, so that --json stays what it is."""
    monkeypatch.setenv("NO_SUCH_KEY_X", "sk-none")
    config = {"BACKENDS": backends, "MEDIATOR": mediator, **({} if evidence is None else {"EVIDENCE": evidence})}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    done = CliRunner().invoke(cli, ["-c", str(tmp_path / "config.json"), "check", "--json"])
    assert done.exit_code == 0, done.output
    json.loads(done.stdout)
    for word in words:
        assert word in done.stderr
    for word in absent:
        assert word not in done.stderr
