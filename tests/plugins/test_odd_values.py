"""What is odd beside an answer costs nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugins.plain_backends import GPT, RESPONSES, body
from tests.wire_answers import WIRES
from tests.wire_messages import ask, chat, chunk, done, read, sse

ODD: list[Any] = [None, True, 7, -1, 1.5, 2**60, 1e308, "text", "", [], [1], {}, {"a": [None]}]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(
    "field", ["model", "id", "created", "object", "system_fingerprint", "service_tier", "new_field"]
)
def test_odd_values_beside_an_answer_cost_nothing(field: str, odd: Any) -> None:
    """Of known and unknown fields, in the body, in the choice and in the message."""
    answer = chat("x")
    answer[field] = odd
    answer["choices"][0][field] = odd
    answer["choices"][0]["message"][field] = odd
    assert GPT.decode(answer, ask()).content == "x"
    piece = chunk({"content": "x", field: odd} if field != "id" else {"content": "x"}, "stop")
    piece[field] = odd
    piece["choices"][0][field] = odd
    assert done(read(GPT.decoder(ask(stream=True)), [sse(piece, "[DONE]")])).content == "x"


LOGPROBS: list[tuple[Any, bool]] = [
    ({"content": [{"token": "x", "logprob": -0.5}]}, True),
    ({"content": [{"token": "x", "logprob": 0}]}, True),
    ({"content": [{"token": "x", "logprob": 0.3}]}, True),
    ({"content": [{"token": "x", "logprob": -9999.0}]}, True),
    ({"content": [{"token": "x", "logprob": None}]}, False),
    ({"content": [{"token": "x"}]}, False),
    ({"content": [{"token": "x", "logprob": "-0.5"}]}, False),
    ({"content": [{"token": "x", "logprob": True}]}, False),
    ({"content": [{"token": "x", "logprob": -0.5}, {"token": "y", "logprob": None}]}, False),
    ({"content": [{"token": "x", "logprob": 10**400}]}, False),
    ({"content": [{"token": "x", "logprob": 1e308}]}, False),
    ({"content": [{"token": "x", "logprob": -1e308}]}, False),
    ({"content": [{"token": "x", "logprob": float("inf")}]}, False),
    ({"content": [{"token": "x", "logprob": float("nan")}]}, False),
    ({"content": [None]}, False),
    ({"content": [[]]}, False),
    ({"content": "text"}, False),
    ({"content": {}}, False),
    ({"content": []}, False),
    ({"content": None}, False),
    ({}, False),
    ([], False),
    ("text", False),
    (7, False),
    (None, False),
]


@pytest.mark.parametrize(("given_", "known"), LOGPROBS, ids=[repr(row[0]) for row in LOGPROBS])
def test_odd_probabilities_make_the_confidence_unknown(given_: Any, known: bool) -> None:
    """Never an error: the answer is paid."""
    asked = {"logprobs": True}
    answer = chat("x")
    answer["choices"][0]["logprobs"] = given_
    piece = chunk({"content": "x"}, "stop")
    piece["choices"][0]["logprobs"] = given_
    outputs = [
        GPT.decode(answer, ask(params=asked)),
        done(read(GPT.decoder(ask(stream=True, params=asked)), [sse(piece, "[DONE]")])),
    ]
    if isinstance(given_, dict) and "content" in given_:
        part = {"type": "output_text", "text": "x", "logprobs": given_["content"]}
        outputs.append(RESPONSES.decode(body({"type": "message", "id": "m", "content": [part]}), ask(params=asked)))
        if isinstance(given_["content"], list):
            chosen = [
                {"logProbability": each.get("logprob")} if isinstance(each, dict) else each
                for each in given_["content"]
            ]
            candidate = {
                "content": {"parts": [{"text": "x"}]},
                "finishReason": "STOP",
                "logprobsResult": {"chosenCandidates": chosen},
            }
            outputs.append(WIRES["gemini"].backend.decode({"candidates": [candidate]}, ask(params=asked)))
    for output in outputs:
        assert output.content == "x"
        assert (output.confidence is not None) == known
        assert output.confidence is None or 0 <= output.confidence <= 1


@pytest.mark.parametrize("place", ["body", "choice", "x_groq"])
def test_usage_counts_where_services_put_it(place: str) -> None:
    """In the chunk, in the choice (Moonshot) or in a field of their own (Groq)."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    last = chunk({}, "stop")
    if place == "choice":
        last["choices"][0]["usage"] = usage
    elif place == "body":
        last["usage"] = usage
    else:
        last["x_groq"] = {"id": "req", "usage": usage}
    output = done(read(GPT.decoder(ask(stream=True)), [sse(chunk({"content": "x"}), last, "[DONE]")]))
    assert output.token_usage[:3] == (5, 2, 7)
