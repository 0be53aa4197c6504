"""A folder of files as the input of a batch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from complaint_llm.batch import BatchItem, LineError, item_digest
from complaint_llm.batch.input.folder import DOCUMENT_SUFFIXES, MAX_FILE, OLD_SUFFIXES, folder_files, read_folder
from complaint_llm.documents.kinds import document_kind
from complaint_llm.messages import Document
from complaint_llm.request import as_messages


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


@pytest.mark.parametrize(
    "name", ["a.zip", ".hidden.txt", ".git/a.txt", "a", "a.jsonl", "a.txt.journal", "~$a.docx", ".a.pdf", "a.mp3"]
)
def test_other_files_are_none_of_the_batchs(tmp_path: Path, name: str) -> None:
    """Hidden ones, and what is of no kind that is read."""
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


HEADS = {
    **dict.fromkeys((".docx", ".docm"), b"PK\x03\x04 word/document.xml"),
    **dict.fromkeys((".xlsx", ".xlsm"), b"PK\x03\x04 xl/workbook.xml"),
    ".pdf": b"%PDF-1.7",
    ".png": b"\x89PNG\r\n\x1a\n",
    **dict.fromkeys((".jpg", ".jpeg"), b"\xff\xd8\xff"),
    ".gif": b"GIF89a",
    ".webp": b"RIFF0000WEBP",
    **dict.fromkeys((".heic", ".heif"), b"0000ftypheic"),
    ".avif": b"0000ftypavif",
    **dict.fromkeys((".tif", ".tiff"), b"II*\0"),
}
"""First bytes of files that are what they are called; those of texts are any."""


def documents(folder: Path, *, grouped: bool = False) -> dict[str | None, list[tuple[str, str]] | str]:
    """The names of each item's documents and where they are below the folder, or why there are none."""
    found: dict[str | None, list[tuple[str, str]] | str] = {}
    for item, _ in read_folder(folder, grouped=grouped, check_kind=document_kind).items:
        if isinstance(item, LineError):
            found[item.id] = f"! {item}"
            continue
        parts = [part for message in as_messages(item.prompt) for part in message.content if isinstance(part, Document)]
        found[item.id] = [(str(part.name), Path(str(part.path)).relative_to(folder).as_posix()) for part in parts]
    return found


@pytest.mark.parametrize("suffix", [*DOCUMENT_SUFFIXES, ".PDF", ".Docx"])
def test_a_document_is_an_item_that_carries_the_file(tmp_path: Path, suffix: str) -> None:
    """Its bytes are read when it is asked; its name is the file's."""
    (tmp_path / "sub").mkdir()
    (tmp_path / f"sub/lease{suffix}").write_bytes(HEADS.get(suffix.lower(), b"plain words"))
    assert documents(tmp_path) == {f"sub/lease{suffix}": [(f"lease{suffix}", f"sub/lease{suffix}")]}


