"""Prompts with files go to other processes with the bytes of these."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.batch.input.prompt_bytes import with_file_bytes
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Document, ImagePart, Message, TextPart

PNG = b"\x89PNG\r\n\x1a\n" + bytes(9)


def test_paths_become_bytes_and_all_else_stays(tmp_path: Path) -> None:
    """Names, pages, order, other turns and parts that have their bytes already."""
    lease, photo = tmp_path / "lease.pdf", tmp_path / "photo.png"
    lease.write_bytes(b"%PDF-1.4")
    photo.write_bytes(PNG)
    kept = Document(data=b"x", name="x.txt")
    given = [
        Message("system", "s"),
        Message("user", (Document(path=str(lease), pages="1-2"), TextPart("t"), ImagePart(path=str(photo)), kept)),
        Message(
            "user", (Document(path=str(lease), name="the lease"), Document(cid="bafy"), ImagePart(url="https://x"))
        ),
    ]
    made: Any = with_file_bytes(given)
    assert made[0] == given[0]
    lease_part = Document(data=b"%PDF-1.4", name="lease.pdf", pages="1-2")
    assert made[1].content == (lease_part, TextPart("t"), ImagePart(data=PNG), kept)
    assert made[2].content == (
        lease_part._replace(name="the lease", pages=None),
        Document(cid="bafy"),
        ImagePart(url="https://x"),
    )


@pytest.mark.parametrize("prompt", ["text", [Message("user", "x")], [Message("user", (Document(data=b"x"),))]])
def test_a_prompt_without_paths_is_the_same_object(prompt: Any) -> None:
    """Nothing is copied for nothing."""
    assert with_file_bytes(prompt) is prompt


@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "empty", "device"])
def test_a_file_that_is_none_is_an_error(tmp_path: Path, kind: str) -> None:
    """In a line, and without waiting for anybody."""
    path = tmp_path / "a.pdf"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "empty":
        path.touch()
    elif kind == "device":
        path = Path("/dev/zero")
    with pytest.raises(InvalidRequestError):
        with_file_bytes([Message("user", (Document(path=str(path)),))])
