"""Evidence that a call names is what the model reads: the bytes of the store, on this machine unless the config says
otherwise, and never after anything of it was changed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import FallbackBackend, LLMRouterBackend, LoadBalancedBackend, MockBackend, OpenAIBackend
from complaint_llm.exceptions import AllBackendsFailedError, ComplaintLLMError, EvidenceError, InvalidRequestError
from complaint_llm.messages import Document, Done, Message, TextPart
from complaint_llm.testing import FaultyServer

REVIEW = "Performance review 2023: ZEBRA-7 exceeded every target — «très bien».\n"
ASKED = "Which claims does it support?"


@pytest.fixture
def far() -> Iterator[FaultyServer]:
    """A server that counts as beyond this machine: nobody says that it is local."""
    with FaultyServer() as server:
        yield server


@pytest.fixture
def near() -> Iterator[FaultyServer]:
    """A server on this machine."""
    with FaultyServer() as server:
        yield server


def remote(server: FaultyServer, **keys: Any) -> OpenAIBackend:
    return OpenAIBackend(id="far", base_url=f"{server.url}/v1", model="m", api_key="sk-none", max_retries=0, **keys)


def local(server: FaultyServer, **keys: Any) -> OpenAIBackend:
    return OpenAIBackend(
        id="near", base_url=f"{server.url}/v1", model="m", api_key="sk-none", location="local", max_retries=0, **keys
    )


def body(server: FaultyServer) -> str:
    return json.dumps([request.body for request in server.requests], ensure_ascii=False)


class Reader(MockBackend):
    """Takes PDFs as they are, and says what it was given."""

    document_types = frozenset(("application/pdf",))


# -- what is shown ----------------------------------------------------------------------------------------------------

TEXTS = [
    REVIEW,
    "x",
    "a\tb\r\nc",
    "naïve “quoted” text",
    "שלום עולם",
    "مرحبا",
    "0" * 400_000,
    "[page 1 of 9 aaaa]",
    "{input}",
    "\\n",
]


@pytest.mark.rows(4)
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_the_text_shown_is_that_of_the_store(near: FaultyServer, tmp_path: Path, text: str) -> None:
    """What left holds every line of it; a second block or a right-to-left letter makes no difference."""
    with Mediator([local(near)], folder=tmp_path) as mediator:
        cid = mediator.submit_evidence(text.encode(), "document", file_name="review.txt")["cid"]
        output = mediator.infer(ASKED, evidence=[cid])
    (said,) = (request.body["messages"][-1]["content"] for request in near.requests)
    assert all(line in said for line in text.splitlines())
    assert said.endswith(ASKED)
    (shown,) = output.shown
    assert (shown.cid, shown.shown, shown.evidence, shown.name) == (cid, "text", True, "review.txt")


@pytest.mark.rows(2)
@pytest.mark.parametrize("size", [9, 300, 262_144, 262_145, 1_000_000])
def test_the_file_shown_is_that_of_the_store(tmp_path: Path, size: int) -> None:
    """A backend that reads such files gets the same bytes, whatever number of blocks they are in."""
    data = b"%PDF-1.7\n" + bytes(range(256)) * (size // 256 + 1)
    backend = Reader(id="reader", responses=["yes"])
    with Mediator([backend], folder=tmp_path) as mediator:
        cid = mediator.submit_evidence(data, "document", file_name="lease.pdf")["cid"]
        output = mediator.infer(ASKED, evidence=[cid])
    assert backend.last_request is not None
    parts = backend.last_request.messages[-1].content
    assert [part.data for part in parts if isinstance(part, Document)] == [data]
    assert [(each.cid, each.shown) for each in output.shown] == [(cid, "document")]


@pytest.mark.rows(4)
@pytest.mark.parametrize("spelling", ["{}", "ipfs://{}", "https://ipfs.io/ipfs/{}", ' "{}"\n', "/ipfs/{}"])
def test_a_cid_is_one_however_it_is_pasted(near: FaultyServer, tmp_path: Path, spelling: str) -> None:
    """Named twice in two spellings it is cited and shown once, under its own name."""
    with Mediator([local(near)], folder=tmp_path, provenance="digests") as mediator:
        cid = mediator.submit_evidence(REVIEW.encode(), "document")["cid"]
        output = mediator.infer(ASKED, evidence=[spelling.format(cid)], cite=[cid, spelling.format(cid)])
        cited = mediator.infer(ASKED, cite=[spelling.format(cid), cid])
    assert [(each.cid, each.shown) for each in output.shown] == [(cid, "text")]
    assert [(each.cid, each.shown) for each in cited.shown] == [(cid, "no")]


def test_an_answer_from_the_cache_says_what_this_call_cites(tmp_path: Path) -> None:
    """The same question with and without cite= is one answer; each call's own list goes with it."""
    with Mediator(
        [MockBackend(id="a", echo=True, cache_enabled=True)], folder=tmp_path, provenance="digests"
    ) as mediator:
        cid = mediator.submit_evidence(REVIEW.encode(), "document")["cid"]
        found = [mediator.infer("x", cite=cite) for cite in ([cid], [], [cid])]
    assert [bool(each.metadata.get("cached")) for each in found] == [False, True, True]
    assert [[shown.cid for shown in each.shown] for each in found] == [[cid], [], [cid]]


