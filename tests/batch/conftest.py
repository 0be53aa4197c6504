"""What the tests of batches share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.main import cli
from tests.batch.chat_server import ChatServer, write_config


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    """A server that says what it was asked with."""
    server = ChatServer()
    yield server
    server.close()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """``complaint-llm batch`` in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def invoke(*args: str) -> Result:
        result = CliRunner().invoke(cli, ["batch", *args])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return invoke


@pytest.fixture
def here(tmp_path: Path, chat: ChatServer) -> ChatServer:
    """The server as a target that is on this machine."""
    write_config(tmp_path, chat.backend(location="local"))
    return chat


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """A folder of two letters, a text and what is not read."""
    from tests.batch.document_batches import pdf

    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.pdf").write_bytes(pdf("The rent is 900 dollars.", "It is due on the first."))
    (folder / "sub/b.pdf").write_bytes(pdf("The boiler broke in May."))
    (folder / "c.txt").write_text("The lock was changed.")
    (folder / "d.zip").touch()
    return folder
