"""Planted identifiers on six wires: none that the guard is told of is sent, logged, cached or recorded in clear,
and answers come back with every name as it was."""

from __future__ import annotations

import json
import logging
import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from complaint_llm import Mediator
from complaint_llm.batch import BatchItem
from complaint_llm.exceptions import ComplaintLLMError, GuardError
from complaint_llm.guards.chain import GuardChain, GuardEntry
from complaint_llm.guards.detector import DetectedSpan
from complaint_llm.guards.pseudonyms import Pseudonyms
from complaint_llm.messages import Document, Message, TextPart, Tool
from complaint_llm.testing import FaultyServer, Reply
from tests.guards.identifiers import CASE_PATTERN, Planted, leaks, planted, request_with, squeeze, write_lists
from tests.wire_tap import WireTap

OF_A_CALL = 60

BACKENDS: dict[str, dict[str, Any]] = {
    "chat": {"type": "openai", "base_url": "/v1", "api": "chat"},
    "responses": {"type": "openai", "base_url": "/v1", "api": "responses"},
    "anthropic": {"type": "anthropic", "base_url": ""},
    "gemini": {"type": "google", "base_url": "/v1beta"},
    "openrouter": {"type": "openrouter", "base_url": "/api/v1"},
    "http": {
        "type": "http",
        "base_url": "/v1",
        "endpoint": "/chat/completions",
        "body": {"messages": "{messages}", "model": "{model}", "max_tokens": "{max_tokens}"},
        "text": "/choices/0/message/content",
    },
}


class Office(NamedTuple):
    """A config with one wire behind a tap, in a folder of its own."""

    mediator: Mediator
    tap: WireTap
    folder: Path
    path: Path


def open_office(folder: Path, wire: str, tap: WireTap, identifiers: Sequence[Planted], **more: Any) -> Office:
    """The Mediator of a config whose guard is told of the identifiers."""
    names = write_lists(identifiers, folder)
    entry = {"id": wire, "model": "m", "api_key": "sk-none", "location": "local", "max_retries": 0, "max_tokens": 9_000}
    entry |= {**BACKENDS[wire], "base_url": tap.url + BACKENDS[wire]["base_url"], "cache_enabled": True}
    guard = {"type": "pseudonyms", "for": "all", "names": names.name, "patterns": [CASE_PATTERN], "timeout": 60}
    document = {
        "BACKENDS": [entry],
        "GUARDS": [guard],
        "MEDIATOR": {"provenance": "full", "cache": {"path": "cache"}, "timeout": 120},
        "EVIDENCE": {"path": "evidence"},
    } | more
    path = folder / "config.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return Office(Mediator.from_config(path), tap, folder, path)


def groups(identifiers: Sequence[Planted], of: int = OF_A_CALL) -> Iterator[Sequence[Planted]]:
    for start in range(0, len(identifiers), of):
        yield identifiers[start : start + of]


def failure(ask: Callable[[], object]) -> ComplaintLLMError | None:
    """The error that it ends with, None where it is answered."""
    try:
        ask()
    except ComplaintLLMError as error:
        return error
    return None


def text_of(some: Sequence[Planted]) -> str:
    """One text with each of them, as JSON does not have it."""
    return "\n".join(each.sentence for each in some)


def plain(mediator: Mediator, texts: Sequence[str]) -> list[str]:
    return [mediator.infer(text).content for text in texts]


def streamed(mediator: Mediator, texts: Sequence[str]) -> list[str]:
    found = []
    for text in texts:
        with mediator.stream_generate(text) as pieces:
            found.append("".join(pieces))
    return found


def in_a_batch(mediator: Mediator, texts: Sequence[str]) -> list[str]:
    results = mediator.batch(texts, max_workers=4, ordered=True)
    return [result.output.content if result.output else str(result.error) for result in results]


WAYS: dict[str, Callable[[Mediator, Sequence[str]], list[str]]] = {
    "plain": plain,
    "stream": streamed,
    "batch": in_a_batch,
}


