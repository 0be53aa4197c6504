"""Documents that are made to hang, fill or end what reads them: one line each, and everything else goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.prompt_files import read_document_file
from tests.documents.hostile import hostile_documents

ROOT = Path(__file__).resolve().parents[2]
LINUX = sys.platform == "linux"


def run(folder: Path, seconds: float, every: int, offset: int = 0) -> dict[str, Any]:
    chosen = list(islice(hostile_documents(), offset, None, every))
    for each in chosen:
        (folder / each.name).write_bytes(each.data)
    listed = [[each.name, each.media_type, each.words] for each in chosen]
    (folder / "list.json").write_text(json.dumps(listed), encoding="utf-8")
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from tests.documents.hostile_run import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), str(folder), str(seconds)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check(found: dict[str, Any], seconds: float) -> None:
    for each in found["documents"]:
        assert each["kind"] in (None, "InvalidRequestError"), each
        if each["error"] is not None:
            assert each["error"].startswith(each["name"]), each
            assert each["error"].isprintable(), each
            assert len(each["error"]) < 300, each
        if each["words"]:
            assert each["words"] in (each["error"] or ""), each
        # Two cores and eight threads: a file waits for its turn, and is killed at its own limit.
        assert each["seconds"] < 12 * seconds + 60, each
        assert each["after"] == "Dear tenant", each
    if LINUX:
        assert found["megabytes"] < 500


def test_a_sample_of_hostile_documents_harms_nothing(tmp_path: Path) -> None:
    """Read by eight threads: each is read or refused in one line, and the letter after it is read."""
    found = run(tmp_path, seconds=10, every=12, offset=1)
    assert len(found["documents"]) > 6
    check(found, 10)


@pytest.mark.endurance
@pytest.mark.timeout(1200)
def test_no_hostile_document_harms_anything(tmp_path: Path) -> None:
    """All of them, by eight threads."""
    found = run(tmp_path, seconds=10, every=1)
    assert len(found["documents"]) >= 60
    check(found, 10)


def test_there_are_sixty_of_them_and_each_has_a_name_of_its_own() -> None:
    """What the runs above draw from."""
    names = [each.name for each in hostile_documents()]
    assert len(names) == len(set(names)) >= 60


@pytest.mark.rows(2)
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace tells what a process opens, and is not here")
@pytest.mark.parametrize(
    "name", ["other-files.pdf", "stream-of-another-file.pdf", "other-files.docx", "names.docx", "other-files.html"]
)
def test_no_file_but_modules_is_opened_by_the_reading_process(name: str, tmp_path: Path) -> None:
    """Neither a file that a document names nor any below its folder is opened, and nothing is written."""
    document = next(each for each in hostile_documents() if each.name == name)
    file = tmp_path / name
    file.write_bytes(document.data)
    code = (
        "import sys; from complaint_llm.documents.reading import DocumentReaders;"
        "from complaint_llm.call import CancelToken, Deadline\n"
        "data = open(sys.argv[1], 'rb').read(); readers = DocumentReaders()\n"
        "try: readers.read(data, sys.argv[2], 'x', deadline=Deadline(60), cancel=CancelToken())\n"
        "except Exception as error: print(error)\n"
        "readers.close()"
    )
    log = tmp_path / "log"
    calls = "trace=open,openat,creat,unlink,rename,connect,execve"
    tracing = ["strace", "-f", "-s", "4000", "-e", calls, "-o", str(log)]
    subprocess.run(
        [*tracing, sys.executable, "-c", code, str(file), document.media_type],
        check=True,
        capture_output=True,
        timeout=120,
    )
    lines = log.read_text(errors="replace").splitlines()
    begin = next(place for place, line in enumerate(lines) if "execve" in line and "documents.child" in line)
    process = lines[begin].split()[0]
    own = [line for line in lines[begin + 1 :] if line.startswith(process)]
    assert any(re.search(r"documents/(__pycache__/)?child", line) for line in own)
    assert not [line for line in own if str(tmp_path) in line or "/etc/shadow" in line or "slipped" in line]
    assert not [line for line in own if "connect(" in line or "O_CREAT" in line or "O_WRONLY" in line]
    assert not [line for line in own if "execve(" in line]


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.pdf")
    return folder / "pipe.pdf"


def _link(folder: Path, to: str) -> Path:
    (folder / "link.pdf").symlink_to(to)
    return folder / "link.pdf"


def _sized(folder: Path, size: int) -> Path:
    with (folder / "large.pdf").open("wb") as file:
        file.truncate(size)
    return folder / "large.pdf"


@pytest.mark.skipif(not LINUX, reason="names files of Linux")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_fifo, "'pipe.pdf' is no document file: a folder, a pipe or a device"),
        (lambda folder: folder, "is no document file: a folder, a pipe or a device"),
        (lambda folder: Path("/dev/zero"), "'zero' is no document file: a folder, a pipe or a device"),
        (lambda folder: Path("/dev/null"), "'null' is no document file"),
        (lambda folder: Path("/dev/tty"), "'tty'"),
        (lambda folder: Path("/proc/self/environ"), "the document 'environ' is empty"),
        (lambda folder: Path("/proc/self/mem"), "the document 'mem' is empty"),
        (lambda folder: Path("/proc/kmsg"), "the document 'kmsg'"),
        (lambda folder: _link(folder, "/dev/zero"), "'link.pdf' is no document file"),
        (lambda folder: _link(folder, "link.pdf"), "the document 'link.pdf' cannot be read: OSError"),
        (lambda folder: _link(folder, "nowhere"), "the document 'link.pdf' cannot be read: no such file"),
        (lambda folder: folder / "none.pdf", "the document 'none.pdf' cannot be read: no such file"),
        (lambda folder: folder / "a\0b.pdf", "cannot be read: ValueError"),
        (lambda folder: folder / ("n" * 5000), "cannot be read: OSError"),
        (lambda folder: _sized(folder, 0), "the document 'large.pdf' is empty"),
        (lambda folder: _sized(folder, 64 * 1024 * 1024 + 1), "at most 67108864 are sent"),
        (lambda folder: _sized(folder, 10**12), "has 1000000000000 bytes; at most 67108864 are sent"),
    ],
)
def test_what_is_no_plain_file_is_refused_without_waiting(make: Any, words: str, tmp_path: Path) -> None:
    """A pipe, a device, a folder, a link to one, a file without or with too much in it: one line."""
    with pytest.raises(InvalidRequestError) as caught:
        read_document_file(make(tmp_path))
    assert words in str(caught.value)
    assert not caught.value.sent


def test_a_plain_file_is_read(tmp_path: Path) -> None:
    """Its bytes as they are."""
    (tmp_path / "a.txt").write_bytes(b"\0\1abc")
    assert read_document_file(tmp_path / "a.txt") == b"\0\1abc"
