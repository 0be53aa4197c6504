"""A record says how the model was shown each document and each piece of evidence; records of before say that nothing
was, and all of them verify, here and elsewhere."""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import decompress

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import MockBackend
from complaint_llm.evidence import EvidenceStore, ProvenanceLog, RequestDetails, Step, trace
from complaint_llm.evidence.ipld.cid import DAG_CBOR, cid_of
from complaint_llm.evidence.ipld.dagcbor import decode, encode
from complaint_llm.evidence.provenance.record import decode_provenance
from complaint_llm.exceptions import EvidenceCorruptedError
from complaint_llm.messages import Document, InferenceOutput, Message, Shown, TextPart
from tests import forked

FIXTURES = Path(__file__).with_name("fixtures")
TEXT = b"The rent was paid on 3 May.\n"


def store_of(name: str, folder: Path) -> tuple[dict[str, Any], EvidenceStore]:
    """The store of a fixture, as it was written, and what else the fixture says."""
    known: dict[str, Any] = json.loads((FIXTURES / name).read_text(encoding="utf-8"))
    for each in known["folders"]:
        (folder / each).mkdir(parents=True, exist_ok=True)
    for each, data in known["files"].items():
        (folder / each).write_bytes(decompress(b64decode(data)))
    return known, EvidenceStore(folder)


def of_kind(tree: Step, *kinds: str) -> list[Step]:
    return [part for part in tree.parts if part.what in kinds]


@pytest.mark.parametrize("name", ["before-shown.json", "with-shown.json"])
def test_records_of_each_format_verify(tmp_path: Path, name: str) -> None:
    """What was only cited reads so in words, whether the record has a list of what was shown or is of before."""
    known, store = store_of(name, tmp_path / "store")
    with store:
        trees = [trace(store, cid) for cid in known["provenance"]]
        assert store.verify().ok
        assert [tree.ok for tree in trees] == [True] * len(trees)
        first = of_kind(trees[0], "evidence")
        assert [part.cid for part in first] == known["cited"]
        assert [part.shown for part in first] == ["no", "no"]
        assert all("cited, not shown to the model" in part.detail for part in first)
        assert of_kind(trees[1], "evidence", "document") == []
        if name == "with-shown.json":
            assert [part.shown for part in of_kind(trees[2], "evidence")] == ["no", "text"]
            (document,) = of_kind(trees[3], "document")
            assert (document.shown, document.state) == ("text", "digest only")
            assert "lease.txt" in document.detail


@pytest.fixture
def mediator(tmp_path: Path) -> Iterator[Mediator]:
    with Mediator(
        [MockBackend(id="a", echo=True)],
        provenance="full",
        evidence={"path": str(tmp_path / "store"), "show": "local"},
    ) as found:
        yield found


def test_text_that_was_shown_is_in_the_kept_prompt(mediator: Mediator) -> None:
    """With "full": what the model read can be read again; its digest is that of the pages."""
    cid = mediator.submit_evidence(TEXT, "document", file_name="rent.txt")["cid"]
    output = mediator.infer("When?", evidence=[cid])
    assert output.provenance is not None
    mediator.close()
    with EvidenceStore(mediator.evidence.path) as store, store.database.transaction("read") as connection:
        (data,) = connection.execute("SELECT data FROM provenance WHERE cid = ?", (output.provenance,)).fetchone()
        record = decode_provenance(output.provenance, data)
        (prompt,) = connection.execute("SELECT data FROM texts WHERE cid = ?", (record["prompt"].name,)).fetchone()
    assert TEXT.decode().strip() in decode(prompt)["messages"][0]["content"]
    (entry,) = record["shown"]
    assert (entry["cid"], entry["shown"]) == (cid, "text")
    assert TEXT not in data


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"shown": "text", "pages": (1, 2, 3)}, ["shown as text, pages 1-3"]),
        ({"shown": "text", "pages": (2,)}, ["shown as text, page 2"]),
        ({"shown": "text", "pages": (1, 2), "image_pages": (3, 5)}, ["shown as text, pages 1-2, pages 3, 5 as images"]),
        ({"shown": "image", "image_pages": (1,)}, ["shown as an image, page 1"]),
        ({"shown": "image"}, ["shown as an image"]),
        ({"shown": "document"}, ["shown as a file"]),
        ({"shown": "document", "pages": (1, 2)}, ["shown as a file, pages 1-2"]),
        ({"shown": "text", "text_sha256": "ab" * 32, "reader": "pypdfium2 5.0"}, ["read by pypdfium2 5.0", "ab" * 32]),
        ({"shown": "text", "text_sha256": "ab" * 32}, ["shown as text", "ab" * 32]),
        ({"shown": "no"}, ["not shown to the model"]),
    ],
)
def test_verification_says_in_words_how_it_was_shown(
    store: EvidenceStore, given: dict[str, Any], words: list[str]
) -> None:
    """Of evidence, whose bytes are looked at, and of a document, of which the record has name and digest."""
    cid = store.submit_evidence(TEXT, "document")["cid"]
    other = cid_of(DAG_CBOR, b"x").name
    log = ProvenanceLog(store.database)
    shown = Shown(cid, name="a.pdf", media_type="application/pdf", sha256="cd" * 32, evidence=True, **given)
    of_both = (shown, shown._replace(cid=other, evidence=False))
    details = RequestDetails((Message("user", "?"),), evidence=log.check_evidence([cid]), shown=of_both)
    made = log.record(details, InferenceOutput("!", model="m")).cid
    log.close()
    tree = trace(store, made)
    assert tree.ok
    evidence, document = of_kind(tree, "evidence", "document")
    assert (evidence.shown, document.shown) == (given["shown"], given["shown"])
    assert (evidence.state, document.state) == ("verified", "digest only")
    for word in words:
        assert word in evidence.detail
        assert word in document.detail
    assert "a.pdf, application/pdf, sha256 " + "cd" * 32 in document.detail