def kept_files(folder: Path) -> str:
    """All that was written beside the config and the list of names, by its bytes."""
    own = {"config.json", "names.csv"}
    files = (each for each in folder.rglob("*") if each.is_file() and each.name not in own)
    return "\n".join(each.read_bytes().decode("utf-8", "replace") for each in files)


def in_clear(text: str, identifiers: Sequence[Planted]) -> list[Planted]:
    """Those that stand in what was sent or written. Few digits are in any length of a body and any digest by chance: of
    a short identifier its parts must stand apart."""
    found = leaks(text, identifiers)
    plain = _without_marks(text) if found else ""
    return [each for each in found if len(squeeze(each.written)) >= 8 or _stands_apart(each.written, plain)]


def _without_marks(text: str) -> str:
    normal = unicodedata.normalize("NFKD", text).casefold()
    return "".join(each for each in normal if unicodedata.category(each) != "Cf")


def _stands_apart(written: str, plain: str) -> bool:
    parts = filter(None, re.split(r"[\W_]+", _without_marks(written)))
    return re.search(r"(?<!\w)" + r"[\W_]{1,4}".join(map(re.escape, parts)), plain) is not None


def check_wire(wire: str, seed: int, count: int, folder: Path, logged: Callable[[], str]) -> None:
    """A third of the identifiers plain, a third streamed, a third in a batch."""
    identifiers = planted(seed, count)
    missed: list[tuple[str, Planted]] = []
    with FaultyServer() as server, WireTap(server.url) as tap:
        office = open_office(folder, wire, tap, identifiers)
        with office.mediator as mediator:
            share = len(identifiers) // len(WAYS)
            for place, (way, ask) in enumerate(WAYS.items()):
                some = identifiers[place * share : (place + 1) * share]
                texts = [text_of(group) for group in groups(some)]
                tap.forget()
                assert ask(mediator, texts) == texts, f"{wire} {way}: an answer came back changed"
                sent = tap.sent.decode("utf-8", "replace")
                assert len(sent) > sum(map(len, texts)) / 2
                missed += [(f"{wire} {way}", each) for each in in_clear(sent, some)]
        missed += [("files", each) for each in in_clear(kept_files(folder), identifiers)]
        missed += [("logs", each) for each in in_clear(logged(), identifiers)]
    assert missed == []


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Everything that was logged, at DEBUG."""
    caplog.set_level(logging.DEBUG)
    return lambda: caplog.text


@pytest.mark.rows(2)
@pytest.mark.parametrize("wire", BACKENDS)
def test_a_sample_of_planted_identifiers_does_not_leave(wire: str, tmp_path: Path, logged: Callable[[], str]) -> None:
    """Raw bytes on the wire, logs, the cache's file and provenance; answers have every name byte for byte."""
    check_wire(wire, 23, 360, tmp_path, logged)


@pytest.mark.endurance
@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("wire", BACKENDS)
def test_sixty_thousand_planted_identifiers_do_not_leave(
    wire: str, part: int, tmp_path: Path, logged: Callable[[], str]
) -> None:
    """10,000 on each wire, a third plain, a third streamed, a third in a batch."""
    check_wire(wire, 1_000 + part, 2_000, tmp_path, logged)


@pytest.mark.parametrize("wire", BACKENDS)
def test_tools_their_arguments_and_schemas_are_guarded_on_each_wire(wire: str, tmp_path: Path) -> None:
    """What a model calls with tokens reaches the caller with names."""
    identifiers = planted(31, 120)
    with FaultyServer() as server, WireTap(server.url) as tap:  # noqa: SIM117 - the config names the tap
        with open_office(tmp_path, wire, tap, identifiers).mediator as mediator:
            for some in groups(identifiers, 30):
                given = request_with(some, random.Random(5))
                tap.forget()
                error = failure(lambda given=given: mediator.infer(given.messages, tools=given.tools))
                assert not isinstance(error, GuardError), error
                sent = tap.sent.decode("utf-8", "replace")
                assert leaks(sent, some) == []
                name = next(each.listed for each in some if each.kind == "person")
                if wire == "http":
                    continue  # a template has no place for tools
                server.script(Reply(calls=[("look_up", {"who": "[NAME_1]"})]))
                output = mediator.infer(f"Look {name} up.", tools=[Tool("look_up", "", {"type": "object"})])
                if output.tool_calls:
                    assert output.tool_calls[0].arguments == {"who": name}
                    assert json.loads(output.tool_calls[0].arguments_raw or "{}") in ({}, {"who": name})


