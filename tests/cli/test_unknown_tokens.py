"""Tokens that a provider does not tell are unknown, and not nothing: in what commands say, in sums, in the ledger."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from complaint_llm import Mediator
from complaint_llm.backends import HTTPBackend
from complaint_llm.batch.output.summary import BatchSummary
from complaint_llm.chats import Conversation
from complaint_llm.cli.chat.commands import obey
from complaint_llm.cli.chat.session import ChatSession
from complaint_llm.cli.main import cli
from complaint_llm.cli.token_words import in_and_out_of, token_count
from complaint_llm.messages import InferenceOutput, TokenUsage
from complaint_llm.model_info import INCOMPLETE
from complaint_llm.routing.reask import with_earlier
from tests.cli.loopback import Handler, Loopback
from tests.end_to_end.everything import write_config

BOTH = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


class Provider(Loopback):
    """Answers chats, whole and in pieces, and makes vectors; ``usages`` are what it tells of each, the last of all
    further ones (None: nothing)."""

    def __init__(self, *usages: Any) -> None:
        told = list(usages)

        class Telling(Handler):
            def do_POST(self) -> None:
                asked = json.loads(self.read())
                found = told.pop(0) if len(told) > 1 else told[0]
                usage = {} if found is None else {"usage": found}
                head = {"id": "1", "model": "m", "created": 1}
                if self.path.endswith("/embeddings"):
                    rows = [{"index": n, "embedding": [1.0]} for n in range(len(asked["input"]))]
                    self.say("application/json", json.dumps({"data": rows, "model": "e", **usage}))
                elif asked.get("stream"):
                    head["object"] = "chat.completion.chunk"
                    pieces = [{"delta": {"content": "yes"}}, {"delta": {}, "finish_reason": "stop"}]
                    events = [{**head, "choices": [{"index": 0, **piece}]} for piece in pieces]
                    events += [{**head, "choices": [], **usage}] if usage else []
                    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
                    self.say("text/event-stream", text + "data: [DONE]\n\n")
                else:
                    message = {"role": "assistant", "content": "yes"}
                    choice = {"index": 0, "message": message, "finish_reason": "stop"}
                    said = {**head, "object": "chat.completion", "choices": [choice], **usage}
                    self.say("application/json", json.dumps(said))

            def say(self, kind: str, text: str) -> None:
                self.answer(text.encode(), headers={"Content-Type": kind})

        super().__init__(Telling)

    def config(self, folder: Path, **keys: Any) -> Path:
        entry = {"id": "a", "type": "openai", "base_url": f"{self.url}/v1", "api_key": "sk-x", "model": "m"}
        pricing = {"location": "local", "pricing": {"input": 1.0, "output": 1.0}, "embedding_model": "e"}
        return write_config(folder, [{**entry, **pricing, **keys}], MEDIATOR={"ledger": True})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    return tmp_path


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["-c", "config.json", *arguments], input=text)


UNKNOWN = [None, {}, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, {"prompt_tokens": None}, "much"]
Told = tuple[Any, str, tuple[int | None, int | None]]
TOLD: list[Told] = [(each, "tokens unknown", (None, None)) for each in UNKNOWN]
TOLD += [
    (BOTH, "3 tokens in, 2 out", (3, 2)),
    ({"prompt_tokens": 1200, "completion_tokens": 1, "total_tokens": 1201}, "1,200 tokens in, 1 out", (1200, 1)),
    ({"prompt_tokens": 3}, "at least 3 tokens in, unknown out", (3, None)),
    ({"completion_tokens": 2}, "unknown tokens in, at least 2 out", (None, 2)),
    ({**BOTH, "completion_tokens": None}, "at least 3 tokens in, unknown out", (3, None)),
]


@pytest.mark.rows(6)
@pytest.mark.parametrize("way", ["whole", "streamed"])
@pytest.mark.parametrize(("usage", "words", "counts"), TOLD)
def test_what_one_answer_took_is_said_as_far_as_it_is_complete(
    here: Path, way: str, usage: Any, words: str, counts: tuple[int | None, int | None]
) -> None:
    """Whole or in pieces: by the command, in its ledger, and by ``logs``."""
    with Provider(usage) as provider:
        path = provider.config(here)
        if way == "whole":
            done = run("generate", "hello", "-u")
            assert f"a (m): {words}, " in done.stderr, done.stderr
            assert ("price unknown" in done.stderr) == (None in counts)
        else:
            with Mediator.from_config(path) as mediator:
                *_, last = mediator.infer_stream("hello")
            assert in_and_out_of(last.output.token_usage) == words
    with closing(sqlite3.connect(here / ".complaint_llm" / "ledger.db")) as db:
        assert db.execute("SELECT input_tokens, output_tokens FROM calls").fetchall() == [counts]
    logs = run("logs").stdout
    wanted = "unknown" if counts == (None, None) else "+".join("unknown" if n is None else f"{n:,}" for n in counts)
    assert wanted in logs.split()
    assert "0+0" not in logs


SUMS = [
    ((None,), 2, "tokens unknown", 2),
    ((BOTH, None), 2, "at least 5 tokens", 1),
    ((None, BOTH), 3, "at least 10 tokens", 1),
    ((BOTH,), 3, "15 tokens", 0),
    (({"prompt_tokens": 3}, BOTH), 2, "at least 8 tokens", 1),
]


@pytest.mark.parametrize(("usages", "items", "words", "uncounted"), SUMS)
def test_a_batch_says_at_least_what_it_was_told(
    here: Path, usages: tuple[Any, ...], items: int, words: str, uncounted: int
) -> None:
    """In its account, for each backend, and in JSON; also where all that was recorded before."""
    (here / "in.txt").write_text("".join(f"p{n}\n" for n in range(items)))
    with Provider(*usages) as provider:
        provider.config(here)
        done = run("batch", "in.txt", "-o", "out.jsonl", "-w", "1")
        again = run("batch", "in.txt", "-o", "out.jsonl", "-w", "1", "--json")
    assert done.exit_code == 0, done.output
    assert f"{items} answered, 0 failed, {words}, " in done.stderr
    assert f"  a: {items} answered, 0 failed, {words}, " in done.stderr
    said = json.loads(again.stdout)
    assert (said["recorded"], said["uncounted"], said["backends"]["a"]["uncounted"]) == (items, uncounted, uncounted)


@pytest.mark.parametrize(
    ("usages", "words"),
    [
        ((None,), "2 answers, tokens unknown, price unknown"),
        ((BOTH, None), "2 answers, at least 3 tokens in, at least 2 out, $0.000005 and 1 of unknown price"),
        ((BOTH,), "2 answers, 6 tokens in, 4 out, $0.000010"),
    ],
)
def test_a_chat_says_so_too(
    here: Path, capsys: pytest.CaptureFixture[str], usages: tuple[Any, ...], words: str
) -> None:
    """By ``/usage``."""
    with Provider(*usages) as provider, Mediator.from_config(provider.config(here)) as mediator:
        session = ChatSession(mediator, Conversation(), {})
        session.ask("hello")
        session.ask("hello again")
        capsys.readouterr()
        obey(session, "/usage")
    assert words in capsys.readouterr().err


VECTORS = {"prompt_tokens": 2, "total_tokens": 2}


@pytest.mark.parametrize(
    ("usages", "words"),
    [
        ((None,), "4 vectors, tokens unknown, price unknown"),
        ((VECTORS, None), "4 vectors, at least 2 tokens, price unknown"),
        ((None, VECTORS), "4 vectors, at least 2 tokens, price unknown"),
        ((VECTORS,), "4 vectors, 4 tokens, $0.000004"),
    ],
)
def test_vectors_say_so_too(here: Path, usages: tuple[Any, ...], words: str) -> None:
    """Over several requests."""
    with Provider(*usages) as provider:
        provider.config(here)
        done = run("embed", "a", "b", "c", "d", "--batch-size", "2", "-u")
    assert words in done.stderr, done.stderr


@pytest.mark.parametrize(("usages", "price"), [((VECTORS,), 4e-6), ((VECTORS, None), None), ((None, VECTORS), None)])
def test_vectors_of_one_call_in_several_requests_have_no_price_where_one_tells_nothing(
    here: Path, usages: tuple[Any, ...], price: float | None
) -> None:
    """The price of the others would be too low."""
    with Provider(*usages) as provider, Mediator.from_config(provider.config(here)) as mediator:
        found = mediator.embeddings(["a"] * (HTTPBackend.embedding_batch + 1))
    assert found.cost == price
    assert found.token_usage.is_complete == (price is not None)


FULL = TokenUsage(3, 2, 5)
PARTS = [
    ((FULL, FULL), "6 tokens in, 4 out", True),
    ((FULL, TokenUsage()), "at least 3 tokens in, at least 2 out", False),
    ((TokenUsage(), FULL), "at least 3 tokens in, at least 2 out", False),
    ((TokenUsage(), TokenUsage()), "tokens unknown", False),
    ((TokenUsage(3, 0, 3, unpriced=INCOMPLETE), FULL), "at least 6 tokens in, at least 2 out", False),
    ((FULL._replace(unpriced="searches"), TokenUsage()), "at least 3 tokens in, at least 2 out", False),
    ((FULL._replace(unpriced="searches"), FULL), "6 tokens in, 4 out", True),
]


@pytest.mark.parametrize(("usages", "words", "complete"), PARTS)
def test_an_answer_that_was_asked_for_twice_took_at_least_what_was_told(
    usages: tuple[TokenUsage, TokenUsage], words: str, complete: bool
) -> None:
    """Its usage is that of both."""
    first, second = (InferenceOutput("yes", token_usage=usage, cost=None) for usage in usages)
    found = with_earlier(second, [first]).token_usage
    assert (in_and_out_of(found), found.is_complete) == (words, complete)


@pytest.mark.parametrize(
    ("tokens", "complete", "words"),
    [
        *((0, True, "0 tokens"), (7, True, "7 tokens")),
        *((0, False, "tokens unknown"), (1500, False, "at least 1,500 tokens")),
    ],
)
def test_nothing_and_unknown_are_two_things(tokens: int, complete: bool, words: str) -> None:
    """A batch of which nothing was answered took nothing."""
    assert token_count(tokens, complete=complete) == words


def test_a_summary_without_answers_has_nothing_uncounted() -> None:
    """Nor one that an earlier release counted, which did not look."""
    summary = BatchSummary()
    assert summary.uncounted == 0
    said = json.loads(summary.to_json())
    counted = {"answered": 1, "completion_tokens": 1, "cost": 0.0, "failed": 0, "prompt_tokens": 1, "unpriced": 0}
    summary.add_recorded(json.dumps({**said, "backends": {"a": counted}}))
    assert (summary.tokens, summary.uncounted) == (2, 0)