def test_the_archive_of_an_answer_brings_how_it_was_shown(mediator: Mediator, tmp_path: Path) -> None:
    """Somebody else sees the same tree; of a document that is no evidence the bytes stay here."""
    cid = mediator.submit_evidence(TEXT, "document")["cid"]
    lease = Document(data=b"A lease of two pages.", name="lease.txt")
    output = mediator.infer([Message("user", (Document(cid=cid), lease, TextPart("When?")))])
    assert output.provenance is not None
    mediator.close()
    with EvidenceStore(mediator.evidence.path) as here, EvidenceStore(tmp_path / "there") as there:
        here.export_car([output.provenance], tmp_path / "answer.car")
        there.import_archive(tmp_path / "answer.car")
        own, foreign = trace(here, output.provenance), trace(there, output.provenance)
        assert there.verify().ok
    assert foreign.ok
    ways = [(part.what, part.cid, part.shown) for part in of_kind(foreign, "evidence", "document")]
    assert ways == [(part.what, part.cid, part.shown) for part in of_kind(own, "evidence", "document")]
    assert [way for _, _, way in ways] == ["text", "text"]


ENTRY = {"cid": "bafk", "shown": "text"}
BROKEN: list[Any] = [
    {},
    "text",
    None,
    [None],
    [[]],
    [{}],
    [{"cid": "bafk"}],
    [{**ENTRY, "shown": "seen"}],
    [{**ENTRY, "shown": None}],
    [{**ENTRY, "other": 1}],
    [{**ENTRY, "cid": 1}],
    [{**ENTRY, "pages": [0]}],
    [{**ENTRY, "pages": [True]}],
    [{**ENTRY, "pages": ["1"]}],
    [{**ENTRY, "pages": {"1": 2}}],
    [{**ENTRY, "sha256": "ab"}],
    [ENTRY, {**ENTRY, "name": b"x"}],
]


@pytest.mark.parametrize("shown", BROKEN, ids=range(len(BROKEN)))
def test_a_record_with_another_shape_is_damaged(store: EvidenceStore, shown: Any) -> None:
    """Whatever stands there: one error that names the record, and no other exception."""
    log = ProvenanceLog(store.database)
    details = RequestDetails((Message("user", "?"),), shown=(Shown("bafk", "no"),))
    made = log.record(details, InferenceOutput("!", model="m")).cid
    log.close()
    with store.database.transaction("read") as connection:
        (data,) = connection.execute("SELECT data FROM provenance WHERE cid = ?", (made,)).fetchone()
    assert decode_provenance(made, data)["shown"] == [{"cid": "bafk", "shown": "no"}]
    forged = encode({**decode(data), "shown": shown})
    name = cid_of(DAG_CBOR, forged).name
    with pytest.raises(EvidenceCorruptedError, match=name):
        decode_provenance(name, forged)


def test_verify_prints_it_for_people_and_for_programs(mediator: Mediator, tmp_path: Path) -> None:
    """The command over the same store."""
    cid = mediator.submit_evidence(TEXT, "document")["cid"]
    shown, cited = mediator.infer("?", evidence=[cid]).provenance, mediator.infer("?", cite=[cid]).provenance
    mediator.close()
    path = str(mediator.evidence.path)
    config = {"BACKENDS": [{"id": "a", "type": "mock", "echo": True}], "EVIDENCE": {"path": path, "show": "any"}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")

    def said(*given: str | None) -> str:
        command = [sys.executable, "-m", "complaint_llm", "verify", *map(str, given)]
        return forked.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True).stdout

    assert "shown as text" in said(shown)
    assert "not shown to the model" in said(cited)
    tree = json.loads(said(shown, "--json"))
    assert set(tree) == {"what", "cid", "state", "detail", "shown", "parts", "ok"}
    assert [part["shown"] for part in tree["parts"] if part["what"] == "evidence"] == ["text"]