@pytest.mark.rows(2)
@pytest.mark.parametrize("wire", BACKENDS)
def test_documents_and_structured_answers_are_guarded_on_each_wire(
    wire: str, tmp_path: Path, logged: Callable[[], str]
) -> None:
    """A document goes as guarded text; a parsed answer has names; what is logged at DEBUG has none."""
    identifiers = planted(67, 120)
    with FaultyServer() as server, WireTap(server.url) as tap:
        with open_office(tmp_path, wire, tap, identifiers).mediator as mediator:
            for some in groups(identifiers, 40):
                letter = Document(data=text_of(some).encode(), name="letter.txt", media_type="text/plain")
                assert mediator.infer([Message("user", (letter, TextPart("Who is it?")))]).content
            name = next(each.listed for each in identifiers if each.kind == "person")
            server.script(Reply(text='{"who": "[NAME_1]"}'))
            shape = {"type": "object", "properties": {"who": {"type": "string"}}}
            assert mediator.infer(f"Who? {name}", response_format=shape).parsed == {"who": name}
        sent = tap.sent.decode("utf-8", "replace")
        assert len(sent) > len(text_of(identifiers)) / 2
        assert in_clear(sent, identifiers) == []
    assert in_clear(kept_files(tmp_path), identifiers) == []
    assert in_clear(logged(), identifiers) == []


def test_documents_embeddings_and_structured_answers_are_guarded(tmp_path: Path) -> None:
    """A document goes as guarded text; a vector has nothing to restore; a parsed answer has names."""
    identifiers = planted(37, 120)
    with FaultyServer() as server, WireTap(server.url) as tap:
        with open_office(tmp_path, "chat", tap, identifiers).mediator as mediator:
            for some in groups(identifiers, 40):
                letter = Document(data=text_of(some).encode(), name="letter.txt", media_type="text/plain")
                mediator.infer([Message("user", (letter, TextPart("Who is it?")))])
            mediator.embed([each.sentence for each in identifiers], model="m")
            name = next(each.listed for each in identifiers if each.kind == "person")
            server.script(Reply(text='{"who": "[NAME_1]"}'))
            shape = {"type": "object", "properties": {"who": {"type": "string"}}}
            output = mediator.infer(f"Who? {name}", response_format=shape)
            assert output.parsed == {"who": name}
        assert leaks(tap.sent.decode("utf-8", "replace"), identifiers) == []


@pytest.mark.parametrize("wire", BACKENDS)
def test_a_second_caller_is_answered_from_the_cache_with_names(wire: str, tmp_path: Path) -> None:
    """The cache holds tokens."""
    identifiers = planted(41, 60)
    text = text_of(identifiers)
    with FaultyServer() as server, WireTap(server.url) as tap:
        with open_office(tmp_path, wire, tap, identifiers).mediator as mediator:
            outputs = [mediator.infer(text) for _ in range(3)]
        assert [each.content for each in outputs] == [text] * 3
        assert len(server.requests) == 1
        assert in_clear(kept_files(tmp_path), identifiers) == []


