"""The gateway that docs/plugins.md shows works as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from complaint_llm import Mediator
from tests.transport.faulty import REQUEST, FaultyServer, ok

if TYPE_CHECKING:
    import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "plugins.md"


def test_the_gateway_asks_its_service_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registered in code, named in a config, its key read from its variable."""
    monkeypatch.setenv("OUR_GATEWAY_KEY", "gw-secret")
    examples = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (example,) = [text for text in examples if "class Gateway" in text]
    exec(compile(example, str(DOCUMENT), "exec"), {"__name__": "office"})
    file = tmp_path / "config.json"
    with FaultyServer([REQUEST, ok(b'{"answer": "Yes."}')]) as server:
        file.write_text(json.dumps({"BACKENDS": [{"id": "g", "type": "gateway", "base_url": f"{server.url}/v2"}]}))
        with Mediator.from_config(file) as mediator:
            assert mediator.generate("Is it?", max_tokens=5) == "Yes."
    (request,) = server.requests
    assert request.startswith(b"POST /v2/ask HTTP/1.1")
    assert b"Authorization: Bearer gw-secret" in request
    assert request.endswith(b'{"question":"Is it?","max_tokens":5}')
