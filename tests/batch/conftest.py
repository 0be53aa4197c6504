"""What the tests of batches share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.batch.chat_server import ChatServer


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    """A server that says what it was asked with."""
    server = ChatServer()
    yield server
    server.close()
