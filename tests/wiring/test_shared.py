"""Two Mediators with one Redis keep one limit."""

from __future__ import annotations

import json
from pathlib import Path

from complaint_llm import Mediator
from complaint_llm.exceptions import RateLimitError
from complaint_llm.testing import FaultyServer, Reply
from tests.routing.redis_peer import RedisPeer


def test_a_limit_of_the_config_is_shared_through_redis(tmp_path: Path, redis_server: RedisPeer) -> None:
    """MEDIATOR.shared: what one process used the other does not have; the address is a secret."""
    with FaultyServer(Reply("hello")) as server:
        entry = {
            "id": "gpt",
            "type": "openai",
            "api_key": "sk-test",
            "base_url": f"{server.url}/v1",
            "model": "m",
            "rate_limit": 3,
            "retry_on_rate_limit": False,
        }
        path = tmp_path / "config.json"
        mediator = {"shared": {"redis": redis_server.url.reveal()}}
        path.write_text(json.dumps({"BACKENDS": [entry], "MEDIATOR": mediator}), encoding="utf-8")
        with Mediator.from_config(path) as one, Mediator.from_config(path) as other:
            assert redis_server.url.reveal() not in repr(dict(one.config.mediator))  # type: ignore[union-attr]
            answered = 0
            for asked in (one, other, one, other, one, other):
                try:
                    asked.generate("x")
                    answered += 1
                except RateLimitError:
                    pass
        assert answered == 3
        assert len(server.requests) == 3
