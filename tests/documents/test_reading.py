"""Reading by processes of their own: what comes back, what is said where nothing can, and who ends when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.documents.kinds import PDF, TEXT
from complaint_llm.documents.page_choice import Pages
from complaint_llm.documents.pages import Limits
from complaint_llm.documents.plugin_reader import OfferedReaders, PluginReader
from complaint_llm.documents.process import ReaderEndedError, ReaderProcess, ReaderWasIdleError
from complaint_llm.documents.reading import DocumentReaders
from complaint_llm.exceptions import BackendTimeoutError, CancelledError, InvalidRequestError
from complaint_llm.host import PluginHost
from tests.documents.read_documents import CRASHES, read
from tests.documents.tiny_pdf import pdf, text

LETTER = pdf(text("Dear tenant", 60, 700), text("Second page", 60, 700), text("Third page", 60, 700))


@pytest.fixture
def plugins(tmp_path: Path) -> Mapping[str, PluginReader]:
    (tmp_path / "crashes.py").write_text(CRASHES, encoding="utf-8")
    return OfferedReaders(PluginHost(paths=[tmp_path]))


@pytest.fixture
def readers(plugins: Mapping[str, PluginReader]) -> Iterator[DocumentReaders]:
    made = DocumentReaders(Limits(seconds=60), plugins)
    yield made
    made.close()


def state(pid: int) -> str:
    """R, S, Z or the like; "gone" where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "gone"


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_pages_come_back_as_values(readers: DocumentReaders) -> None:
    """All of them, or those that were asked for with their own numbers."""
    found = read(readers, LETTER, PDF)
    assert [page.text for page in found.pages] == ["Dear tenant", "Second page", "Third page"]
    assert (found.page_count, found.has_pages, found.reader, found.media_type) == (3, True, "pdfium", PDF)
    chosen = read(readers, LETTER, PDF, pages=Pages.parse("2-"))
    assert [(page.number, page.text) for page in chosen.pages] == [(2, "Second page"), (3, "Third page")]
    assert chosen.page_count == 3
    with pytest.raises(InvalidRequestError, match=r"^lease\.pdf has 3 pages, and page 9 was asked for$"):
        read(readers, LETTER, PDF, pages=Pages.parse("9"))


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("fail(UnreadableError('is encrypted: save it'))", "lease.pdf is encrypted: save it"),
        ("fail(UnreadableError('two\\nlines \\x1b[31m'))", "lease.pdf two lines  [31m"),
        ("fail(UnreadableError('a' * 9999))", "lease.pdf aaaa"),
        ("fail(ValueError('a secret of a client'))", "lease.pdf could not be read: the reader failed with ValueError"),
        ("fail(KeyboardInterrupt('x'))", "the reader failed with KeyboardInterrupt"),
        ("fail(SystemExit(0))", "the reader failed with SystemExit"),
        ("fail(RecursionError())", "the reader failed with RecursionError"),
        ("fail(type('A' * 900, (Exception,), {})())", "the reader failed with AAAA"),
        ("os.abort()", "the reader crashed (signal 6)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the reader crashed (signal 11)"),
        ("os.kill(os.getpid(), signal.SIGXCPU)", "the reader took longer than 60 s"),
        ("os._exit(3)", "the reader ended with exit code 3"),
        ("bytearray(10**9)", "the reader used more than 400 MB"),
        ("[bytes(10**6) for _ in range(500)]", "the reader used more than 400 MB"),
        ("None", "the reader failed with TypeError"),
        ("made(7)", "the reader failed with"),
        ("made('x' * 20_000_001)", "lease.pdf holds more than 20,000,000 characters of text"),
        ("made('x')._replace(pages=made('x').pages * 2001)", "lease.pdf has 2,001 pages"),
        ("made('x', PageImage(b'GIF89a', 'image/gif'))", "the reader gave back what is no document"),
        ("made('x', PageImage(b'no image', 'image/png'))", "the reader gave back what is no document"),
        ("made('x')._replace(page_count=-1)", "the reader gave back what is no document"),
        ("made('x')._replace(pages=(Page(1, 'x', 'of my own'),))", "the reader gave back what is no document"),
        ("os.write(3, b'x' * 99) and os._exit(0)", "the reader"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_line_and_the_next_file_is_read(readers: DocumentReaders, data: str, words: str) -> None:
    """The file's name, and why; of errors nothing but their kind, for a message may hold what stands in the file."""
    with pytest.raises(InvalidRequestError) as caught:
        read(readers, data)
    message = str(caught.value)
    assert words in message
    assert message.startswith("lease.pdf ")
    assert message.isprintable()
    assert len(message) < 400
    assert "secret" not in message
    assert not caught.value.sent
    assert read(readers, "made('and on')").pages[0].text == "and on"


def test_every_text_and_image_comes_back_as_it_was(readers: DocumentReaders) -> None:
    """Brackets and quotes by the million, NUL, signs beyond the first plane; half a pair becomes U+FFFD."""
    for words in ("[" * 2_000_000, '{"a":' * 500_000, "\0\x1b\u2028", "\U0001f600" * 9, "", "שלום"):
        assert read(readers, f"made({words[:40]!r})").pages[0].text == words[:40]
        assert read(readers, words.encode(), TEXT).pages[0].text.strip("\0") == words.strip("\0") or words == ""
    assert read(readers, "made('a\\ud800b')").pages[0].text == "a\ufffdb"
    image = read(readers, r"made('x', PageImage(b'\x89PNG\r\n\x1a\n' + bytes(99), 'image/png'))").pages[0].image
    assert image is not None
    assert image.data == b"\x89PNG\r\n\x1a\n" + bytes(99)


def test_a_process_is_kept_warm_and_never_used_after_a_failure(readers: DocumentReaders) -> None:
    """One answers file after file; what failed in one may have left something broken behind."""
    pid = read(readers, "made(str(os.getpid()))").pages[0].text
    assert read(readers, "made(str(os.getpid()))").pages[0].text == pid
    with pytest.raises(InvalidRequestError):
        read(readers, "fail(UnreadableError('is empty'))")
    assert read(readers, "made(str(os.getpid()))").pages[0].text == pid
    with pytest.raises(InvalidRequestError):
        read(readers, "1 / 0")
    assert read(readers, "made(str(os.getpid()))").pages[0].text != pid
    assert state(int(pid)) == "gone"


@pytest.mark.rows(4)
@pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux has them")
@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("resource.getrlimit(resource.RLIMIT_FSIZE)", "(0, 0)"),
        ("resource.getrlimit(resource.RLIMIT_CORE)", "(0, 0)"),
        ("resource.getrlimit(resource.RLIMIT_NOFILE)", "(64, 64)"),
        ("resource.getrlimit(resource.RLIMIT_AS)[0] < 500 * 2**20", "True"),
        ("resource.getrlimit(resource.RLIMIT_CPU)[0] <= time.process_time() + 63", "True"),
        ("os.getcwd()", "/"),
        ("os.getsid(0) == os.getpid()", "True"),
        ("sorted(set(os.environ) - {'PATH', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'LD_LIBRARY_PATH'})", "['HOME']"),
        ("'OPENAI_API_KEY' in os.environ", "False"),
        ("len(os.listdir('/proc/self/fd')) < 10", "True"),
        ("sys.stdin.read()", ""),
        ("print('noise') or 'quiet'", "quiet"),
        ("sys.flags.isolated", "1"),
    ],
)
def test_the_process_has_what_reading_needs_and_no_more(
    readers: DocumentReaders, monkeypatch: pytest.MonkeyPatch, asked: str, answer: str
) -> None:
    """Limits, its own session, no secrets, no files that are open, none of the program's input and output."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert read(readers, f"made(str({asked}))").pages[0].text == answer


def test_no_file_is_written(readers: DocumentReaders, tmp_path: Path) -> None:
    """Not even by a plugin: the system refuses."""
    with pytest.raises(InvalidRequestError, match="failed with OSError"):
        read(readers, f"opened({str(tmp_path / 'new')!r}, 'w')")
    assert not (tmp_path / "new").exists() or (tmp_path / "new").stat().st_size == 0


def test_errors_that_are_printed_hold_nothing_up(readers: DocumentReaders) -> None:
    """A library that writes megabytes of warnings is read and forgotten."""
    assert read(readers, "sys.stderr.write('x' * 5_000_000) and made('done')").pages[0].text == "done"


@pytest.mark.rows(2)
@pytest.mark.parametrize("work", ["spin()", "time.sleep(600)", "os.kill(os.getpid(), signal.SIGSTOP)"])
def test_what_takes_too_long_is_killed(plugins: Mapping[str, PluginReader], work: str) -> None:
    """At the limit of a file, at the deadline of the call, and when it is cancelled: each says so."""
    limited = DocumentReaders(Limits(seconds=1), plugins)
    try:
        with pytest.raises(InvalidRequestError, match=r"lease\.pdf could not be read: the reader took longer than 1 s"):
            read(limited, work)
    finally:
        limited.close()
    readers = DocumentReaders(plugins=plugins)
    try:
        with pytest.raises(BackendTimeoutError, match=r"lease\.pdf could not be read before the deadline"):
            read(readers, work, deadline=Deadline(0.5))
        token = CancelToken()
        timer = threading.Timer(0.5, token.cancel, ["closed"])
        timer.start()
        with pytest.raises(CancelledError, match=r"lease\.pdf was not read: closed"):
            read(readers, work, cancel=token)
        timer.join()
    finally:
        readers.close()


def test_a_call_that_was_cancelled_before_asks_nothing(readers: DocumentReaders) -> None:
    """And the readers go on."""
    token = CancelToken()
    token.cancel("stopped")
    with pytest.raises(CancelledError, match="stopped"):
        read(readers, "made('x')", cancel=token)
    assert read(readers, "made('x')").pages[0].text == "x"


def test_eight_threads_have_at_most_so_many_processes(plugins: Mapping[str, PluginReader]) -> None:
    """More files wait for their turn."""
    readers = DocumentReaders(plugins=plugins, most=2)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: read(readers, "made(str(os.getpid()))").pages[0].text, range(40)))
    finally:
        readers.close()
    assert len(set(found)) <= 2


def test_close_ends_everything_at_once(plugins: Mapping[str, PluginReader]) -> None:
    """Idle processes and those at work; who waits is told, and later calls are refused."""
    readers = DocumentReaders(plugins=plugins)
    pid = int(read(readers, "made(str(os.getpid()))").pages[0].text)
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(read, readers, "time.sleep(600)")
        wait_until(lambda: busy.running())
        time.sleep(0.2)
        readers.close()
        with pytest.raises((InvalidRequestError, CancelledError)):
            busy.result(60)
    assert state(pid) == "gone"
    with pytest.raises(CancelledError, match="closed"):
        read(readers, "made('x')")
    readers.close()


def test_an_idle_process_ends_and_is_replaced() -> None:
    """What ended for want of work is no failure of the next file."""
    process = ReaderProcess(Limits(), idle_seconds=0.01)
    header = {"media_type": PDF, "pages": None, "plugin": None}
    wait_until(lambda: not process.is_alive)
    with pytest.raises(ReaderWasIdleError):
        process.ask(header, LETTER, Deadline(60), CancelToken())
    process.close()


def test_an_idle_process_that_was_killed_from_outside_is_replaced(readers: DocumentReaders) -> None:
    """The system may kill it for want of memory."""
    pid = int(read(readers, "made(str(os.getpid()))").pages[0].text)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: state(pid) in ("Z", "gone"))
    assert read(readers, "made('x')").pages[0].text == "x"


def test_after_a_kill_it_answers_no_more() -> None:
    """Any thread may end it; its owner is told."""
    process = ReaderProcess(Limits())
    process.kill()
    with pytest.raises(ReaderEndedError):
        process.ask({"media_type": PDF, "pages": None, "plugin": None}, LETTER, Deadline(60), CancelToken())
    process.close()
    assert not process.is_alive


PARENT = """
import os, sys, threading, time
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.documents.pages import Limits
from complaint_llm.documents.process import ReaderProcess
sys.path.insert(0, sys.argv[1])
idle, busy = ReaderProcess(Limits()), ReaderProcess(Limits())
print(idle.pid, busy.pid, flush=True)
header = {"media_type": "x/y", "pages": None, "plugin": ["crashes", "read", None]}
threading.Thread(target=busy.ask, args=(header, b"spin()", Deadline(600), CancelToken()), daemon=True).start()
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_processes_end_with_their_parent(plugins: Mapping[str, PluginReader], tmp_path: Path) -> None:
    """Idle or at work: no parent that was killed leaves one behind."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    idle, busy = map(int, parent.stdout.readline().split())
    try:
        wait_until(lambda: state(busy) == "R")
        time.sleep(0.5)
        assert state(idle) == "S"
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    wait_until(lambda: state(idle) in ("Z", "gone") and state(busy) in ("Z", "gone"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded")
def test_a_forked_child_reads_by_processes_of_its_own(readers: DocumentReaders) -> None:
    """And its parent's go on."""
    pid = read(readers, "made(str(os.getpid()))").pages[0].text
    child = os.fork()
    if child == 0:
        code = 1
        try:
            theirs = read(readers, "made(str(os.getpid()))").pages[0].text
            readers.close()
            code = 0 if theirs != pid else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert read(readers, "made(str(os.getpid()))").pages[0].text == pid


def test_a_file_that_is_too_large_or_of_no_kind_is_refused_before_a_process_is_asked() -> None:
    """In a line with the bound."""
    readers = DocumentReaders(Limits(file_bytes=10))
    with pytest.raises(InvalidRequestError, match=r"lease\.pdf has 11 bytes; at most 10 are read"):
        read(readers, bytes(11), PDF)
    with pytest.raises(InvalidRequestError, match=r"no reader takes x/unknown"):
        read(readers, b"x", "x/unknown")
    assert not readers.can_read("x/unknown")
    assert readers.can_read(PDF)