def test_hedged_calls_are_guarded_once_for_both(tmp_path: Path) -> None:
    """Two backends are asked the same tokens."""
    identifiers = planted(43, 60)
    with FaultyServer(Reply(delay=0.2)) as slow, FaultyServer() as fast, WireTap(slow.url) as a, WireTap(fast.url) as b:
        entries = [
            {"id": id, "type": "openai", "model": "m", "api_key": "sk-none", "base_url": f"{tap.url}/v1"}
            for id, tap in (("a", a), ("b", b))
        ]
        mediator = {"hedge_after": 0.01, "timeout": 60}
        with open_office(tmp_path, "chat", a, identifiers, BACKENDS=entries, MEDIATOR=mediator).mediator as opened:
            assert opened.infer(text_of(identifiers)).content == text_of(identifiers)
        for tap in (a, b):
            assert leaks(tap.sent.decode("utf-8", "replace"), identifiers) == []
        assert b.sent


def test_workers_in_other_processes_guard_by_the_same_config(tmp_path: Path) -> None:
    """The journal has what the caller gets; the wire has tokens."""
    identifiers = planted(47, 120)
    items = [BatchItem(text_of(group), id=str(at)) for at, group in enumerate(groups(identifiers, 20))]
    with FaultyServer() as server, WireTap(server.url) as tap:
        office = open_office(tmp_path, "chat", tap, identifiers)
        with office.mediator as mediator, ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            results = list(mediator.batch(items, executor=pool, ordered=True, journal=tmp_path / "j"))
        assert [result.output.content for result in results if result.output] == [item.prompt for item in items]
        assert leaks(tap.sent.decode("utf-8", "replace"), identifiers) == []


def test_what_is_planted_is_seen_where_nothing_is_guarded() -> None:
    """The search finds each in a body as JSON has it; lengths and digests hold none."""
    identifiers = planted(61, 600)
    for each in identifiers:
        assert in_clear(json.dumps({"content": each.sentence}), [each]) or in_clear(each.sentence, [each])
    short = [each for each in identifiers if len(squeeze(each.written)) < 8]
    assert in_clear(f"content-length: {'; '.join(squeeze(each.written) for each in short)}", short) == []


def _raises(text: str) -> Sequence[DetectedSpan]:
    raise RuntimeError(f"cannot read {text}")


def _ends(text: str) -> Sequence[DetectedSpan]:
    raise SystemExit(1)


def _nonsense(text: str) -> Sequence[DetectedSpan]:
    return [DetectedSpan(5, 10**9, "NAME")]


def _slow(text: str) -> Sequence[DetectedSpan]:
    from complaint_llm.routing.threads.waiting import Waiter

    Waiter().wait(2.0)
    return []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", [_raises, _ends, _nonsense, _slow], ids=lambda each: each.__name__)
def test_after_a_detector_failed_nothing_is_sent(
    way: str, fault: Callable[[str], Sequence[DetectedSpan]], logged: Callable[[], str]
) -> None:
    """Killed, slow or raising in the middle of many calls: the call that it fails sends nothing, a batch ends."""
    identifiers = planted(53, 48)
    texts = [text_of(group) for group in groups(identifiers, 4)]
    asked: list[str] = []

    def detector(text: str) -> Sequence[DetectedSpan]:
        asked.append(text)
        return fault(text) if len(asked) > 4 else [DetectedSpan(0, len(text), "NAME")]

    from complaint_llm.backends import OpenAIBackend

    with FaultyServer() as server, WireTap(server.url) as tap:
        guards = GuardChain([GuardEntry("names", Pseudonyms(detector=detector), scope="all", timeout=0.5)])
        backend = OpenAIBackend(base_url=f"{tap.url}/v1", api_key="sk-none", model="m", max_retries=0)
        with Mediator([backend], guards=guards, max_workers=1) as mediator:
            assert plain(mediator, texts[:2]) == texts[:2]
            asked[:] = ["x"] * 5
            before = tap.sent
            error = failure(lambda: WAYS[way](mediator, texts[2:]))
            assert isinstance(error, GuardError), error
            assert leaks(str(error), identifiers) == []
        assert tap.sent == before
    assert in_clear(logged(), identifiers) == []
