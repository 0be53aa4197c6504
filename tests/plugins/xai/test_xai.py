"""xAI: Responses by default, its parameters by family, its error bodies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.backends import XAIBackend
from complaint_llm.backends.wire.status_table import make_error
from complaint_llm.exceptions import InvalidRequestError
from tests.wire_messages import ask

if TYPE_CHECKING:
    from tests.peers import AIMock


def sent(model: str, **keys: Any) -> dict[str, Any]:
    params = keys.pop("params", {})
    wire = XAIBackend(api_key="xai-secret", unsupported_parameters="drop", **keys).encode(
        ask(model=model, params=params)
    )
    return {"path": wire.path, **(wire.body or {})}


def test_it_speaks_responses_and_asks_not_to_store() -> None:
    """xAI stores for thirty days by default, and calls its chat completions deprecated."""
    body = sent("grok-4.3", params={"max_tokens": 9, "reasoning_effort": "low", "stop": "x", "presence_penalty": 1})
    assert body["path"] == "/responses"
    assert body["store"] is False
    assert body["max_output_tokens"] == 9
    assert body["reasoning"] == {"effort": "low"}
    assert body["include"] == ["reasoning.encrypted_content"]
    assert not {"stop", "presence_penalty"} & body.keys()


@pytest.mark.parametrize("model", ["grok-4.20-multi-agent", "grok-build-1", "grok-4-fast-non-reasoning"])
def test_models_without_effort_are_not_sent_one(model: str) -> None:
    """They refuse it."""
    assert "reasoning" not in sent(model, params={"reasoning_effort": "low"})


def test_chat_completions_can_be_chosen() -> None:
    """For who still needs them."""
    body = sent("grok-4.3", api="chat", params={"max_tokens": 9})
    assert (body["path"], body["max_completion_tokens"]) == ("/chat/completions", 9)


def test_an_error_that_is_a_text_keeps_its_code() -> None:
    """xAI's body is {"code": ..., "error": "<text>"}."""
    body = json.loads('{"code": "invalid-argument", "error": "Model grok-9 does not exist."}')
    found = XAIBackend(api_key="xai-secret").decode_error(400, body)
    assert (found.message, found.code) == ("Model grok-9 does not exist.", "invalid-argument")
    assert type(make_error(400, found, {}, redact=str)) is InvalidRequestError


def test_it_has_no_embeddings() -> None:
    """A request for some is refused before it is sent."""
    with XAIBackend(api_key="xai-secret", embedding_model="e") as grok, pytest.raises(InvalidRequestError):
        grok.embed("a")


def test_it_answers(aimock: AIMock) -> None:
    """Whole and streamed, against a server that others wrote."""
    aimock.says("Yes.")
    with XAIBackend(base_url=f"{aimock.url}/v1", api_key="xai-secret", model="grok-4.3") as grok:
        assert grok.generate("Hm?") == "Yes."
        assert "".join(grok.stream_generate("Hm?")) == "Yes."
    assert [entry["path"] for entry in aimock.journal()] == ["/v1/responses"] * 2
