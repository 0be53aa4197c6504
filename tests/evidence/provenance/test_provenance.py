"""Provenance: what a record says, how records are chained, and the tree that verification shows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import dag_cbor
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multiformats import CID

from complaint_llm.evidence import Cid, EvidenceStore, ProvenanceLog, RequestDetails, Step, config_digest, trace
from complaint_llm.evidence.index.database import Database
from complaint_llm.evidence.ipld.cid import DAG_CBOR
from complaint_llm.evidence.provenance.record import decode_provenance
from complaint_llm.exceptions import ConfigError, EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError
from complaint_llm.messages import ImagePart, InferenceOutput, Message, Shown, TextPart, TokenUsage, Tool, ToolCall
from complaint_llm.secrets import Secret

ASKED = RequestDetails((Message("system", "be brief"), Message("user", "Extract the claims: é")), {"temperature": 0.2})
ANSWERED = InferenceOutput(
    "Three claims.",
    reasoning="first, second, third",
    token_usage=TokenUsage(11, 22, 33, 4, None),
    finish_reason="stop",
    cost=0.0125,
    backend="gpt",
    model="gpt-5-mini",
)


@pytest.fixture
def log(store: EvidenceStore) -> Iterator[ProvenanceLog]:
    """A log of digests with a clock that stands still."""
    found = ProvenanceLog(
        store.database,
        config_sha256=config_digest({"a": 1}),
        plugins={"openai": "1.2"},
        clock=lambda: 1_700_000_000.25,
    )
    yield found
    found.close()


def kept(store: EvidenceStore, log: ProvenanceLog, cid: str) -> Any:
    """The record as it is on disk, decoded by the oracle."""
    log.flush()
    with store.database.transaction("read") as connection:
        (data,) = connection.execute("SELECT data FROM provenance WHERE cid = ?", (cid,)).fetchone()
    assert str(CID("base32", 1, "dag-cbor", ("sha2-256", sha256(data).digest()))) == cid
    found: Any = dag_cbor.decode(data)
    assert dag_cbor.encode(found) == data  # the one form of this value
    return found


def shown(link: Any) -> str:
    return str(link.encode("base32"))


def raw(text: str) -> str:
    return str(CID("base32", 1, "raw", ("sha2-256", sha256(text.encode()).digest())))


def test_a_record_says_what_was_asked_and_answered(store: EvidenceStore, log: ProvenanceLog) -> None:
    """Each part of the contract, readable by any DAG-CBOR tool."""
    cited = store.submit_evidence(b"hello world\n", "document")["cid"]
    cid = log.record(ASKED._replace(evidence=log.check_evidence([cited])), ANSWERED).cid
    record = kept(store, log, cid)
    prompt: Any = {
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "Extract the claims: é"}]
    }
    assert shown(record.pop("prompt")) == str(
        CID("base32", 1, "dag-cbor", ("sha2-256", sha256(dag_cbor.encode(prompt)).digest()))
    )
    assert shown(record.pop("answer")) == raw("Three claims.")
    assert shown(record.pop("reasoning")) == raw("first, second, third")
    assert [shown(link) for link in record.pop("evidence")] == [cited]
    assert record == {
        "kind": "complaint_llm/provenance/1",
        "time": "2023-11-14T22:13:20.250000Z",
        "model": "gpt-5-mini",
        "backend": "gpt",
        "parameters": {"temperature": 0.2},
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 22,
            "total_tokens": 33,
            "cached_tokens": 4,
            "reasoning_tokens": None,
        },
        "cost": 0.0125,
        "finish_reason": "stop",
        "demo": False,
        "cached": False,
        "plugins": {"openai": "1.2"},
        "config_sha256": config_digest({"a": 1}),
        "tool_calls": None,
        "previous": None,
    }


texts = st.text(max_size=30)
messages = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    texts
    | st.lists(
        st.builds(TextPart, texts)
        | st.builds(lambda data: ImagePart(data=data, media_type="image/png"), st.binary(max_size=9)),
        max_size=3,
    ).map(tuple),
    st.lists(st.builds(lambda i, n, a: ToolCall(i, n, {}, a), texts, texts, texts), max_size=2).map(tuple),
    st.none() | texts,
    st.none() | texts,
    st.none(),
)
counts = st.integers(0, 10**7)
outputs = st.builds(
    InferenceOutput,
    texts,
    st.lists(st.builds(lambda i, n, a: ToolCall(i, n, None, a), texts, texts, texts), max_size=2).map(tuple),
    st.none() | texts,
    token_usage=st.builds(TokenUsage, counts, counts, counts, st.none() | counts, st.none() | counts),
    finish_reason=st.sampled_from([None, "stop", "length", "tool_calls"]),
    cost=st.none() | st.floats(0, 1000),
    backend=texts,
    model=texts,
    metadata=st.sampled_from([{}, {"demo": True}, {"cached": True}, {"demo": False, "other": 1}]),
    **dict.fromkeys(["confidence", "parsed", "provenance", "extra"], st.none()),
    attempts=st.just(()),
)
parameters = st.dictionaries(
    texts, st.none() | st.booleans() | counts | st.floats(0, 9) | texts | st.lists(texts, max_size=3), max_size=4
)
tools = st.lists(st.builds(Tool, texts, texts, st.just({"type": "object", "properties": {}})), max_size=2)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
pages = st.lists(st.integers(1, 10**6), max_size=3).map(tuple)
shown_documents = st.builds(
    Shown,
    cid=st.just("bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"),
    shown=st.sampled_from(["text", "document", "image", "no"]),
    name=texts,
    media_type=texts,
    sha256=st.just("") | digests,
    pages=pages,
    image_pages=pages,
    text_sha256=st.none() | digests,
    reader=st.none() | texts,
)
requests = st.builds(
    RequestDetails,
    st.lists(messages, max_size=3),
    parameters,
    tools,
    st.just(()),
    st.lists(shown_documents, max_size=2).map(tuple),
    own=st.none(),
    matter=st.none() | texts,
)


@given(details=requests, output=outputs)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_record_is_in_the_formats_one_form(
    store: EvidenceStore, log: ProvenanceLog, details: RequestDetails, output: InferenceOutput
) -> None:
    """Whatever a record holds, the oracle decodes it and would write the same bytes."""
    record = kept(store, log, log.record(details, output).cid)
    assert record["parameters"] == dict(details.parameters)
    assert [entry["shown"] for entry in record.get("shown", [])] == [each.shown for each in details.shown]
    assert record["usage"] == {name: getattr(output.token_usage, name) for name in record["usage"]}
    assert {"prompt_tokens", "completion_tokens", "total_tokens"} <= set(record["usage"])
    assert (record["model"], record["cost"], record["finish_reason"]) == (
        output.model,
        output.cost,
        output.finish_reason,
    )
    assert (record["tool_calls"] is None) == (not output.tool_calls)
    assert record["demo"] == bool(output.metadata.get("demo"))


@given(details=requests, output=outputs)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_kept_prompts_are_in_the_formats_one_form(
    store: EvidenceStore, details: RequestDetails, output: InferenceOutput
) -> None:
    """With "full", the prompt's block is the DAG-CBOR of its messages and tools, and everything verifies."""
    log = ProvenanceLog(store.database, level="full")
    cid = log.record(details, output).cid
    log.close()
    with store.database.transaction("read") as connection:
        (data,) = connection.execute("SELECT data FROM provenance WHERE cid = ?", (cid,)).fetchone()
        name = decode_provenance(cid, data)["prompt"].name
        (block,) = connection.execute("SELECT data FROM texts WHERE cid = ?", (name,)).fetchone()
    prompt: Any = dag_cbor.decode(block)
    assert dag_cbor.encode(prompt) == block
    assert [message["role"] for message in prompt["messages"]] == [message.role for message in details.messages]
    assert ("tools" in prompt) == bool(details.tools)
    assert trace(store, cid).ok


