"""The IPFS node: what is stored here is there too, pinned, under the same names; without it nothing is lost."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.exceptions import ConfigError, EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError

SIZE = 600_000


@pytest.fixture
def mirrored(tmp_path: Path, node: Any) -> Iterator[EvidenceStore]:
    """A store with the node."""
    with EvidenceStore(tmp_path / "mirrored", ipfs_api=node.api) as found:
        yield found


def test_blocks_are_put_and_the_root_is_pinned(
    mirrored: EvidenceStore,
    node: Any,
    content: Callable[[int], bytes],
    blocks_of: Callable[[EvidenceStore], list[Cid]],
) -> None:
    """Every block of the file under the node's own name for it, and one recursive pin."""
    record = mirrored.submit_evidence(content(SIZE), "document")
    assert record["pinned"]
    assert mirrored.get_evidence_by_cid(record["cid"])["pinned"]
    assert set(node.blocks) == {str(cid) for cid in blocks_of(mirrored)}
    assert node.pins == {record["cid"]}


def test_what_is_pinned_is_not_sent_again(mirrored: EvidenceStore, node: Any) -> None:
    """A second record about the same content asks nothing of the node."""
    mirrored.submit_evidence(b"x", "document")
    node.calls.clear()
    mirrored.submit_evidence(b"x", "document", description="again")
    assert node.calls == []


