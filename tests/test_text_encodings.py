"""The encoding of a file is found in its bytes, and what does not fit it is no text."""

from __future__ import annotations

import io

import pytest

from complaint_llm.exceptions import BatchError
from complaint_llm.text_encodings import check_encoding, find_encoding, is_undecoded, text_lines

TEXT = "id,n\r\n1,caf\u00e9 \u2014 \u201cx\u201d\r\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8-sig"),
        (TEXT.encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-32"), "utf-32"),
        (TEXT.encode("cp1252"), "windows-1252"),
        (b"id,n\n1,plain\n", "utf-8"),
        (b"", "utf-8"),
        ("id,n\n1,\u0627\u0644\n2,\u4e2d\n".encode(), "utf-8"),
        (("a" * 2_000_000 + "\u00e9").encode("cp1252"), "windows-1252"),
        (("a" * ((1 << 20) - 1) + "\u00e9").encode(), "utf-8"),
    ],
)
def test_the_encoding_is_found(data: bytes, encoding: str) -> None:
    file = io.BytesIO(data)
    assert find_encoding(file) == encoding
    assert file.tell() == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-32"])
def test_the_lines_come_back_whatever_the_encoding(encoding: str) -> None:
    file = io.BytesIO(TEXT.encode(encoding))
    assert "".join(text_lines(file, find_encoding(file))) == TEXT
    assert not file.closed


def test_a_file_with_both_is_damaged_utf_8_and_its_other_lines_are_whole() -> None:
    """One row that somebody pasted in must not turn all others into something else."""
    file = io.BytesIO("a \u00e9\n".encode() + b"b \xe9\n" + "c \u00e9\n".encode())
    assert find_encoding(file) == "utf-8"
    assert [is_undecoded(line) for line in text_lines(file, "utf-8")] == [False, True, False]


def test_an_encoding_that_nobody_knows_is_refused() -> None:
    for name in ("latin-99", "rot13", "base64", "", "zlib"):
        with pytest.raises(BatchError, match="no encoding is called"):
            check_encoding(name)
    assert check_encoding("Windows-1252") == "cp1252"
