"""What the tests of a key that must show nowhere share."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.end_to_end.canary import CANARY, Seen


@pytest.fixture
def seen(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Seen:
    caplog.set_level(logging.DEBUG)
    return Seen(tmp_path, caplog, capfd)


@pytest.fixture(params=["environment", ".env"])
def origin(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the key comes from: variables of the process, or a file beside the config."""
    names = ("CANARY_KEY", "CANARY_TOKEN", "OPENAI_API_KEY")
    for name in names:
        monkeypatch.delenv(name, raising=False)
        if request.param == "environment":
            monkeypatch.setenv(name, CANARY)
    if request.param == ".env":
        (tmp_path / ".env").write_text("".join(f"{name}={CANARY}\n" for name in names))
    monkeypatch.chdir(tmp_path)
    return str(request.param)
