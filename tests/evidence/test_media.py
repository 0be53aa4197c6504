"""Media types: from the bytes where they say, from the name where that says more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.evidence.media import declared_by, detect, media_type


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"%PDF-1.4\n", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "audio/wav"),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        (b"PK\x03\x04rest", "application/zip"),
        (b"  <!DOCTYPE html><html>", "text/html"),
        ("Grüße".encode(), "text/plain"),
        (("a" * 8191 + "é").encode()[:8192], "text/plain"),  # a letter cut in two by the end of the head
        (b"caf\xe9", "application/octet-stream"),
        (b"a\0b", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_bytes_show_their_type(head: bytes, found: str) -> None:
    """Signatures, text in UTF-8, and what is neither."""
    assert detect(head) == found


@pytest.mark.parametrize(
    ("detected", "name", "shown"),
    [
        ("application/pdf", "letter.txt", "application/pdf"),
        ("application/zip", "letter.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("text/plain", "data.csv", "text/csv"),
        ("text/plain", "notes", "text/plain"),
        ("application/octet-stream", "scan.jpg", "image/jpeg"),
    ],
)
def test_a_name_says_more_only_of_containers_and_unknown_bytes(detected: str, name: str, shown: str) -> None:
    """A PDF that is called .txt is a PDF; a zip file that is called .docx is a document."""
    assert media_type(detected, declared_by(name)) == shown


@given(st.binary(max_size=100))
def test_any_bytes_have_a_type(head: bytes) -> None:
    """Fuzzed: looking at bytes never fails."""
    assert "/" in detect(head)
