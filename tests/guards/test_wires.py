"""Planted identifiers on six wires: none that the guard is told of is sent, logged, cached or recorded in clear,
and answers come back with every name as it was."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.exceptions import ComplaintLLMError, GuardError
from complaint_llm.messages import Document, Done, InferenceOutput, Message, TextPart, Tool
from complaint_llm.testing import Reply
from tests.guards.identifiers import Planted, leaks, planted, request_with, squeeze
from tests.guards.office import (
    BACKENDS,
    STOP,
    Clerk,
    Office,
    groups,
    in_clear,
    kept_files,
    open_office,
    text_of,
)
from tests.guards.ways import (
    ELSEWHERE,
    IN_PROCESS,
    Way,
    by_command,
    cached,
    hedged,
    in_processes,
    one_by_one,
    parsed,
    plain,
    streamed,
)
from tests.peers import need_peer
from tests.wire_tap import WireTap


def check_wire(
    wire: str, ways: Mapping[str, Way], identifiers: Sequence[Planted], folder: Path, logged: Callable[[], str]
) -> None:
    """An equal share of the identifiers in each way."""
    missed: list[tuple[str, Planted]] = []
    with Clerk() as server, WireTap(server.url) as tap:
        office = open_office(folder, wire, tap, identifiers)
        with office.mediator:
            share = len(identifiers) // len(ways)
            for place, (way, ask) in enumerate(ways.items()):
                some = identifiers[place * share : (place + 1) * share]
                texts = [text_of(group) for group in groups(some)]
                tap.forget()
                assert ask(office, server, texts) == texts, f"{wire} {way}: an answer came back changed"
                sent = tap.sent.decode("utf-8", "replace")
                assert len(sent) > sum(map(len, texts)) / 2
                missed += [(f"{wire} {way}", each) for each in in_clear(sent, some)]
        missed += [("files", each) for each in in_clear(kept_files(folder), identifiers)]
        missed += [("logs", each) for each in in_clear(logged(), identifiers)]
    assert missed == []


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Everything that was logged at DEBUG, with the bodies of requests, and what child processes said."""
    caplog.set_level(logging.DEBUG)
    return lambda: "\n".join((caplog.text, *capfd.readouterr()))


@pytest.mark.rows(2)
@pytest.mark.parametrize("wire", BACKENDS)
def test_a_sample_of_planted_identifiers_does_not_leave(wire: str, tmp_path: Path, logged: Callable[[], str]) -> None:
    """Raw bytes on the wire, logs, the files of cache, ledger and provenance; answers have every name byte for byte."""
    check_wire(wire, IN_PROCESS, planted(23, 42 * len(IN_PROCESS)), tmp_path, logged)


@pytest.mark.rows(1)
@pytest.mark.parametrize("way", ELSEWHERE)
def test_a_sample_of_planted_identifiers_does_not_leave_from_other_processes(
    way: str, tmp_path: Path, logged: Callable[[], str]
) -> None:
    """Each of which keeps its logs, too."""
    if way == "dask":
        need_peer("distributed")
    check_wire("anthropic", {way: ELSEWHERE[way]}, planted(29, 120), tmp_path, logged)
    assert "/v1/messages" in "".join(each.read_text("utf-8") for each in tmp_path.glob("log-*.txt"))


@pytest.mark.endurance
@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("wire", BACKENDS)
def test_sixty_thousand_planted_identifiers_do_not_leave(
    wire: str, part: int, tmp_path: Path, logged: Callable[[], str]
) -> None:
    """10,000 on each wire: plain, streamed, in JSON, from the cache, embedded, hedged; in batches of threads and
    processes, on Dask, and by the command with ``--debug``."""
    need_peer("distributed")
    check_wire(wire, {**IN_PROCESS, **ELSEWHERE}, planted(1_000 + part, 2_000), tmp_path, logged)


def streamed_output(mediator: Mediator, prompt: str, **params: Any) -> InferenceOutput:
    *_, done = mediator.infer_stream(prompt, **params)
    assert isinstance(done, Done)
    return done.output


@pytest.mark.parametrize("wire", BACKENDS)
def test_tools_their_arguments_and_schemas_are_guarded_on_each_wire(wire: str, tmp_path: Path) -> None:
    """All that goes with a call goes as tokens; what a model calls with tokens reaches the caller with names, plain and
    streamed."""
    identifiers = planted(31, 120)
    with Clerk() as server, WireTap(server.url) as tap:  # noqa: SIM117 - the config names the tap
        with open_office(tmp_path, wire, tap, identifiers).mediator as mediator:
            for some in groups(identifiers, 30):
                given = request_with(some, random.Random(5))
                # A template has no place for calls of tools and their results.
                messages, tools = (given.messages[:2], ()) if wire == "http" else (given.messages, given.tools)
                tap.forget()
                assert mediator.infer(messages, tools=tools).content
                sent = tap.sent.decode("utf-8", "replace")
                assert len(sent) > sum(len(message.text) for message in messages) / 2
                assert ("look_up" in sent) == (wire != "http")
                assert leaks(sent, some) == []
            name = next(each.listed for each in identifiers if each.kind == "person")
            for ask in () if wire == "http" else (Mediator.infer, streamed_output):
                server.script(Reply(calls=[("look_up", {"who": "[NAME_1]", "why": 'he\'s "[NAME_1]"'})]))
                tool = Tool("look_up", f"for {name}", {"type": "object", "title": name})
                (call,) = ask(mediator, f"Look {name} up.", tools=[tool]).tool_calls
                assert call.arguments == {"who": name, "why": f'he\'s "{name}"'}
                assert json.loads(call.arguments_raw) == call.arguments
                assert name not in tap.sent.decode("utf-8", "replace")


