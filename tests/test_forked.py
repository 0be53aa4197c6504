"""Forked commands end, say and see what started ones do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.pseudo_terminal import PseudoTerminal
from tests.usual_signals import usual_signals

pytestmark = pytest.mark.skipif(not forked.CAN_FORK, reason="this system starts what others fork")
PROGRAMS = {
    "an answer": "print('Räumung “heute”')",
    "standard input": "import sys; print(sys.stdin.read().upper())",
    "both streams": "import sys; print('a'); print('b', file=sys.stderr)",
    "bytes that are no UTF-8": "import sys; sys.stdout.buffer.write(b'\\xff\\n')",
    "a code": "import sys; sys.exit(3)",
    "a sentence": "import sys; sys.exit('it is broken')",
    "no code": "import sys; sys.exit()",
    "a code of the system": "import os; os._exit(7)",
    "an error": "try: open('/nowhere')\nexcept OSError as e: print(e.errno)\nraise SystemExit(1)",
    "a signal": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "folder and name": "import os, sys; print(os.getcwd(), sys.argv, sys.path[0], __name__)",
    "environment and zone": "import os, time; print(sorted(os.environ), time.tzname)",
    "signals": "import signal; print([str(signal.getsignal(each)) for each in (1, 2, 13, 15)])",
    "descriptors": "import os; print(sorted(os.listdir('/proc/self/fd'))[:4])",
    "what waits for the end": "import atexit; atexit.register(print, 'bye'); print('hello')",
    "threads": "import threading; threading.Timer(0.05, print, ['late']).start(); print('early')",
    "a group of its own": "import os; print(os.getsid(0) == os.getpid())",
    "the main module": "import sys; print(vars(sys.modules['__main__'])['__name__'], 'forked' in globals())",
    "too much to say": "print('x' * 1_000_000)",
}
IMPORTED = "import sys; print('complaint_llm.mediator' in sys.modules)"


def outcome(run: Any, folder: Path, words: list[str]) -> tuple[Any, ...]:
    """Exit code, standard output, standard error."""
    env = {"PATH": os.environ["PATH"], "TZ": "America/Los_Angeles", "LC_ALL": "C.UTF-8"}
    env |= {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    command = [sys.executable, *words]
    how = {"cwd": folder, "env": env, "preexec_fn": usual_signals, "timeout": 60}
    done = run(command, input=b"hi\n", capture_output=True, check=False, **how)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_is_as_if_it_were_started(tmp_path: Path, name: str) -> None:
    words = ["-c", PROGRAMS[name], "one", "two words"]
    assert outcome(forked.run, tmp_path, words) == outcome(subprocess.run, tmp_path, words)


@pytest.mark.parametrize("words", ["--version", "--help", "generate", "-c nowhere.json check", "nothing"])
def test_the_program_is_the_program(tmp_path: Path, words: str) -> None:
    command = ["-m", "complaint_llm", *words.split()]
    assert outcome(forked.run, tmp_path, command) == outcome(subprocess.run, tmp_path, command)


def test_a_script_is_a_script(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys, beside\nprint(sys.argv[1:], sys.path[0], beside.X, __name__)\n")
    (tmp_path / "beside.py").write_text("X = 1\n")
    words = [str(tmp_path / "script.py"), "a"]
    assert outcome(forked.run, tmp_path, words) == outcome(subprocess.run, tmp_path, words)


def test_what_is_left_open_is_found(tmp_path: Path) -> None:
    """By the interpreter's own option, at the very end too."""
    words = ["-X", "dev", "-c", "import socket; kept = socket.socket(); cycle = [kept]; cycle.append(cycle)"]
    code, _, said = outcome(forked.run, tmp_path, words)
    assert code == 0
    assert b"ResourceWarning: unclosed <socket" in said


def test_nothing_is_imported_again(tmp_path: Path) -> None:
    """What is started for it has not imported it, and another PYTHONPATH may mean another product."""
    assert outcome(forked.run, tmp_path, ["-c", IMPORTED])[1] == b"True\n"
    assert outcome(subprocess.run, tmp_path, ["-c", IMPORTED])[1] == b"False\n"
    elsewhere = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", IMPORTED]
    assert forked.run(command, env=elsewhere, capture_output=True, text=True).stdout == "False\n"


def test_another_program_is_started(tmp_path: Path) -> None:
    done = forked.run(["sh", "-c", "pwd; exit 4"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, f"{tmp_path}\n")


def test_one_that_goes_on_can_be_stopped() -> None:
    """It is told apart from one that ended, by the clock too, and what it said before is not lost."""
    program = "import signal, sys; print('here', flush=True); signal.pause()"
    with forked.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.2)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60) == ("here\n", None)
    assert process.returncode == process.poll() == process.wait() == -signal.SIGTERM
    process.kill()


def test_one_that_takes_too_long_is_killed() -> None:
    program = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    reading, writing = os.pipe()
    with pytest.raises(subprocess.TimeoutExpired):
        forked.run([sys.executable, "-c", program], stdout=writing, timeout=1)
    os.close(writing)
    with open(reading) as said:
        number = int(said.read())
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_who_reads_lines_is_given_lines() -> None:
    """With a buffer of one line; what is written to one that has gone is no error."""
    program = "import sys; [print(line.upper(), end='', flush=True) for line in sys.stdin]"
    with forked.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for line in ("a\n", "b\n"):
            process.stdin.write(line)
            assert process.stdout.readline() == line.upper()
    assert process.returncode == 0
    ended = forked.run([sys.executable, "-c", "pass"], input="x" * 1_000_000, text=True)
    assert ended.returncode == 0


def test_what_must_succeed_raises() -> None:
    with pytest.raises(subprocess.CalledProcessError, match="status 3"):
        forked.run([sys.executable, "-c", "import sys; sys.exit(3)"], check=True)


@pytest.mark.parametrize("start", [forked.Popen, forked.start], ids=["forked", "started"])
def test_on_a_terminal_it_is_on_a_terminal(tmp_path: Path, start: Any) -> None:
    """Its own: Ctrl-C reaches it, and its size is that of the terminal."""
    program = "import os, sys\ntry: print(sys.stdout.isatty(), os.get_terminal_size().columns, flush=True); input()\n"
    program += "except KeyboardInterrupt: sys.exit(130)"
    with PseudoTerminal(tmp_path, sys.executable, "-c", program, columns=33, start=start) as terminal:
        terminal.wait_for("True 33")
        assert terminal.interrupt() == 130


def test_it_ends_with_who_started_it(tmp_path: Path) -> None:
    """No process is left that waits for requests."""
    program = "import sys; sys.path.insert(0, sys.argv[1]); from tests import forked\n"
    program += "text = 'import os; print(os.getppid(), flush=True)'\nforked.run([sys.executable, '-c', text])"
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", program, str(root)], capture_output=True, text=True, check=True)
    server = Path("/proc", done.stdout.strip(), "cmdline")
    until = time.monotonic() + 60
    while server.exists() and b"fork_server" in server.read_bytes():
        assert time.monotonic() < until
