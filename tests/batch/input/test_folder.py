"""A folder of text files as the input of a batch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from complaint_llm.batch import BatchItem, LineError
from complaint_llm.batch.input.folder import MAX_FILE, read_folder


def items(folder: Path) -> dict[str | None, str]:
    """What was read, or why it was not, by id."""
    return {
        line.item.id: str(line.item.prompt) if isinstance(line.item, BatchItem) else f"! {line.item}"
        for line in read_folder(folder).items
    }


@pytest.mark.parametrize(
    ("name", "data", "read"),
    [
        ("a.txt", b"plain", "plain"),
        ("a.md", b"# mark", "# mark"),
        ("A.TXT", b"upper", "upper"),
        ("sub/b.txt", b"below", "below"),
        ("a.txt", "é \u0627".encode(), "é \u0627"),
        ("a.txt", b"\xef\xbb\xbfmark", "mark"),
        ("a.txt", "é".encode("utf-16"), "é"),
        ("a.txt", b"caf\xe9", "café"),
        ("a.txt", b"one\r\ntwo", "one\ntwo"),
        ("a.txt", b"", "! a.txt: nothing to read: the file is empty"),
        ("a.txt", b" \n\t", "! a.txt: nothing to read: the file is empty"),
        ("=x.txt", b"a formula's name", "a formula's name"),
    ],
)
def test_a_text_file_is_an_item_by_its_path(tmp_path: Path, name: str, data: bytes, read: str) -> None:
    """In any usual encoding; an empty one is an error with its id."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    assert items(tmp_path) == {name: read}


@pytest.mark.parametrize("name", ["a.pdf", ".hidden.txt", ".git/a.txt", "a", "a.jsonl", "a.txt.journal", "~a.docx"])
def test_other_files_are_none_of_the_batchs(tmp_path: Path, name: str) -> None:
    """Hidden ones, and what is no text."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    assert items(tmp_path) == {}


def test_items_come_by_their_ids(tmp_path: Path) -> None:
    """The same in every run."""
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.txt").write_text(name)
    assert list(items(tmp_path)) == ["a.txt", "b.txt", "c.txt"]


def test_links_out_of_the_folder_and_what_is_no_file_are_errors(tmp_path: Path) -> None:
    """With their id; the rest is read."""
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (inside / "a.txt").symlink_to(tmp_path / "secret.txt")
    (inside / "b.txt").write_text("b")
    (inside / "c.txt").symlink_to(inside / "b.txt")
    (inside / "d.txt").symlink_to(inside / "nowhere.txt")
    os.mkfifo(inside / "e.txt")
    found = items(inside)
    assert found["b.txt"] == found["c.txt"] == "b"
    assert all(found[f"{name}.txt"].startswith(f"! {name}.txt: ") for name in "ade")
    assert "secret" not in "".join(found.values())


def test_a_file_beyond_all_bounds_is_not_read_whole(tmp_path: Path) -> None:
    """It is an error of that file."""
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(MAX_FILE + 1)
    (line,) = read_folder(tmp_path).items
    assert isinstance(line.item, LineError)
    assert "16 MiB" in str(line.item)
