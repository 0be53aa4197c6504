"""docs/providers.md says what the code does: the file is as it is made, and every cell's test is here or exists.

The tests ask each type over its own wire, on a server of this machine; nothing else is reached. Where a type needs a
real program or model, the cell names a test beside the type's others.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import prices
from complaint_llm.backends import Backend
from complaint_llm.exceptions import BackendError, ConfigError, ResponseFormatError
from complaint_llm.messages import Document, Done, TextDelta, TokenUsage
from complaint_llm.testing import FaultyServer, Reply
from complaint_llm.testing.dialects import WIRES, AnswerContent, OpenAIDialect, vector

ROOT = Path(__file__).resolve().parents[2]
SCRIPT: Mapping[str, Any] = runpy.run_path(str(ROOT / "scripts" / "make_provider_table.py"))
DOCUMENT = (ROOT / "docs" / "providers.md").read_text(encoding="utf-8")
TYPES = SCRIPT["types"]()
CELL = re.compile(r"\[[^]]+\]\(\.\./(tests/[^#)]+)#([^)]+)\)")

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
IMAGE = [{"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image", "data": PNG}]}]
TOOL = {"name": "search", "description": "Search.", "parameters": {"type": "object", "properties": {}}}
COPILOT = (
    {"type": "assistant.message", "data": {"content": "The answer.", "model": "m"}},
    {"type": "result", "exitCode": 0},
)
CLAUDE = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "num_turns": 1,
    "result": "The answer.",
    "stop_reason": "end_turn",
    "total_cost_usd": 0.25,
    "usage": {"input_tokens": 10, "output_tokens": 5},
    "modelUsage": {"claude-sonnet-4-5": {}},
}
WRITTEN: Mapping[str, tuple[Any, ...]] = {"claude_cli": (CLAUDE,), "codex": (), "copilot_cli": COPILOT}
"""What each program writes: JSON values, a line each. Codex's answers are read in its own tests."""


class Described(OpenAIDialect):
    """A service as the type ``http`` describes one in ``NEEDED``."""

    def speaks(self, path: str) -> bool:
        return path == "/generate"

    def prompt(self, body: Mapping[str, Any]) -> str:
        return str(body["prompt"])

    def answer(self, path: str, body: Mapping[str, Any], content: AnswerContent) -> Any:
        return {"text": content.text}


class Features(OpenAIDialect):
    """Hugging Face's embeddings."""

    def speaks(self, path: str) -> bool:
        return path.endswith("/pipeline/feature-extraction")

    def answer(self, path: str, body: Mapping[str, Any], content: AnswerContent) -> Any:
        return [vector(text) for text in body["inputs"]]


SPEAKS = {"anthropic": "anthropic", "google": "gemini", "xai": "responses", "perplexity": "responses"}
THOUGHT: Mapping[str, Any] = {
    "openai": {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "No.", "reasoning_content": "It says so."},
                "finish_reason": "stop",
            }
        ]
    },
    "responses": {
        "id": "r",
        "object": "response",
        "status": "completed",
        "output": [
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "It says so."}]},
            {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "No."}]},
        ],
    },
    "anthropic": {
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "It says so.", "signature": "s"},
            {"type": "text", "text": "No."},
        ],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    "gemini": {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": "It says so.", "thought": True}, {"text": "No."}]},
                "finishReason": "STOP",
            }
        ]
    },
}
"""An answer with reasoning in it, on each wire."""


def wire(name: str) -> str:
    return SPEAKS.get(name, "openai")


def claim(name: str, column: str) -> str:
    return str(SCRIPT["claims"](TYPES[name])[column])


def scripted(reply: Reply) -> Any:
    """A reply of the server as a response of the mock."""
    if reply.calls:
        ((name, arguments),) = reply.calls
        return {"tool_call": {"name": name, "arguments": dict(arguments)}}
    return reply.text


@contextmanager
def asked(name: str, *replies: Reply, **keys: Any) -> Iterator[tuple[Backend, FaultyServer]]:
    """A backend of this type and the server that it asks; the replies are given in order, then «The answer.»"""
    with ExitStack() as stack:
        server = stack.enter_context(FaultyServer(Reply("The answer."), wires=(Described(), Features())))
        server.script(*replies)
        given: dict[str, Any] = {"model": "any", "max_retries": 0}
        if name == "mock":
            given["responses"] = [scripted(reply) for reply in (*replies, *[server.reply] * 3)]
        elif name == "http":
            given["base_url"] = server.url
        elif name not in WRITTEN and name != "workstation":
            given["base_url"] = server.url + WIRES[wire(name)].base_path
        backend = stack.enter_context(SCRIPT["make"](TYPES[name], **{**given, **keys}))
        if "embeddings" in backend.capabilities and name not in ("mock", "workstation"):
            backend = stack.enter_context(SCRIPT["make"](TYPES[name], embedding_model="any", **{**given, **keys}))
        yield backend, server