# -- what is damaged or missing ---------------------------------------------------------------------------------------


def large_block(store: Path) -> Path:
    return max((path for path in store.glob("blocks/?/*") if path.is_file()), key=lambda path: path.stat().st_size)


@pytest.mark.rows(4)
@pytest.mark.parametrize("place", [0, 1, 7, 4_095, 65_536, 131_072, 200_000, 262_142, 262_143, -1])
def test_a_changed_byte_is_an_error_before_anything_is_sent(near: FaultyServer, tmp_path: Path, place: int) -> None:
    """Wherever in the block it is; with cite= nothing is read."""
    store = tmp_path / "store"
    with Mediator([local(near)], evidence={"path": str(store)}, provenance="digests") as mediator:
        cid = mediator.submit_evidence(REVIEW.encode() * 5_000, "document")["cid"]
        path = large_block(store)
        damaged = bytearray(path.read_bytes())
        damaged[place] ^= 1
        path.chmod(0o600)
        path.write_bytes(damaged)
        for way in ({"evidence": [cid]}, {"stream": True}, {"part": True}):
            with pytest.raises(EvidenceError, match="damaged"):
                ask(mediator, cid, way)
        assert near.requests == []
        mediator.infer(ASKED, cite=[cid])


def ask(mediator: Mediator, cid: str, way: Any) -> Any:
    if "part" in way:
        return mediator.infer([Message("user", (Document(cid=cid), TextPart(ASKED)))])
    if "stream" in way:
        return list(mediator.infer_stream(ASKED, evidence=[cid]))
    return mediator.infer(ASKED, evidence=way["evidence"])


MISSING = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    "cids", [[MISSING], ["here", MISSING], [MISSING, "here"], ["no cid"], ["bafk"], ["bafyrei" + "a" * 52]]
)
@pytest.mark.parametrize("way", ["evidence", "part", "cite"])
def test_evidence_that_is_not_there_is_an_error_before_anything_is_sent(
    near: FaultyServer, tmp_path: Path, cids: list[str], way: str
) -> None:
    """Shown or cited, alone or beside one that is there."""
    with Mediator([local(near)], folder=tmp_path, provenance="digests") as mediator:
        here = mediator.submit_evidence(REVIEW.encode(), "document")["cid"]
        named = [here if cid == "here" else cid for cid in cids]
        prompt = [Message("user", (*(Document(cid=cid) for cid in named), TextPart(ASKED)))] if way == "part" else ASKED
        params: dict[str, Any] = {} if way == "part" else {way: named}
        with pytest.raises(EvidenceError):
            mediator.infer(prompt, **params)
    assert near.requests == []


UNREADABLE = {
    "a.zip": b"PK\x05\x06" + bytes(18),
    "a.mp4": b"\0\0\0\x18ftypmp42" + bytes(99),
    "a.mp3": b"ID3\x03" + bytes(99),
    "a.gz": b"\x1f\x8b\x08\0" + bytes(99),
    "a.7z": b"7z\xbc\xaf\x27\x1c" + bytes(99),
    "a.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99),
    "a.exe": b"MZ\x90\0" + bytes(99),
    "a.wav": b"RIFF\0\0\0\0WAVE" + bytes(99),
    "a.tar": b"a.txt" + bytes(507),
    "a.bin": bytes(range(256)),
}


