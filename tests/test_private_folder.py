"""Folders for what is kept of a client's work are for their owner alone and never added to a repository."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from complaint_llm.private_folder import make_private_folder, open_private, take_private_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("depth", range(1, 6))
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_all_that_is_made_is_private(tmp_path: Path, depth: int, umask: int) -> None:
    """Whatever the umask, and however much is missing above; what was there keeps its mode."""
    tmp_path.chmod(0o755)
    folder = tmp_path.joinpath(*map(str, range(depth)))
    before = os.umask(umask)
    try:
        make_private_folder(folder)
        make_private_folder(folder)
    finally:
        os.umask(before)
    made = [each for each in (folder, *folder.parents) if each.is_relative_to(tmp_path) and each != tmp_path]
    assert len(made) == depth
    assert {(mode(each), (each / ".gitignore").read_bytes()) for each in made} == {(0o700, b"*\n")}
    assert (mode(tmp_path), list(tmp_path.iterdir())) == (0o755, [tmp_path / "0"])


def test_a_relative_folder_is_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the default places in a config are."""
    monkeypatch.chdir(tmp_path)
    make_private_folder(Path(".complaint_llm/evidence"))
    assert mode(tmp_path / ".complaint_llm") == mode(tmp_path / ".complaint_llm" / "evidence") == 0o700


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        ({}, True),
        ({".gitignore": b"*\n"}, True),
        ({".gitignore": b"*\n", "store.db": b"x"}, True),
        ({".gitignore": b""}, True),
        ({".gitignore": b"*.pyc\n"}, False),
        ({".gitignore": b"*"}, False),
        ({".gitignore": b"*\n*\n"}, False),
        ({"letter.txt": b"x"}, False),
        ({".hidden": b""}, False),
        ({"store.db": b"x"}, False),
    ],
    ids=repr,
)
def test_a_folder_of_somebody_else_is_not_taken(tmp_path: Path, files: dict[str, bytes], taken: bool) -> None:
    """An empty one is made private, one of ours goes on, anything else stays as it is."""
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    assert take_private_folder(folder) is taken
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == (files or {".gitignore": b"*\n"})
    assert mode(folder) == (0o755 if files else 0o700)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_file_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    """One that was there keeps its mode."""
    (tmp_path / "old").touch()
    (tmp_path / "old").chmod(0o644)
    before = os.umask(umask)
    try:
        for name in ("new", "old"):
            with open(tmp_path / name, "wb", opener=open_private) as file:
                file.write(b"x")
    finally:
        os.umask(before)
    assert (mode(tmp_path / "new"), mode(tmp_path / "old")) == (0o600, 0o644)
