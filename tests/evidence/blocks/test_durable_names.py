"""How a finished file gets its name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import MockBackend
from complaint_llm.evidence.blocks.durable_names import name_once


def without_links(code: int) -> object:
    """``os.link`` of a file system that has none."""

    def link(*given: object, **more: object) -> None:
        raise OSError(code, os.strerror(code))

    return link


@pytest.mark.parametrize("code", [None, errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_name_is_given_once(
    code: int | None, is_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has the name keeps it; the temporary file is gone in any case, with hard links and without."""
    made, path = tmp_path / "made", tmp_path / "name"
    made.write_text("new")
    if is_there:
        path.write_text("old")
    if code is not None:
        monkeypatch.setattr(os, "link", without_links(code))
    name_once(made, path)
    assert path.read_text() == ("old" if is_there else "new")
    assert not made.exists()


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_what_is_wrong_with_the_disk_is_said(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left of the file, and nothing has its name."""
    made, path = tmp_path / "made", tmp_path / "name"
    made.write_text("new")
    monkeypatch.setattr(os, "link", without_links(code))
    with pytest.raises(OSError, match=os.strerror(code)):
        name_once(made, path)
    assert not list(tmp_path.iterdir())


def test_evidence_is_kept_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a stick, say: what was submitted is there after the next start."""
    monkeypatch.setattr(os, "link", without_links(errno.EPERM))
    with Mediator([MockBackend(id="m", echo=True)], folder=tmp_path) as mediator:
        cid = mediator.submit_evidence(b"a letter", "document")["cid"]
    with Mediator([MockBackend(id="m", echo=True)], folder=tmp_path) as mediator:
        assert mediator.retrieve_evidence(cid) == b"a letter"
