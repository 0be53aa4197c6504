"""What is remembered beside the index is taken whole or not at all."""

from __future__ import annotations

import stat
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.evidence.ipld.dagcbor import encode
from complaint_llm.evidence.sealed_file import read_sealed, write_sealed


def test_what_was_written_is_read_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    values: list[Any] = ["since", b"\x00\xff", 7, [1, 2], None]
    for _ in range(2):
        write_sealed(path, values)
    assert read_sealed(path) == values
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_any_changed_byte_makes_it_worth_nothing(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    write_sealed(path, ["since", b"stamps"])
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert read_sealed(path) is None
        path.write_bytes(whole[:place])
        assert read_sealed(path) is None


@pytest.mark.parametrize("body", [b"", b"\xff", encode("a text"), encode({"a": 1}), encode(7)])
def test_what_is_no_list_is_nothing(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "kept"
    assert read_sealed(path) is None
    path.write_bytes(body + sha256(body).digest())
    assert read_sealed(path) is None
