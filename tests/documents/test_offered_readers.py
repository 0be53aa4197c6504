"""Readers that plugins offer: found by name, told where they are missing, and OCR dropped in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from complaint_llm.documents.kinds import PDF
from complaint_llm.documents.plugin_reader import HOOK, OfferedReaders
from complaint_llm.documents.reading import DocumentReaders
from complaint_llm.exceptions import InvalidRequestError, PluginError
from complaint_llm.host import PluginHost
from tests.documents.read_documents import read
from tests.documents.tiny_pdf import pdf, text

OCR = '''
from complaint_llm import hookimpl
from complaint_llm.documents.readers import pdf

def recognise(image):
    """A model or a program would look at the image."""
    return f"{len(image.data) > 0} words of the scan"

def read(file, limits, pages):
    document = pdf.read(file, limits, pages)
    return document._replace(
        reader="my_ocr",
        pages=tuple(
            page._replace(text=recognise(page.image), source="text layer of a scan")
            if page.image is not None and not page.text else page
            for page in document.pages
        ),
    )

@hookimpl
def complaint_llm_document_readers():
    return {"application/pdf": read}
'''


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_drop_in_reads_scans(tmp_path: Path, kind: str) -> None:
    """It stands before the built-in reader, uses it, and runs where that runs."""
    if kind == "folder":
        (tmp_path / "my_ocr").mkdir()
        (tmp_path / "my_ocr" / "helper.py").write_text(OCR, encoding="utf-8")
        (tmp_path / "my_ocr" / "plugin.py").write_text(
            "from complaint_llm import hookimpl\nfrom .helper import read\n"
            '@hookimpl\ndef complaint_llm_document_readers():\n    return {"application/pdf": read}\n',
            encoding="utf-8",
        )
    else:
        (tmp_path / "my_ocr.py").write_text(OCR, encoding="utf-8")
    readers = DocumentReaders(plugins=OfferedReaders(PluginHost(paths=[tmp_path])))
    try:
        found = read(readers, pdf(b"0 0 300 300 re f", text("Dear tenant", 60, 700)), PDF)
    finally:
        readers.close()
    assert found.reader == "my_ocr"
    assert [page.text for page in found.pages] == ["True words of the scan", "Dear tenant"]


def test_the_reader_of_the_guide_asks_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin that docs/plugins.md shows, with a program in the place of Tesseract that counts what it is given."""
    guide = (Path(__file__).resolve().parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", guide, re.S)
    (code,) = (block for block in blocks if HOOK in block and "tesseract" in block)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "my_ocr.py").write_text(code, encoding="utf-8")
    (tmp_path / "tesseract").write_text("#!/bin/sh\ntest $(wc -c) -gt 50 && echo words of the scan\n", encoding="ascii")
    (tmp_path / "tesseract").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    readers = DocumentReaders(plugins=OfferedReaders(PluginHost(paths=[tmp_path / "plugins"])))
    try:
        found = read(readers, pdf(b"0 0 300 300 re f"), PDF)
    finally:
        readers.close()
    assert (found.reader, found.pages[0].text.strip()) == ("my_ocr", "words of the scan")
    assert found.pages[0].source == "text layer of a scan"


@pytest.mark.parametrize(
    ("offered", "words"),
    [
        ("lambda file, limits, pages: None", "can be found in no module"),
        ("functools.partial(len)", "is no function"),
        ("'a name'", "is no function"),
        ("None", "no reader takes x/y"),
        ("made()", "can be found in no module"),
        ("Reader().read", "PluginError|failed with"),
    ],
)
def test_a_reader_that_no_other_process_can_find_is_told(tmp_path: Path, offered: str, words: str) -> None:
    """It is named by its module and never copied as an object."""
    (tmp_path / "odd.py").write_text(
        "import functools\nfrom complaint_llm import hookimpl\n"
        "def made():\n    def inner(file, limits, pages): ...\n    return inner\n"
        "class Reader:\n    def read(self, file, limits, pages): ...\n"
        f'@hookimpl\ndef complaint_llm_document_readers():\n    return {{"x/y": {offered}}}\n',
        encoding="utf-8",
    )
    readers = DocumentReaders(plugins=OfferedReaders(PluginHost(paths=[tmp_path])))
    try:
        with pytest.raises((PluginError, InvalidRequestError), match=words):
            read(readers, b"x")
    finally:
        readers.close()


def test_readers_are_offered_by_name_before_they_are_imported(tmp_path: Path) -> None:
    """What a source says that it offers is known; a broken plugin is told when its type is read."""
    (tmp_path / "broken.py").write_text(
        "from complaint_llm import hookimpl\n1 / 0\n@hookimpl\ndef complaint_llm_document_readers():\n"
        "    return {'x/broken': print}\n",
        encoding="utf-8",
    )
    offered = OfferedReaders(PluginHost(paths=[tmp_path]))
    assert list(offered) == ["x/broken"]
    assert len(offered) == 1
    readers = DocumentReaders(plugins=offered)
    assert readers.can_read("x/broken")
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        read(readers, b"x", "x/broken")
    assert HOOK == "complaint_llm_document_readers"


def test_a_missing_extra_is_told_with_what_to_install(tmp_path: Path) -> None:
    """In one line."""
    code = (
        "import sys\nfrom complaint_llm.call import CancelToken, Deadline\n"
        "from complaint_llm.documents.reading import DocumentReaders\n"
        "readers = DocumentReaders()\n"
        "try: readers.read(b'%PDF', 'application/pdf', 'a.pdf', deadline=Deadline(60), cancel=CancelToken())\n"
        "except Exception as error: print(type(error).__name__, error)\nreaders.close()\n"
    )
    (tmp_path / "pypdfium2").mkdir()
    (tmp_path / "pypdfium2" / "__init__.py").write_text("raise ModuleNotFoundError(name='pypdfium2')\n")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    words = "PDF is read with the extra documents: pip install 'complaint-llm[documents]'"
    assert done.stdout.strip() == f"ConfigError {words}", done.stderr