@pytest.mark.parametrize("suffix", OLD_SUFFIXES)
def test_an_old_kind_is_an_error_that_says_what_to_save_it_as(tmp_path: Path, suffix: str) -> None:
    """A client's letter is not left out because of its kind."""
    (tmp_path / f"old{suffix}").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert "save it as" in str(documents(tmp_path)[f"old{suffix}"])


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.pdf", b"PK\x03\x04 word/document.xml", "is no PDF: its bytes are of a Word file"),
        ("a.docx", b"%PDF-1.4", "is no Word file: its bytes are of a PDF"),
        ("a.xlsx", b"PK\x03\x04 word/document.xml", "is no Excel file"),
        ("a.eml", b"%PDF-1.4", "is no mail"),
        ("a.html", b"\x89PNG\r\n\x1a\n", "is no HTML file"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is encrypted"),
        ("a.png", b"\0\1\2\3", "its bytes are of no kind that is read"),
        ("a.pdf", b"", "is empty"),
        ("a.pdf", b"plain words", "is no PDF: its bytes are of a text"),
        ("a.docx", b"PK\x03\x04 ppt/presentation.xml", "is a PowerPoint file"),
        ("a.xlsx", b"PK\x03\x04 xl/workbook.bin", "is a binary Excel file"),
    ],
)
def test_a_name_that_lies_is_told_before_anything_is_sent(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    """By the file's first bytes, in one line that begins with the id; the others are items."""
    (tmp_path / name).write_bytes(data)
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4")
    found = documents(tmp_path)
    assert found["b.pdf"] == [("b.pdf", "b.pdf")]
    error = str(found[name])
    assert error.startswith(f"! {name}")
    assert words in error
    assert "\n" not in error


def test_files_of_kinds_that_are_not_read_are_counted_in_one_line(tmp_path: Path) -> None:
    """By their suffix, the most frequent first; folders behind links are named."""
    for number in range(8):
        (tmp_path / f"{number}.zip").touch()
    for name in ("a.MP3", "b.mp3", "c.mp3", "d.mp3", "README", "e.pdf"):
        (tmp_path / name).touch()
    (tmp_path / "elsewhere").symlink_to("/")
    assert folder_files(tmp_path).notes() == [
        "13 files of kinds that are not read: .zip 8, .mp3 4, without a suffix 1",
        "1 folder behind links, not followed: elsewhere",
    ]


def test_a_folder_is_one_item_with_all_its_files(tmp_path: Path) -> None:
    """Nested ones belong to it, text files too; what lies beside the folders is named; an empty one is an error."""
    for name in ("lee/letter.txt", "lee/photos/1.png", "lee/photos/2.png", "ann/pay.pdf", "loose.txt", "lee/x.zip"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(HEADS.get(path.suffix, b"plain words"))
    for empty in ("none", ".hidden"):
        (tmp_path / empty).mkdir()
    found = documents(tmp_path, grouped=True)
    assert list(found) == ["ann", "lee", "none"]
    assert found["ann"] == [("pay.pdf", "ann/pay.pdf")]
    assert [name for name, _ in found["lee"]] == ["letter.txt", "photos/1.png", "photos/2.png"]  # type: ignore[misc]
    assert str(found["none"]).startswith("! none: nothing to read")
    assert folder_files(tmp_path, grouped=True).notes() == [
        "1 file of kinds that are not read: .zip 1",
        "1 file in no folder of an item, not read: loose.txt",
    ]


@pytest.mark.parametrize(
    "bad", ["fifo", "link out", "link to nothing", "empty", "lies", "device", "folder behind a name"]
)
def test_a_folder_with_a_file_that_cannot_be_read_is_refused_whole(tmp_path: Path, bad: str) -> None:
    """An answer that rests on half of a client's papers would look like one that rests on all of them."""
    inside, secret = tmp_path / "in", tmp_path / "secret.pdf"
    (inside / "lee").mkdir(parents=True)
    (inside / "ann").mkdir()
    secret.write_bytes(b"%PDF-1.4 secret")
    for name in ("lee/a.pdf", "ann/a.pdf"):
        (inside / name).write_bytes(b"%PDF-1.4")
    path = inside / "lee/b.pdf"
    if bad == "fifo":
        os.mkfifo(path)
    elif bad == "folder behind a name":
        (tmp_path / "other").mkdir()
        path.symlink_to(tmp_path / "other")
    elif bad in ("empty", "lies"):
        path.write_bytes(b"" if bad == "empty" else b"plain words")
    else:
        path.symlink_to({"link out": secret, "link to nothing": "nowhere", "device": "/dev/zero"}[bad])
    found = documents(inside, grouped=True)
    if bad == "folder behind a name":
        assert folder_files(inside, grouped=True).links == ("lee/b.pdf",)
    else:
        assert str(found["lee"]).startswith("! lee: ")
        assert "b.pdf" in str(found["lee"]) or bad == "link to nothing"
    assert found["ann"] == [("a.pdf", "ann/a.pdf")]


def test_a_changed_file_is_changed_content(tmp_path: Path) -> None:
    """The digest of an item is that of its bytes, wherever the folder lies."""
    digests = []
    for folder, data in (("a", b"%PDF-1.4 one"), ("b", b"%PDF-1.4 one"), ("c", b"%PDF-1.4 two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.pdf").write_bytes(data)
        ((item, _),) = read_folder(tmp_path / folder).items
        assert isinstance(item, BatchItem)
        digests.append(item_digest(item))
    assert digests[0] == digests[1] != digests[2]