def test_absent_evidence_is_fetched_and_verified(
    mirrored: EvidenceStore, node: Any, tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    """A store that never saw the content reads it from the node; a lie of the node is named."""
    cid = mirrored.submit_evidence(content(SIZE), "document")["cid"]
    with EvidenceStore(tmp_path / "empty", ipfs_api=node.api) as empty:
        assert empty.retrieve_evidence(cid) == content(SIZE)
        leaf = next(name for name in node.blocks if name != cid)
        node.blocks[leaf] = b"a lie"
        with pytest.raises(EvidenceCorruptedError, match=f"gave other bytes than block {leaf}"):
            empty.retrieve_evidence(cid)
        del node.blocks[leaf]
        with pytest.raises(EvidenceNotFoundError, match="could not find"):
            empty.retrieve_evidence(cid)


def test_with_the_node_away_evidence_is_stored_and_pinned_later(
    tmp_path: Path, node: Any, content: Callable[[int], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """One warning, the record says it is not pinned, and sync makes up for it; nothing twice."""
    port = node.server_port
    node.stop()
    with EvidenceStore(tmp_path / "e", ipfs_api=node.api) as store:
        with caplog.at_level(logging.WARNING):
            record = store.submit_evidence(content(SIZE), "document", user_id="NAME")
        assert not record["pinned"]
        assert "evidence sync" in caplog.text
        assert "NAME" not in caplog.text
        assert store.retrieve_evidence(record["cid"]) == content(SIZE)
        with pytest.raises(EvidenceError, match="does not answer"):
            store.sync()
        node.__init__(port)
        assert store.sync() == {"pinned": 1, "unpinned": 0}
        assert store.sync() == {"pinned": 0, "unpinned": 0}
        assert node.pins == {record["cid"]}
        assert store.list_evidence()[0]["pinned"]


def test_what_is_deleted_is_unpinned_also_later(tmp_path: Path, node: Any) -> None:
    """At once where the node is there, else with the next sync."""
    with EvidenceStore(tmp_path / "e", ipfs_api=node.api) as store:
        first = store.submit_evidence(b"first", "document")["cid"]
        second = store.submit_evidence(b"second", "document")["cid"]
        store.delete_evidence(first)
        assert node.pins == {second}
        node.answer_with["pin/rm"] = (503, b"")
        store.delete_evidence(second)
        assert node.pins == {second}
        del node.answer_with["pin/rm"]
        assert store.sync() == {"pinned": 0, "unpinned": 1}
        assert node.pins == set()


def test_unpinning_what_the_node_lost_is_fine(tmp_path: Path, node: Any) -> None:
    """Someone else unpinned it there."""
    with EvidenceStore(tmp_path / "e", ipfs_api=node.api) as store:
        cid = store.submit_evidence(b"x", "document")["cid"]
        node.pins.clear()
        store.delete_evidence(cid)
        assert store.sync() == {"pinned": 0, "unpinned": 0}


def test_evidence_from_before_the_node_is_synced(tmp_path: Path, node: Any) -> None:
    """The node was configured later."""
    with EvidenceStore(tmp_path / "e") as store:
        cid = store.submit_evidence(b"x", "document")["cid"]
        with pytest.raises(EvidenceError, match='set "ipfs_api"'):
            store.sync()
    with EvidenceStore(tmp_path / "e", ipfs_api=node.api) as store:
        assert not store.get_evidence_by_cid(cid)["pinned"]
        assert store.sync()["pinned"] == 1


def test_a_node_that_names_blocks_otherwise_is_an_error(mirrored: EvidenceStore, node: Any) -> None:
    """Its CID is compared with ours; the evidence is stored here all the same."""
    node.answer_with["block/put"] = (200, b'{"Key": "bafkqaaa", "Size": 1}')
    with pytest.raises(EvidenceCorruptedError, match=r"calls block bafkrei\w+ bafkqaaa"):
        mirrored.submit_evidence(b"x", "document")
    assert len(mirrored.list_evidence()) == 1


def test_a_node_that_writes_version_0_means_the_same_block(
    mirrored: EvidenceStore, node: Any, content: Callable[[int], bytes]
) -> None:
    """Names are compared by what they name, not by their spelling."""
    node.old_names = True
    assert mirrored.submit_evidence(content(SIZE), "document")["pinned"]


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    "answer",
    [
        (500, b'{"Message": "no space left on device", "Code": 0}'),
        (403, b"403 - Forbidden"),
        (200, b""),
        (200, b"not json"),
        (200, b"[]"),
        (302, b""),
        (200, b"x" * 20_000_000),
    ],
)
@pytest.mark.parametrize("command", ["block/put", "pin/add", "block/get"])
def test_a_node_that_answers_wrongly_never_harms_the_store(
    mirrored: EvidenceStore, node: Any, command: str, answer: tuple[int, bytes]
) -> None:
    """Refusals, rubbish, redirects and floods: the evidence is here, unpinned or the error is named."""
    node.answer_with[command] = answer
    if command == "block/put" and answer[0] == 200 and len(answer[1]) < 100:
        with pytest.raises(EvidenceCorruptedError, match="calls block"):
            mirrored.submit_evidence(b"x", "document")
    else:
        assert mirrored.submit_evidence(b"x", "document")["pinned"] == (command == "block/get")
    (record,) = mirrored.list_evidence()
    assert mirrored.retrieve_evidence(record["cid"]) == b"x"
    with pytest.raises((EvidenceNotFoundError, EvidenceCorruptedError)):
        mirrored.retrieve_evidence("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"[:-1] + "e")


def test_a_node_beyond_this_machine_needs_a_word(tmp_path: Path) -> None:
    """It may publish what it holds; privacy refuses it whatever is said."""
    for api in (
        "http://192.0.2.1:5001",
        "https://node.example",
        "http://localhost.example:5001",
        "http://0.0.0.0:5001",
    ):
        with pytest.raises(ConfigError, match='"ipfs_public": true'):
            EvidenceStore(tmp_path / "e", ipfs_api=api)
        with pytest.raises(ConfigError, match="privacy is local"):
            EvidenceStore(tmp_path / "e", ipfs_api=api, ipfs_public=True, privacy_local=True)
        EvidenceStore(tmp_path / "e", ipfs_api=api, ipfs_public=True).close()


@pytest.mark.parametrize(
    "api", ["127.0.0.1:5001", "ftp://127.0.0.1", "http://user:secret@127.0.0.1:5001", "http://", ""]
)
def test_addresses_that_cannot_be_used(tmp_path: Path, api: str) -> None:
    """The key is named, and a password in it is not repeated."""
    if not api:
        EvidenceStore(tmp_path / "e", ipfs_api=api).close()
        return
    with pytest.raises(ConfigError, match=r"/EVIDENCE/ipfs_api: write it as http://HOST:PORT") as caught:
        EvidenceStore(tmp_path / "e", ipfs_api=api)
    assert "secret" not in str(caught.value)


def test_a_local_node_is_never_reached_through_a_proxy(
    tmp_path: Path, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by its name, and with the usual variables set."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://192.0.2.1:3128")
    with EvidenceStore(tmp_path / "e", ipfs_api=f"http://localhost:{node.server_port}", privacy_local=True) as store:
        assert store.submit_evidence(b"x", "document")["pinned"]


def test_a_name_that_is_not_really_local_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hosts file that sends localhost elsewhere."""
    elsewhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]
    monkeypatch.setattr("complaint_llm.evidence.ipfs.node.getaddrinfo", lambda *_: elsewhere)
    with pytest.raises(ConfigError, match="localhost is no loopback address"):
        EvidenceStore(tmp_path / "e", ipfs_api="http://localhost:5001")


def test_a_forked_child_has_connections_of_its_own(mirrored: EvidenceStore, node: Any) -> None:
    """Parent and child never speak over one connection."""
    mirrored.submit_evidence(b"of the parent", "document")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if mirrored.submit_evidence(b"of the child", "document")["pinned"] else 2
        finally:
            os._exit(code)
    assert mirrored.submit_evidence(b"of the parent again", "document")["pinned"]
    assert os.waitpid(child, 0)[1] == 0
    assert len(node.pins) == 3
