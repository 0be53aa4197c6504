"""Which files a service takes as they are is data with its source; what is beyond its limits is named before it is
sent."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends.wire import (
    FileRule,
    document_base64,
    document_name,
    document_text,
    document_url,
    documents_in,
)
from complaint_llm.backends.wire.documents import MEGABYTE, NO_FILES, FileRules
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Document, Message, Shown, TextPart
from tests.sampled import sampled
from tests.wire_messages import ask

PDF = "application/pdf"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ROOT = Path(__file__).resolve().parents[3]


def file(size: int = 3, name: str | None = "lease.pdf", media_type: str | None = PDF) -> Document:
    return Document(data=b"x" * size, name=name, media_type=media_type)


def asked(*files: Document, pages: tuple[int, ...] = ()) -> Any:
    """A request with these files, of so many pages each."""
    shown = tuple(
        Shown("bafk", "document", name=each.name or "", pages=tuple(range(1, count + 1)))
        for each, count in zip(files, pages, strict=False)
    )
    return ask([Message("user", (TextPart("Read."), *files))], shown=shown)


@pytest.mark.parametrize(
    ("rule", "request_", "fault"),
    [
        (NO_FILES, asked(file()), "no files of application/pdf"),
        (FileRule(frozenset((PDF,))), asked(file(media_type=WORD)), f"no files of {WORD}"),
        (FileRule(frozenset((PDF,))), asked(file(media_type=None)), "no files of an unknown kind"),
        (
            FileRule(frozenset((PDF,)), file_megabytes=1),
            asked(file(10), file(2 * MEGABYTE, "b.pdf")),
            "at most 1 MB in a file ('b.pdf' has 2)",
        ),
        (
            FileRule(frozenset((PDF,)), file_megabytes=1),
            asked(file(2 * MEGABYTE), file(10)),
            "at most 1 MB in a file ('lease.pdf' has 2)",
        ),
        (
            FileRule(frozenset((PDF,)), file_pages=3),
            asked(file(), file(), pages=(4, 1)),
            "at most 3 pages in a file ('lease.pdf' has 4)",
        ),
        (
            FileRule(frozenset((PDF,)), megabytes=2),
            asked(file(MEGABYTE), file(3 * MEGABYTE // 2, "b.pdf")),
            "at most 2 MB of files (these have 2.5)",
        ),
        (
            FileRule(frozenset((PDF,)), request_megabytes=1),
            asked(file(3 * MEGABYTE)),
            "at most 1 MB in a request, in base64, (these have 4)",
        ),
        (
            FileRule(frozenset((PDF,)), file_pages=1000),
            asked(file(), file(name="b.pdf"), pages=(2, 1001)),
            "at most 1000 pages in a file ('b.pdf' has 1,001)",
        ),
        (
            FileRule(frozenset((PDF,)), pages=100),
            asked(file(), file(name="b.pdf"), pages=(60, 41)),
            "at most 100 pages in a request (these have 101)",
        ),
    ],
)
def test_what_is_beyond_a_limit_is_named_with_the_limit(rule: FileRule, request_: Any, fault: str) -> None:
    """In a phrase, with what the request has."""
    assert rule.fault(request_) == fault


@pytest.mark.parametrize(
    ("rule", "request_"),
    [
        (NO_FILES, ask("no file at all")),
        (FileRule(frozenset((PDF,)), file_megabytes=1), asked(file(MEGABYTE), file(MEGABYTE, "b.pdf"))),
        (FileRule(frozenset((PDF,)), megabytes=2), asked(file(MEGABYTE), file(MEGABYTE, "b.pdf"))),
        (FileRule(frozenset((PDF,)), request_megabytes=4), asked(file(3 * MEGABYTE))),
        (FileRule(frozenset((PDF,)), file_pages=2), asked(file(), file(name="b.pdf"), pages=(2, 2))),
        (FileRule(frozenset((PDF,)), pages=4), asked(file(), file(name="b.pdf"), pages=(2, 2))),
    ],
)
def test_what_reaches_a_limit_is_within_it(rule: FileRule, request_: Any) -> None:
    """The limit is the most that is taken."""
    assert rule.fault(request_) is None


RULES = (
    {"api": "chat", "types": [PDF], "part": "document_url", "megabytes": 50},
    {"models": ["small-*"], "context_window": 200_000, "types": [PDF], "pages": 100},
    {"models": ["small-*", "big-*"], "types": [PDF, WORD], "with": {"plugins": []}},
)


@pytest.mark.parametrize(
    ("model", "api", "window", "rule"),
    [
        ("small-1", "chat", None, FileRule(frozenset((PDF,)), "document_url", megabytes=50)),
        ("small-1", None, 200_000, FileRule(frozenset((PDF,)), pages=100)),
        ("Small-1", None, 8_000, FileRule(frozenset((PDF,)), pages=100)),
        ("small-1", None, None, FileRule(frozenset((PDF, WORD)), beside={"plugins": []})),
        ("small-1", "responses", 200_001, FileRule(frozenset((PDF, WORD)), beside={"plugins": []})),
        ("other", "responses", 1, NO_FILES),
        (None, None, None, NO_FILES),
    ],
)
def test_the_first_rule_that_fits_holds(model: str | None, api: str | None, window: int | None, rule: FileRule) -> None:
    """By API, model and window; of whom nothing is said takes no files."""
    rules = FileRules([{**each, "api": each.get("api", api)} for each in RULES])
    assert rules.rule(model, api, window) == rule


@pytest.mark.parametrize(
    "path", sorted((ROOT / "plugins").glob("backends/*/documents.json")), ids=lambda p: p.parent.name
)
def test_every_rule_of_the_built_in_types_fits_the_shape_and_says_where_it_is_from(path: Path) -> None:
    """The shape of the key ``documents`` of a service that is only data, with source and day."""
    from jsonschema import Draft202012Validator

    schema = json.loads((ROOT / "schemas" / "declared.schema.json").read_bytes())["properties"]["documents"]
    Draft202012Validator(schema).validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "media_type", "sent"),
    [
        ("lease.pdf", PDF, "lease.pdf"),
        ("LEASE.PDF", PDF, "LEASE.PDF"),
        ("lease", PDF, "lease.pdf"),
        ("evidence bafkrei", PDF, "evidence bafkrei.pdf"),
        ("scan.jpg", PDF, "scan.jpg.pdf"),
        ("C:/Müller/lease.pdf", PDF, "lease.pdf"),
        (None, PDF, "document.pdf"),
        ("letter", WORD, "letter.docx"),
        ("page.htm", "text/html", "page.htm"),
        ("notes", "text/plain", "notes.txt"),
        ("mail", "message/rfc822", "mail.eml"),
        ("table", "application/x-unknown", "table"),
        ("long" * 200 + ".pdf", PDF, ("long" * 200 + ".pdf")[-200:]),
    ],
)
def test_a_file_goes_under_its_name_with_the_ending_of_its_kind(name: str | None, media_type: str, sent: str) -> None:
    """Without the folders that it lies in; services tell kinds by the ending."""
    assert document_name(file(name=name, media_type=media_type)) == sent


@sampled(50, of=400)
@given(st.binary(max_size=300))
def test_bytes_come_back_from_base64(data: bytes) -> None:
    """Whatever they are."""
    part = Document(data=data, media_type=PDF)
    assert base64.b64decode(document_base64(part), validate=True) == data
    head, _, body = document_url(part).partition(",")
    assert (head, base64.b64decode(body, validate=True)) == (f"data:{PDF};base64", data)


@sampled(50, of=400)
@given(st.text(max_size=100), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_a_plain_text_is_read_in_the_encoding_that_it_is_in(text: str, encoding: str) -> None:
    """UTF-8 with and without its mark, UTF-16 by its mark."""
    if text[:1] != "\ufeff":
        assert document_text(Document(data=text.encode(encoding), media_type="text/plain")) == text


@pytest.mark.parametrize(
    "part",
    [
        Document(data=b"caf\xe9", name="notes.txt", media_type="text/plain"),
        Document(data=b"\xff\xfea", name="notes.txt", media_type="text/plain"),
        Document(path="notes.txt", media_type="text/plain"),
        Document(cid="notes.txt", name="notes.txt"),
    ],
)
def test_what_cannot_be_sent_is_named_before_it_is(part: Document) -> None:
    """Bytes that are no text, and a document that was not loaded."""
    with pytest.raises(InvalidRequestError, match=r"'notes\.txt'") as caught:
        document_text(part)
    assert caught.value.sent is False


def test_documents_come_in_the_order_of_the_messages() -> None:
    """Over all messages, each as often as it is there: providers count them so."""
    first, second = file(1), file(2)
    messages = [Message("user", (second, TextPart("a"), first)), Message("assistant", "b"), Message("user", (second,))]
    assert list(documents_in(messages)) == [second, first, second]