def of(column: str) -> pytest.MarkDecorator:
    """Every type whose cell of this column is tested here."""
    return pytest.mark.parametrize("name", [name for name in TYPES if (name, column) not in SCRIPT["ELSEWHERE"]])


# -- the document --------------------------------------------------------------------------------------------------


def test_the_table_is_as_it_is_made() -> None:
    """A type or ability that is added, changed or removed shows in the document."""
    assert SCRIPT["filled"](DOCUMENT) == DOCUMENT, f"run: {SCRIPT['COMMAND']}"


def test_every_cell_names_a_test_that_is_collected() -> None:
    """Of each row all columns; the file is there, and pytest finds the test in it."""
    named = [f"{file}::{test}" for file, test in CELL.findall(DOCUMENT)]
    assert len(named) == len(TYPES) * len(SCRIPT["COLUMNS"])
    files = sorted({each.partition("::")[0] for each in named})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        env={**os.environ, "COMPLAINT_LLM_ALL_EXAMPLES": "1"},  # rows that only the long runs have, too
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = done.stdout.splitlines()
    collected = {*lines, *(line.partition("[")[0] for line in lines)}
    assert collected, done.stderr
    assert [each for each in named if each not in collected] == []


# -- the cells -----------------------------------------------------------------------------------------------------


@of("text")
def test_text(name: str) -> None:
    """A prompt is answered."""
    with asked(name) as (backend, _):
        assert backend.generate("Hello") == "The answer."


@of("stream")
def test_stream(name: str) -> None:
    """In pieces, or whole at once; the same text either way, with its end."""
    with asked(name) as (backend, _):
        events = list(backend.infer_stream("Hello"))
        pieces = [event.text for event in events if isinstance(event, TextDelta)]
        assert "".join(pieces) == "The answer."
        assert isinstance(events[-1], Done)
        assert claim(name, "stream") == ("yes" if len(pieces) > 1 else "whole")
        assert claim(name, "stream") == ("yes" if backend.supports_streaming() else "whole")


@of("tools")
def test_tools(name: str) -> None:
    """The call comes with its arguments; otherwise nothing is sent."""
    with asked(name, Reply("", calls=[("search", {"q": "rent"})])) as (backend, server):
        if claim(name, "tools") == "yes":
            (call,) = backend.infer("Find it.", [TOOL]).tool_calls
            assert (call.name, call.arguments) == ("search", {"q": "rent"})
        else:
            refused(lambda: backend.infer("Find it.", [TOOL]), "no tools", server)


@of("images")
def test_images(name: str) -> None:
    """The image is in what is sent; otherwise nothing is sent."""
    with asked(name) as (backend, server):
        if claim(name, "images") == "yes":
            assert backend.generate(IMAGE) == "The answer."
            assert name == "mock" or "iVBORw0KGgo" in json.dumps(server.requests[0].body)
        else:
            refused(lambda: backend.generate(IMAGE), "no images", server)


@pytest.mark.rows(4)
@of("documents")
def test_documents(name: str) -> None:
    """Files that it takes are in what is sent, as they are; of any other document the text is, with its name."""
    said = claim(name, "documents")
    pdf = b"%PDF-1.7 a lease"
    document = Document(data=b"Rent is due.", name="lease.txt", media_type="text/plain")
    model = SCRIPT["WELL_KNOWN"].get(name, "any")
    with asked(name, model=model, documents="auto" if said == "as text" else "native") as (backend, server):
        if said == "as text":
            assert not backend.document_types
            if name in (*WRITTEN, "workstation"):
                return  # what these are asked is in their own tests: a text, as any other
            output = backend.infer([{"role": "user", "content": [document]}])
            sent = json.dumps(server.requests[0].body) if server.requests else "lease.txt Rent is due."
            assert "lease.txt" in sent
            assert "Rent is due." in sent
        else:
            file = Document(data=pdf, name="lease.pdf", media_type="application/pdf")
            output = backend.infer([{"role": "user", "content": [file]}])
            assert b64encode(pdf).decode() in json.dumps(server.requests[0].body)
        assert [each.shown for each in output.shown] == ["text" if said == "as text" else "document"]


