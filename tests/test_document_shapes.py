"""Documents inside messages: our own shape, those of two official SDKs, and JSON there and back."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from complaint_llm import Document, Message
from complaint_llm.messages import TextPart

DATA = b"%PDF-1.7"
TEXT = b64encode(DATA).decode()


def read(part: Any) -> Document:
    """The part of a message."""
    content = Message.from_dict({"role": "user", "content": [part]}).content
    assert not isinstance(content, str)
    (found,) = content
    assert isinstance(found, Document)
    return found


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "document", "path": "a.pdf"}, Document(path="a.pdf")),
        ({"type": "document", "data": DATA, "pages": "1-3"}, Document(data=DATA, pages="1-3")),
        ({"type": "document", "data": TEXT, "name": "a.pdf"}, Document(data=DATA, name="a.pdf")),
        ({"type": "document", "cid": "bafk"}, Document(cid="bafk")),
        (
            {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{TEXT}", "filename": "a.pdf"}},
            Document(data=DATA, media_type="application/pdf", name="a.pdf"),
        ),
        ({"type": "file", "file": {"file_data": TEXT}}, Document(data=DATA)),
        (
            {"type": "input_file", "file_data": f"data:application/pdf;base64,{TEXT}", "filename": "a.pdf"},
            Document(data=DATA, media_type="application/pdf", name="a.pdf"),
        ),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": TEXT}},
            Document(data=DATA, media_type="application/pdf"),
        ),
        (
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "é"},
                "title": "t",
                "citations": {"enabled": True},
            },
            Document(data="é".encode(), media_type="text/plain", name="t"),
        ),
    ],
)
def test_documents_are_taken_in_the_shapes_of_the_official_sdks(part: Any, expected: Document) -> None:
    """And in our own, bytes as they are or in base64."""
    assert read(part) == expected


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"type": "document"}, "a document has exactly one of path, data and cid"),
        ({"type": "document", "path": "a", "cid": "b"}, "a document has exactly one of path, data and cid"),
        ({"type": "document", "data": "no base64!"}, "is bytes, or a text in base64"),
        ({"type": "document", "data": 5}, "is bytes, or a text in base64"),
        ({"type": "document", "path": "a", "page": "1"}, "unknown key 'page'"),
        ({"type": "document", "path": "a", "pages": 3}, "a document has a pages of type int; it is a text"),
        ({"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}}, "nothing is fetched"),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}}, "nothing is fetched"),
        ({"type": "document", "source": "x"}, "nothing is fetched"),
        ({"type": "file", "file": {"file_id": "f"}}, "the provider's alone: give the bytes"),
        ({"type": "input_file", "file_url": "https://x/a.pdf"}, "the provider's alone: give the bytes"),
        ({"type": "file"}, "a file has file_data"),
        ({"type": "file", "file": {"file_data": "data:application/pdf,raw"}}, "is bytes, or a text in base64"),
    ],
)
def test_what_is_no_document_is_named_in_one_line(part: Any, says: str) -> None:
    """With what to write; nothing is fetched from an address."""
    with pytest.raises(ValueError, match=says) as raised:
        read(part)
    assert "\n" not in str(raised.value)


def test_a_message_with_a_document_survives_json() -> None:
    """As ``to_dict`` makes it; without the bytes also as the list that ``json`` makes of the tuple."""
    message = Message("user", (TextPart("Read."), Document(data=DATA, name="a.pdf", pages="1"), Document(path="b")))
    assert Message.from_dict(json.loads(json.dumps(message.to_dict()))) == message
    plain = Message("user", (Document(path="b", media_type="application/pdf"),))
    assert Message.from_dict(json.loads(json.dumps(plain))) == plain