@pytest.mark.rows(2)
@pytest.mark.parametrize("wire", BACKENDS)
def test_documents_and_structured_answers_are_guarded_on_each_wire(
    wire: str, tmp_path: Path, logged: Callable[[], str]
) -> None:
    """A document goes as guarded text; a parsed answer has names; what is logged at DEBUG has none."""
    identifiers = planted(67, 120)
    with Clerk() as server, WireTap(server.url) as tap:
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


def test_what_is_planted_is_seen_where_nothing_is_guarded() -> None:
    """The search finds each in a text, in a body as JSON has it and in a log's line of such a body; times, lengths and
    digests, whose digits may be any by chance, hold none."""
    identifiers = planted(61, 1_200)
    for each in identifiers:
        text = f"before:\n{each.sentence}\nafter"
        body = json.dumps({"content": text})
        for sent in (text, body, json.dumps({"content": text}, ensure_ascii=False), json.dumps({"body": body})):
            assert in_clear(sent, [each]) == [each], sent
    digits = [each for each in identifiers if squeeze(each.written).isdecimal()]
    numbers = [squeeze(each.written) for each in digits]
    assert len(digits) > 500
    assert in_clear("; ".join(f"1{number}" for number in numbers), digits) == []
    assert in_clear("; ".join(f"{number}.5e3 ab{number}c" for number in numbers if len(number) < 8), digits) == []


FAULTS = ("raises", "ends", "nonsense", "slow")
CLEAN = [f"Question {number}: what is due?" for number in range(9)]


def fail_in_the_middle(
    way: Way, fault: str, folder: Path, logged: Callable[[], str]
) -> tuple[ComplaintLLMError | list[str], list[int]]:
    """What came of nine texts whose fifth the detector fails at, and which of them the server was sent."""
    identifiers = planted(53, 24)
    texts = [*CLEAN[:4], f"{STOP}\n{text_of(identifiers)}", *CLEAN[5:]]
    with Clerk() as server, WireTap(server.url) as tap:
        with (office := open_office(folder, "chat", tap, identifiers, fault=fault)).mediator:
            try:
                came: ComplaintLLMError | list[str] = way(office, server, texts)
            except ComplaintLLMError as error:
                came = error
        sent = tap.sent.decode("utf-8", "replace")
    assert (folder / "failed").exists()
    assert STOP not in sent
    everything = "\n".join((sent, kept_files(folder), logged(), str(came) if isinstance(came, Exception) else ""))
    assert in_clear(everything, identifiers) == []
    return came, [at for at, text in enumerate(texts) if text in sent]


def embedded_together(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    return list(map(str, office.mediator.embed(texts, model="m")))


def embedded_one_by_one(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    return [str(office.mediator.embed(text, model="m")) for text in texts]


def in_one_process(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    return in_processes(office, server, texts, 1)


def on_one_worker(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    """Which is given several at once, and does one after the other."""
    return by_command(office, server, texts, "--executor", "dask://local/1", "-w", "1")


IN_TURN: dict[str, tuple[Way, list[int]]] = {
    "plain": (plain, [0, 1, 2, 3]),
    "stream": (streamed, [0, 1, 2, 3]),
    "json": (parsed, [0, 1, 2, 3]),
    "cache": (cached, [0, 1, 2, 3]),
    "hedge": (hedged, [0, 1, 2, 3]),
    "embed": (embedded_one_by_one, [0, 1, 2, 3]),
    "embed together": (embedded_together, []),
    "batch": (one_by_one, [0, 1, 2, 3]),
}


@pytest.mark.rows(8)
@pytest.mark.parametrize("way", IN_TURN)
@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_detector_failed_nothing_is_sent(
    way: str, fault: str, tmp_path: Path, logged: Callable[[], str]
) -> None:
    """Ended, slow, raising or talking nonsense in the middle: a GuardError, and no text of that call or behind it."""
    ask, before = IN_TURN[way]
    came, sent = fail_in_the_middle(ask, fault, tmp_path, logged)
    assert isinstance(came, GuardError), came
    assert sent == before


OTHER_PROCESSES: dict[str, Way] = {"processes": in_one_process, "dask": on_one_worker, "command": by_command}
SAMPLED = {("processes", "raises"), ("command", "ends")}


@pytest.mark.parametrize(
    ("way", "fault"),
    [
        pytest.param(way, fault, marks=() if (way, fault) in SAMPLED else pytest.mark.endurance)
        for way in OTHER_PROCESSES
        for fault in FAULTS
    ],
)
def test_after_a_detector_failed_in_another_process_it_sends_nothing(
    way: str, fault: str, tmp_path: Path, logged: Callable[[], str]
) -> None:
    """Though it had been given more: that is not begun."""
    if way == "dask":
        need_peer("distributed")
    came, sent = fail_in_the_middle(OTHER_PROCESSES[way], fault, tmp_path, logged)
    assert isinstance(came, GuardError if way == "processes" else list), came
    assert sent == [0, 1, 2, 3]


@pytest.mark.endurance
@pytest.mark.parametrize("way", OTHER_PROCESSES)
def test_a_text_whose_detector_kills_its_process_is_not_sent(
    way: str, tmp_path: Path, logged: Callable[[], str]
) -> None:
    """Dask gives it to others, which end as well; a pool is at its end."""
    if way == "dask":
        need_peer("distributed")
    _, sent = fail_in_the_middle(OTHER_PROCESSES[way], "killed", tmp_path, logged)
    assert 4 not in sent
    assert way == "dask" or set(sent) <= {0, 1, 2, 3}
