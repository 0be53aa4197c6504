"""The longest answer that a budget chose is what is asked for, whatever form the request takes on its way."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import AnswerLimits, OpenAIBackend
from complaint_llm.guards.guard import Guard, GuardRequest, TargetKind
from complaint_llm.messages import Document, Message, TextPart
from complaint_llm.testing import Reply
from tests.meeting_server import MeetingServer

LETTER = Document(data=b"The lease of a@b.org ends.", name="letter.txt", media_type="text/plain")
PROMPTS: dict[str, Any] = {
    "text": "When does the lease of a@b.org end?",
    "document": [Message("user", (LETTER, TextPart("When does it end?")))],
}
WORKERS = 8
DOLLARS = 1.0
A_MILLION = {"input": 1.0, "output": 10.0}
SHARE = DOLLARS / WORKERS / A_MILLION["output"] * 1_000_000
"""Tokens that a worker's share of the budget pays for, where the prompt is for nothing."""


class Gpt(OpenAIBackend):
    """One whose model may answer with more than the budget pays for."""

    def answer_limits(self, model: str) -> AnswerLimits:
        return super().answer_limits(model)._replace(longest=128_000)


class Hides(Guard):
    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        return request.map_text(lambda text: text.replace("a@b.org", "[mail]"))


def ask(mediator: Mediator, way: str, prompt: Any, **params: Any) -> None:
    if way == "stream":
        list(mediator.infer_stream(prompt, **params))
    elif way == "batch":
        (result,) = mediator.batch([prompt], **params)
        assert result.output, result.error
    else:
        mediator.infer(prompt, **params)


@pytest.mark.parametrize("way", ["plain", "stream", "batch", "hedge", "retry"])
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("guards", [(), (Hides(),)], ids=["no guard", "guard"])
def test_the_longest_answer_that_a_budget_chose_is_asked_for(
    tmp_path: Path, way: str, prompt: str, guards: tuple[Guard, ...]
) -> None:
    """By every attempt: a worker's share, less what the prompt costs; with guards and documents as without them."""
    more: dict[str, Any] = {"hedge_after": 0.01} if way == "hedge" else {}
    with MeetingServer() as server:
        backends = [
            Gpt(
                id=id, api="chat", model="m", api_key="sk-none", base_url=f"{server.url}/v1", max_retries=1,
                retry_delay=0.001, pricing=A_MILLION,
            )
            for id in ("a", "b")
        ]  # fmt: skip
        if way == "retry":
            server.script(Reply(status=503))
        if way == "hedge":
            server.meeting = Barrier(2)
        with Mediator(
            backends, folder=tmp_path, guards=guards, budget=DOLLARS, max_workers=WORKERS, timeout=120, **more
        ) as mediator:
            ask(mediator, way, PROMPTS[prompt])
        bodies = [request.body for request in server.requests]
        asked = [body.get("max_tokens", body.get("max_completion_tokens")) for body in bodies]
        said = [str(body["messages"]) for body in bodies]
    assert len(asked) == (2 if way in ("hedge", "retry") else 1)
    assert asked == [pytest.approx(SHARE, rel=0.02)] * len(asked)
    assert all(("[mail]" if guards else "a@b.org") in each for each in said)


@pytest.mark.rows(10)
@pytest.mark.parametrize("way", ["plain", "stream", "batch", "hedge", "fallback"])
@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("stop", [None, "the end", "a@b.org"])
@pytest.mark.parametrize("first", ["remote", "local"])
def test_so_it_is_where_each_kind_of_backend_is_asked_in_a_form_of_its_own(
    tmp_path: Path, way: str, prompt: str, stop: str | None, first: str
) -> None:
    """The call then has no one form in which its parameters could stay; a guard may change them, too."""
    more: dict[str, Any] = {"hedge_after": 0.01} if way == "hedge" else {}
    params: dict[str, Any] = {"temperature": 0.5} | ({} if stop is None else {"stop": [stop]})
    with MeetingServer() as near, MeetingServer() as far:
        servers = {"local": near, "remote": far}
        backends = [
            Gpt(
                id=kind, api="chat", model="m", api_key="sk-none", base_url=f"{servers[kind].url}/v1", max_retries=0,
                location=kind, pricing=A_MILLION,
            )
            for kind in (("remote", "local") if first == "remote" else ("local", "remote"))
        ]  # fmt: skip
        if way == "fallback":
            servers[first].script(Reply(status=503))
        if way == "hedge":
            near.meeting = far.meeting = Barrier(2)
        with Mediator(
            backends, folder=tmp_path, guards=(Hides(),), budget=DOLLARS, max_workers=WORKERS, timeout=120, **more
        ) as mediator:
            ask(mediator, way, PROMPTS[prompt], **params)
    bodies = {kind: [request.body for request in server.requests] for kind, server in servers.items()}
    assert [kind for kind, sent in bodies.items() if len(sent) == 1] == (
        ["local", "remote"] if way in ("hedge", "fallback") else [first]
    )
    for kind, sent in bodies.items():
        mail = "[mail]" if kind == "remote" else "a@b.org"
        for body in sent:
            assert body.get("max_tokens", body.get("max_completion_tokens")) == pytest.approx(SHARE, rel=0.02)
            assert body["temperature"] == 0.5
            assert body.get("stop") == (None if stop is None else [stop.replace("a@b.org", mail)])
            assert mail in str(body["messages"])