@pytest.mark.rows(4)
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_no_model_reads_is_one_line_that_names_cite(near: FaultyServer, tmp_path: Path, name: str) -> None:
    """Archives, films, sounds, programs: nothing is sent, and cite= records them."""
    with Mediator([local(near)], folder=tmp_path, provenance="digests") as mediator:
        cid = mediator.submit_evidence(UNREADABLE[name], "document", file_name=name)["cid"]
        with pytest.raises(InvalidRequestError) as caught:
            mediator.infer(ASKED, evidence=[cid])
        assert near.requests == []
        said = caught.value.message
        assert name in said
        assert "cite= only records it" in said
        assert "\n" not in said
        assert mediator.infer(ASKED, cite=[cid]).shown[0].shown == "no"


# -- where it may go --------------------------------------------------------------------------------------------------

Made = Callable[[FaultyServer], Any]
NESTED: dict[str, Made] = {
    "itself": remote,
    "fallback": lambda far: FallbackBackend(primary=remote(far), fallbacks=[]),
    "fallback of fallback": lambda far: FallbackBackend(
        primary=FallbackBackend(primary=remote(far), fallbacks=[]), fallbacks=[]
    ),
    "balanced": lambda far: LoadBalancedBackend([remote(far)], strategy="round_robin"),
    "router": lambda far: LLMRouterBackend("router", remote(far), "m"),
    "cached": lambda far: remote(far, cache_enabled=True),
    "documents as text": lambda far: remote(far, documents="text"),
}
WAYS: dict[str, Callable[[Mediator, str], Any]] = {
    "infer": lambda mediator, cid: mediator.infer(ASKED, evidence=[cid]),
    "generate": lambda mediator, cid: mediator.generate(ASKED, evidence=[cid]),
    "stream": lambda mediator, cid: list(mediator.infer_stream(ASKED, evidence=[cid])),
    "pieces": lambda mediator, cid: list(mediator.stream_generate(ASKED, evidence=[cid])),
    "part": lambda mediator, cid: mediator.infer([Message("user", (Document(cid=cid), TextPart(ASKED)))]),
    "part as a mapping": lambda mediator, cid: mediator.infer(
        [{"role": "user", "content": [{"type": "document", "cid": cid}, {"type": "text", "text": ASKED}]}]
    ),
    "an earlier turn": lambda mediator, cid: mediator.infer(
        [Message("user", (Document(cid=cid),)), Message("assistant", "yes"), Message("user", ASKED)]
    ),
    "a task": lambda mediator, cid: mediator.infer("", task="summary", evidence=[cid]),
    "a schema": lambda mediator, cid: mediator.infer(ASKED, evidence=[cid], response_format={"type": "object"}),
    "batch": lambda mediator, cid: raised(mediator.batch([ASKED], evidence=[cid])),
    "batch_generate": lambda mediator, cid: mediator.batch_generate([ASKED], evidence=[cid]),
}


def raised(results: Any) -> None:
    for result in results:
        if result.error is not None:
            raise result.error


@pytest.mark.rows(4)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("made", NESTED)
def test_evidence_does_not_leave_this_machine_unless_the_config_says_so(
    far: FaultyServer, tmp_path: Path, made: str, way: str
) -> None:
    """However backend and evidence are named: nothing is sent, and the error names the host and cite=."""
    with Mediator([NESTED[made](far)], folder=tmp_path) as mediator:
        cid = mediator.submit_evidence(REVIEW.encode(), "document")["cid"]
        with pytest.raises(ComplaintLLMError) as caught:
            WAYS[way](mediator, cid)
    assert far.requests == []
    errors = [caught.value, *getattr(caught.value, "errors", {}).values()]
    said = " ".join(str(each) for each in errors)
    assert "127.0.0.1" in said
    assert "cite=" in said


SETTINGS: list[dict[str, Any]] = [
    {},
    {"hedge_after": 0.001},
    {"privacy": "local"},
    {"max_attempts": 1},
    *({"strategy": name} for name in ("round_robin", "random", "weighted", "least_loaded", "lowest_latency")),
    {"strategy": "lowest_cost"},
]


