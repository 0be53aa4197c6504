"""Two backends against a server that others wrote: the first fails, the second answers, the attempts say why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm import Mediator
from complaint_llm.messages import Done, TextDelta
from complaint_llm.testing.steady_clock import SteadyClock
from tests.end_to_end.everything import write_config
from tests.peers import free_port

if TYPE_CHECKING:
    from tests.peers import AIMock

BASES = {"openai": "/v1", "anthropic": "", "google": "", "lmstudio": "/v1"}
ANSWER = "The notice is void."


def error(status: int, type: str, code: str | None = None, **more: Any) -> dict[str, Any]:
    return {"response": {"error": {"message": "as you asked", "type": type, "code": code}, "status": status, **more}}


FAULTS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "is down": (None, "BackendConnectionError: "),
    "refuses the key": (error(401, "authentication_error", "invalid_api_key"), "AuthenticationError: HTTP 401"),
    "429 with Retry-After": (error(429, "rate_limit_error", retryAfter=30), "RateLimitError: HTTP 429"),
    "500": (error(500, "api_error"), "ServerError: HTTP 500"),
    "cuts the connection": (
        {"response": {"content": "never whole"}, "chaos": {"disconnectRate": 1}},
        "BackendConnectionError: ",
    ),
    "says what is no JSON": (
        {"response": {"content": "never whole"}, "chaos": {"malformedRate": 1}},
        "ResponseFormatError: ",
    ),
}


def entry(id: str, type: str, port: int) -> dict[str, Any]:
    base = f"http://127.0.0.1:{port}{BASES[type]}"
    return {"id": id, "type": type, "api_key": "sk-test", "model": f"model-{id}", "base_url": base, "retry_delay": 0.01}


@pytest.mark.rows(4)
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("first", "second"), [("openai", "anthropic"), ("anthropic", "google"), ("google", "lmstudio")]
)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_second_answers_and_the_attempts_say_why(
    aimock: AIMock, tmp_path: Path, fault: str, first: str, second: str, streamed: bool, steady_clock: SteadyClock
) -> None:
    """Through ``Mediator.from_config``, from one provider's wire to another's, plain and streamed."""
    fixture, why = FAULTS[fault]
    good = {"match": {"model": "model-second"}, "response": {"content": ANSWER}}
    aimock.answers(*([{"match": {"model": "model-first"}, **fixture}] if fixture else []), good)
    port = free_port() if fixture is None else aimock.port
    config = write_config(
        tmp_path, [entry("first", first, port), entry("second", second, aimock.port)], MEDIATOR={"timeout": 20}
    )
    started = steady_clock()
    with Mediator.from_config(config) as mediator:
        if streamed:
            events = list(mediator.infer_stream("Is the notice valid?", max_tokens=50))
            assert "".join(event.text for event in events if isinstance(event, TextDelta)) == ANSWER
            assert isinstance(events[-1], Done)
            output = events[-1].output
        else:
            output = mediator.infer("Is the notice valid?", max_tokens=50)
    assert steady_clock() - started < 10, "a Retry-After of half a minute is not waited for while another is ready"
    assert (output.content, output.backend) == (ANSWER, "second")
    *failed, answered = output.attempts
    assert failed
    assert all(a.backend == "first" and a.error is not None and a.error.startswith(why) for a in failed), failed
    assert (answered.backend, answered.error) == ("second", None)
    reached = [received for received in aimock.journal() if received["method"] == "POST"]
    assert len(reached) >= (1 if fixture is None else 2)
