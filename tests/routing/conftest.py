"""Makes the modules beside these tests (time, backends, requests, Redis) importable; a Redis server as a fixture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis_peer import RedisPeer

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisPeer]:
    """A running Redis of the test's own."""
    from redis_peer import RedisPeer, require

    require()
    peer = RedisPeer(tmp_path)
    peer.start()
    yield peer
    peer.kill()