@pytest.mark.rows(4)
@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("order", [("far", "near"), ("near", "far")])
def test_a_local_model_is_asked_in_the_place_of_a_remote_one(
    far: FaultyServer, near: FaultyServer, tmp_path: Path, order: tuple[str, str], settings: dict[str, Any]
) -> None:
    """Under every strategy, hedged too and in private: each time again."""
    backends = {"far": remote(far), "near": local(near)}
    with Mediator([backends[id] for id in order], folder=tmp_path, **settings) as mediator:
        cid = mediator.submit_evidence(REVIEW.encode(), "document")["cid"]
        for _ in range(4):
            assert mediator.infer(ASKED, evidence=[cid]).backend == "near"
        (done,) = (event for event in mediator.infer_stream(ASKED, evidence=[cid]) if isinstance(event, Done))
        assert [each.shown for each in done.output.shown] == ["text"]
    assert far.requests == []
    assert "ZEBRA-7" in body(near)


def test_a_failed_local_model_is_not_followed_by_a_remote_one(
    far: FaultyServer, near: FaultyServer, tmp_path: Path
) -> None:
    """The fallback that would be tried for any other prompt is passed over, with the reason."""
    near.close()
    with Mediator([local(near), remote(far)], folder=tmp_path) as mediator:
        cid = mediator.submit_evidence(REVIEW.encode(), "document")["cid"]
        with pytest.raises(ComplaintLLMError) as caught:
            mediator.infer(ASKED, evidence=[cid])
        assert far.requests == []
        assert mediator.infer(ASKED).backend == "far"
    assert isinstance(caught.value, AllBackendsFailedError) or caught.value.backend == "near"


def test_a_backend_named_by_the_call_is_no_exception(far: FaultyServer, near: FaultyServer, tmp_path: Path) -> None:
    """``backend=`` chooses among those that may be asked; explain says why this one may not."""
    with Mediator([local(near)], others=[remote(far)], folder=tmp_path) as mediator:
        cid = mediator.submit_evidence(REVIEW.encode(), "document")["cid"]
        with pytest.raises(InvalidRequestError, match=r"127\.0\.0\.1.*cite="):
            mediator.infer(ASKED, evidence=[cid], backend="far")
        (considered,) = mediator.explain(ASKED, evidence=[cid], backend="far").candidates
        assert considered.skip is not None
        assert "127.0.0.1" in considered.skip
        assert "cite=" in considered.skip
        assert mediator.explain(ASKED, evidence=[cid]).first is not None
    assert far.requests == []


def test_any_lets_it_go_to_whom_is_asked(far: FaultyServer, tmp_path: Path) -> None:
    """``"show": "any"`` is the office's decision; privacy still stands above it."""
    with Mediator([remote(far)], evidence={"path": str(tmp_path / "store"), "show": "any"}) as mediator:
        cid = mediator.submit_evidence(REVIEW.encode(), "document")["cid"]
        with pytest.raises(ComplaintLLMError):
            mediator.infer(ASKED, evidence=[cid], privacy="local")
        assert far.requests == []
        mediator.infer(ASKED, evidence=[cid])
    assert "ZEBRA-7" in body(far)


# -- the changed meaning ----------------------------------------------------------------------------------------------


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    ("settings", "call", "warnings"),
    [
        ({"provenance": "digests"}, "evidence", 1),
        ({"provenance": "full"}, "evidence", 1),
        ({"provenance": "digests"}, "cite", 0),
        ({"provenance": False}, "evidence", 0),
        ({"provenance": "digests", "evidence": {"show": "local"}}, "evidence", 0),
        ({"provenance": "digests", "evidence": {"show": "any"}}, "evidence", 0),
    ],
)
def test_who_may_still_mean_recording_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, settings: dict[str, Any], call: str, warnings: int
) -> None:
    """Only where evidence= could stand before, until the config chooses where evidence is shown."""
    evidence = {"path": str(tmp_path / "store"), **settings.get("evidence", {})}
    with (
        caplog.at_level(logging.WARNING),
        Mediator([MockBackend(id="a", echo=True)], **{**settings, "evidence": evidence}) as mediator,
    ):
        cid = mediator.submit_evidence(REVIEW.encode(), "document")["cid"]
        for _ in range(3):
            mediator.infer(ASKED, **{call: [cid]})
    told = [record for record in caplog.records if "cite=" in record.getMessage()]
    assert [record.levelname for record in told] == ["WARNING"] * warnings
    assert "ZEBRA" not in caplog.text
