"""A batch over documents and evidence: what was shown is kept, and a changed document is a changed question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import MockBackend
from complaint_llm.batch import BatchItem
from complaint_llm.batch.input.items import item_digest
from complaint_llm.batch.output.export import Result, json_line
from complaint_llm.exceptions import BatchError
from complaint_llm.messages import Citation, Document, InferenceOutput, Message, Shown, TextPart

LEASE = b"The rent is due on the first of the month.\n"


def item(*documents: Document, **params: Any) -> BatchItem:
    return BatchItem([Message("user", (*documents, TextPart("When is it due?")))], "lease", params)


def test_a_resumed_result_has_what_was_shown(tmp_path: Path) -> None:
    """Equal, types included, without anything being asked again."""
    runs = []
    for _ in range(2):
        backend = MockBackend(id="a", echo=True)
        evidence = {"path": str(tmp_path / "store")}
        with Mediator([backend], evidence=evidence, provenance="digests") as mediator:
            cid = mediator.submit_evidence(LEASE, "document", file_name="lease.txt")["cid"]
            items = [item(Document(cid=cid)), BatchItem("Is it late?", "other", {"evidence": [cid]})]
            found = mediator.batch(items, journal=tmp_path / "j", ordered=True, cite=[cid])
            runs.append([result.output for result in found])
            assert backend.call_count() == (2 if len(runs) == 1 else 0)
    assert runs[0] == runs[1]
    outputs = [output for run in runs for output in run if output is not None]
    assert [type(shown) for output in outputs for shown in output.shown] == [Shown] * 4
    assert [shown.shown for output in outputs for shown in output.shown] == ["text"] * 4


def test_a_line_names_what_was_shown_and_nothing_of_its_text() -> None:
    """By source, digest and pages; what a provider cites stands beside it."""
    shown = Shown("bafk", "text", "a.pdf", "application/pdf", "ab" * 32, (1, 2), (3,), "cd" * 32, "pypdfium2 5", True)
    output = InferenceOutput("x", shown=(shown,), citations=(Citation("rent", "bafk", page=1, state="verbatim"),))
    line = json.loads(json_line(Result("1", output, None)))
    (found,) = line["shown"]
    assert (found["source"], found["digest"], found["pages"]) == ("bafk", "ab" * 32, [1, 2])
    assert (found["shown"], found["image_pages"], found["evidence"]) == ("text", [3], True)
    assert line["citations"][0]["cited_text"] == "rent"
    assert json.loads(json_line(Result("1", None, BatchError("no"))))["shown"] is None


OTHERS: dict[str, BatchItem] = {
    "another file": item(Document(data=LEASE + b"x")),
    "no file": BatchItem([Message("user", (TextPart("When is it due?"),))], "lease"),
    "twice": item(Document(data=LEASE), Document(data=LEASE)),
    "some pages": item(Document(data=LEASE, pages="1")),
    "other pages": item(Document(data=LEASE, pages="2")),
    "another type": item(Document(data=LEASE, media_type="text/html")),
    "evidence": item(Document(cid="bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")),
    "evidence beside it": item(Document(data=LEASE), evidence=["bafkrei"]),
    "other evidence beside it": item(Document(data=LEASE), evidence=["bafkrej"]),
    "as text": item(Document(data=LEASE), documents="text"),
    "as a file": item(Document(data=LEASE), documents="native"),
}


def test_whatever_changes_the_question_changes_the_digest_of_an_item() -> None:
    """Each from all others; the place of a file and what is only cited do not."""
    asked = {"as it is": item(Document(data=LEASE)), **OTHERS}
    digests = {name: item_digest(each) for name, each in asked.items()}
    assert len(set(digests.values())) == len(asked)
    assert item_digest(item(Document(data=LEASE), cite=["bafkrei"])) == digests["as it is"]


def test_a_changed_file_under_the_same_name_is_changed_content(tmp_path: Path) -> None:
    """It is refused with the item's name, as a changed text is; moved elsewhere it is the same question."""
    (tmp_path / "a.txt").write_bytes(LEASE)
    (tmp_path / "b.txt").write_bytes(LEASE)
    for name in ("a.txt", "b.txt"):
        with Mediator([MockBackend(id="a", echo=True)]) as mediator:
            (result,) = mediator.batch([item(Document(path=str(tmp_path / name)))], journal=tmp_path / "j")
            assert result.error is None
    (tmp_path / "a.txt").write_bytes(LEASE + b"Or later.")
    with Mediator([MockBackend(id="a", echo=True)]) as mediator, pytest.raises(BatchError, match="lease"):
        list(mediator.batch([item(Document(path=str(tmp_path / "a.txt")))], journal=tmp_path / "j"))


@pytest.mark.parametrize(
    ("before", "now", "common", "changed"),
    [
        ({}, {"documents": "auto"}, {}, False),
        ({}, {"documents": "text"}, {}, True),
        ({"documents": "text"}, {}, {}, True),
        ({"documents": "text"}, {"documents": "native"}, {}, True),
        ({"documents": "text"}, {"documents": "text"}, {}, False),
        ({}, {"documents": "native"}, {"documents": "text"}, False),
    ],
)
def test_how_a_backend_is_given_documents_shapes_its_answers(
    before: dict[str, Any], now: dict[str, Any], common: dict[str, Any], changed: bool
) -> None:
    """Unless the call says it: then the item's own digest has it. A config that never said it is as it was."""
    shapes = []
    for keys in (before, now):
        with Mediator([MockBackend(id="a", echo=True, **keys)]) as mediator:
            shapes.append(mediator.batch_settings(common).shape("a"))
    assert shapes[0] is not None
    assert shapes[1] is not None
    assert shapes[0].changed_parts(shapes[1]) == (["documents"] if changed else [])