@of("structured")
def test_structured(name: str) -> None:
    """The answer is parsed and checked. One that does not fit is asked for again, unless the provider holds to it."""
    native = claim(name, "structured") == "native"
    with asked(name, Reply('{"a": 1}'), *[Reply('{"a": "no"}')] * 2) as (backend, server):
        assert backend.infer("x", response_format=SCRIPT["SCHEMA"]).parsed == {"a": 1}
        with pytest.raises(ResponseFormatError):
            backend.infer("x", response_format=SCRIPT["SCHEMA"])
    assert name == "mock" or len(server.requests) == (2 if native else 3)
    # In words the schema stands in a text, with its quotes escaped; natively it is part of the body.
    assert name == "mock" or ('"integer"' in json.dumps(server.requests[0].body)) is native


@of("embeddings")
def test_embeddings(name: str) -> None:
    """A vector for each text, in their order; otherwise nothing is sent."""
    with asked(name) as (backend, server):
        if claim(name, "embeddings") == "yes":
            single = [backend.embed(text) for text in ("a", "bb", "ccc")]
            assert backend.embed(["a", "bb", "ccc"]) == single
            assert len({tuple(each) for each in single}) == 3
        else:
            refused(lambda: backend.embed("a"), "no embeddings", server)


@of("reasoning")
def test_reasoning(name: str, tmp_path: Path) -> None:
    """Apart from the text; a type without it puts nothing there."""
    if claim(name, "reasoning") == "yes":
        with asked(name, Reply.raw(json.dumps(THOUGHT[wire(name)]).encode())) as (backend, _):
            output = backend.infer("Is it valid?")
        assert (output.content, output.reasoning) == ("No.", "It says so.")
        return
    keys: dict[str, Any] = {}
    if name in WRITTEN:
        program = tmp_path / "program"
        lines = "".join(f"echo '{json.dumps(line)}'\n" for line in WRITTEN[name])
        program.write_text(f"#!/bin/sh\ncat >/dev/null\n{lines}")
        program.chmod(0o755)
        keys["command"] = str(program)
    if name == "workstation":
        from tests.peers import need_peer
        from tests.tiny_gguf import build

        need_peer("llama-cpp")
        need_peer("gguf")
        build(tmp_path / "tiny.gguf")
        keys |= {"model_path": str(tmp_path / "tiny.gguf"), "n_ctx": 512, "max_tokens": 8, "seed": 7}
    with asked(name, **keys) as (backend, _):
        output = backend.infer("Is it valid?")
    assert output.content
    assert output.reasoning is None


@of("prices")
def test_prices(name: str) -> None:
    """A listed model has a price at its provider's own address; elsewhere it is unknown until ``pricing`` gives it."""
    kind = TYPES[name]
    usage = TokenUsage(1000, 1000, 2000)
    with SCRIPT["make"](kind) as backend:
        provider = backend.price_provider()
    assert (provider is not None) is (claim(name, "prices") == "listed")
    if provider is not None:
        model = listed(provider)
        with SCRIPT["make"](kind, model=model) as backend:
            cost = backend.model_info().calculate_cost(usage)
            assert cost is not None
            assert cost > 0
    with SCRIPT["make"](kind, model="nobody-knows-this-model") as backend:
        assert backend.model_info().calculate_cost(usage) is None
    if claim(name, "prices") == "no":
        with pytest.raises(ConfigError, match="pricing"):
            SCRIPT["make"](kind, pricing={"input": 1.0, "output": 2.0})
        return
    with SCRIPT["make"](kind, model="nobody-knows-this-model", pricing={"input": 1.0, "output": 2.0}) as backend:
        assert backend.model_info().calculate_cost(usage) == pytest.approx(0.003)


def listed(provider: str) -> str:
    """A model of the price list that costs something today."""
    folder = Path(prices.__file__).parent / "data" / "prices"
    for entry in json.loads((folder / f"{provider}.json").read_text(encoding="utf-8")):
        for name in (entry["id"], *names(entry["match"])):
            facts = prices.model_facts(provider, name, prices.today())
            if facts is not None and facts.input_price and facts.output_price:
                return str(name)
    raise AssertionError(f"the list has no price of {provider}")


def names(rule: Mapping[str, Any]) -> Iterator[str]:
    """Names that a rule of the list accepts."""
    for kind, value in rule.items():
        if kind == "equals":
            yield value
        elif kind in ("or", "and"):
            for part in value:
                yield from names(part)


def refused(act: Any, why: str, server: FaultyServer) -> None:
    with pytest.raises(BackendError, match=why) as raised:
        act()
    assert raised.value.sent is False
    assert server.requests == []