def test_records_are_chained_also_across_logs(store: EvidenceStore) -> None:
    """Each links to the one before; a new Mediator goes on from the newest that the store has."""
    cids = []
    for _ in range(2):
        log = ProvenanceLog(store.database)
        cids += [log.record(ASKED, ANSWERED).cid for _ in range(3)]
        log.close()
    tree = trace(store, cids[-1], depth=6)
    seen = []
    at: Step | None = tree
    while at is not None:
        seen.append(at.cid)
        at = next((part for part in at.parts if part.what == "previous record"), None)
    assert seen == cids[::-1]
    assert len(set(cids)) == 6


def test_threads_make_one_chain(store: EvidenceStore) -> None:
    """No fork, no loss: as many records before the newest as there were calls."""
    log = ProvenanceLog(store.database)
    threads = [threading.Thread(target=lambda: [log.record(ASKED, ANSWERED).cid for _ in range(200)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    newest = log.record(ASKED, ANSWERED).cid
    log.close()
    assert trace(store, newest).parts[-1].detail == "1600 verified, back to the first"
    assert store.verify().provenance == 1601
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("complaint_llm")]


def test_digests_keep_no_text(store: EvidenceStore, log: ProvenanceLog) -> None:
    """Neither prompt nor answer is anywhere in the folder."""
    cid = log.record(RequestDetails((Message("user", "SECRETPROMPT"),)), InferenceOutput("SECRETANSWER")).cid
    log.flush()
    states = {part.what: part.state for part in trace(store, cid).parts}
    assert (states["answer"], states["prompt"]) == ("digest only", "digest only")
    store.close()
    for path in store.path.rglob("*"):
        assert not path.is_file() or b"SECRET" not in path.read_bytes()


def test_full_keeps_texts_and_verifies_them(store: EvidenceStore) -> None:
    """And only that level does."""
    log = ProvenanceLog(store.database, level="full")
    cid = log.record(ASKED, ANSWERED._replace(tool_calls=(ToolCall("1", "look_up", {}, "{}"),))).cid
    log.close()
    states = {part.what: part.state for part in trace(store, cid).parts}
    assert {states[what] for what in ("answer", "reasoning", "tool calls", "prompt")} == {"verified"}


def test_the_tree_shows_every_part_and_follows_evidence(store: EvidenceStore, log: ProvenanceLog) -> None:
    """Answer, prompt, model, backend, parameters, config, plugins, price, evidence with its records, previous."""
    cited = store.submit_evidence(b"x" * 300_000, "document")["cid"]
    log.record(ASKED, ANSWERED)
    cid = log.record(
        ASKED._replace(evidence=log.check_evidence([cited])), ANSWERED._replace(metadata={"demo": True})
    ).cid
    log.flush()
    tree = trace(store, cid)
    parts = {part.what: part for part in tree.parts}
    assert tree.ok
    assert parts["model"].detail == "gpt-5-mini"
    assert parts["cost"].detail == "0.0125"
    assert parts["plugins"].detail == "openai 1.2"
    assert parts["config sha256"].detail == config_digest({"a": 1}).hex()
    assert parts["demo"].detail == "answered by a mock, not by a model"
    assert (parts["evidence"].cid, parts["evidence"].state, parts["evidence"].detail) == (
        cited,
        "verified",
        "300000 bytes; cited, not shown to the model",
    )
    assert (parts["evidence"].shown, parts["model"].shown) == ("no", None)
    assert parts["evidence"].parts[0].what == "record"
    assert parts["previous records"].detail == "1 verified, back to the first"
    store.delete_evidence(cited)
    fault = trace(store, cid).fault
    assert fault is not None
    assert (fault.what, fault.cid, fault.state) == ("evidence", cited, "missing")


def test_evidence_has_a_tree_too(store: EvidenceStore) -> None:
    """A CID of content shows its records; one that is not here is not found."""
    cid = store.submit_evidence(b"x", "letter")["cid"]
    assert trace(store, cid).parts[0].detail.startswith("letter, ")
    store.delete_evidence(cid)
    for absent in (cid, "bafyreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"):
        with pytest.raises(EvidenceNotFoundError):
            trace(store, absent)


def test_evidence_is_checked_before_anything_is_sent(log: ProvenanceLog) -> None:
    """What is no CID, and what is not here."""
    with pytest.raises(EvidenceError, match="is no CID"):
        log.check_evidence(["a letter"])
    with pytest.raises(EvidenceNotFoundError, match="submit it before it is cited"):
        log.check_evidence(["bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"])


def test_the_configs_digest_has_no_secret_in_it() -> None:
    """Equal configs with other keys have one digest; any other difference shows."""
    config = {"BACKENDS": [{"id": "a", "api_key": Secret("sk-1"), "stop": ("x",)}]}
    other = {"BACKENDS": [{"id": "a", "api_key": Secret("sk-2"), "stop": ["x"]}]}
    assert config_digest(config) == config_digest(other)
    assert config_digest(config) != config_digest({"BACKENDS": [{"id": "b", "api_key": Secret("sk-1"), "stop": ["x"]}]})


def test_text_without_a_utf8_form_is_recorded(store: EvidenceStore, log: ProvenanceLog) -> None:
    """A lone surrogate in a prompt or answer does not cost an answer its record."""
    cid = log.record(RequestDetails((Message("user", "a\ud800b"),)), InferenceOutput("c\udfffd")).cid
    assert shown(kept(store, log, cid)["answer"]) == raw("c\ufffdd")


@pytest.mark.parametrize("value", [object(), float("nan"), {1: 2}, 2**70])
def test_a_parameter_without_a_form_is_one_error(log: ProvenanceLog, value: Any) -> None:
    """The chain is not touched by it."""
    with pytest.raises(EvidenceError, match="cannot be recorded"):
        log.record(ASKED._replace(parameters={"x": value}), ANSWERED)
    log.record(ASKED, ANSWERED)


def test_a_write_that_fails_stops_the_log(store: EvidenceStore) -> None:
    """It is raised by flush, by every later call and by close: no answer goes unrecorded in silence."""
    log = ProvenanceLog(store.database)
    log.record(ASKED, ANSWERED)
    log.flush()
    with store.database.transaction("exclusive") as connection:
        connection.execute("ALTER TABLE provenance RENAME TO elsewhere")
    log.record(ASKED, ANSWERED)
    for call in (log.flush, lambda: log.record(ASKED, ANSWERED).cid, log.close):
        with pytest.raises(EvidenceError, match="provenance could not be written"):
            call()
    with store.database.transaction("exclusive") as connection:
        connection.execute("ALTER TABLE elsewhere RENAME TO provenance")


def test_a_long_collection_only_delays_records(store: EvidenceStore) -> None:
    """A busy store is waited for, as often as it takes."""
    hasty = Database(store.path, busy_timeout=0.05)
    log = ProvenanceLog(hasty)
    with store.database.transaction("exclusive"):
        cid = log.record(ASKED, ANSWERED).cid
        waiting = threading.Thread(target=log.flush)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join(30)
    assert trace(store, cid).ok
    log.close()
    hasty.close()


def test_a_closed_log_says_so(store: EvidenceStore) -> None:
    """Closing twice is fine, recording afterwards is not."""
    log = ProvenanceLog(store.database)
    log.record(ASKED, ANSWERED)
    log.close()
    log.close()
    with pytest.raises(EvidenceError, match="is closed"):
        log.record(ASKED, ANSWERED)
    with pytest.raises(ConfigError, match="/MEDIATOR/provenance"):
        ProvenanceLog(store.database, level="all")  # type: ignore[arg-type]


@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_or_the_error(data: bytes) -> None:
    """Fuzzed: a record is read only if it is whole and of its name."""
    name = str(CID("base32", 1, "dag-cbor", ("sha2-256", sha256(data).digest())))
    with pytest.raises(EvidenceCorruptedError, match=name):
        decode_provenance(name, data)
    with pytest.raises(EvidenceCorruptedError, match="not what it is named by"):
        decode_provenance(Cid(DAG_CBOR, b"\0" * 32).name, data)
