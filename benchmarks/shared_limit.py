"""Four processes with one Redis and one limit, through kill -9 of a process and of Redis.

    python -m benchmarks.shared_limit

Each process asks a Mediator from many threads, so that work always waits. Every admission is written down by the clock
that decided it: Redis' own stamp, or this machine's clock where a process went on alone. Counted is what lies in any
window of 10 s, wherever it begins, and held against the limits named beside it; exit code 1 if one is broken. The first
window begins with the first admission.

1. The limit is kept and used up.
2. One process is killed with SIGKILL in the middle of a window.
3. Redis is killed with SIGKILL; then a new process starts in the place of the killed one.
4. Redis is started again on the same port, without its memory; no process is restarted.
5. Four processes that have never reached Redis, until it is started.

Each process also writes down when it was not let run. Nothing can be said then of whether a limit was used up, and
whoever waited for Redis meanwhile rightly went on alone: what such a phase says of that is left out, and named.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from benchmarks.windows import Finding, fewest_in_any, most_in_any
from complaint_llm import Mediator
from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.routing.redis.connection import LOOK_AGAIN, SharedState
from complaint_llm.routing.redis.rate_limit import AHEAD, SETTLING, Admission, SharedRateLimit
from complaint_llm.routing.redis.scripts import ADMIT
from complaint_llm.routing.target import AnyRequest, Permit

LIMIT = 100
ENOUGH = 95
"""The fewest in a window that count as using the limit up, unless ``--enough`` says otherwise."""
THREADS = (32, 64, 8, 8)
"""Of each process. They differ so that one takes more than its share while Redis is there."""
BEAT = 0.02
STALL = 0.2
"""A process that did not run for so many seconds was kept from it: less than ``AHEAD`` and its patience with Redis."""
SECOND = 1_000_000
"""Moments are whole microseconds, as Redis has them."""


class Found(NamedTuple):
    """What a run showed, and what went wrong besides."""

    findings: Sequence[Finding]
    faults: Sequence[str]


class Redis:
    """A server on a free port of the loopback interface, without persistence: a restart has forgotten everything."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise SystemExit("redis-server is not installed")
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self._port: int = found.getsockname()[1]
        options = {"port": self._port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": folder}
        self._command = [program, *(text for key, value in options.items() for text in (f"--{key}", str(value)))]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        for _ in range(1000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.01)
        raise RuntimeError("redis-server did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> Redis:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


class Fleet:
    """Worker processes and what they report. One reader thread a process; each appends to a list of its own."""

    def __init__(self, folder: Path, redis: Redis, window: float) -> None:
        self._config = folder / "config.json"
        backend = {"id": "a", "type": "mock", "echo": True, "rate_limit": LIMIT, "rate_limit_window": window}
        sections = {"BACKENDS": [backend], "MEDIATOR": {"shared": {"redis": redis.url}}}
        self._config.write_text(json.dumps(sections), encoding="utf-8")
        self._errors = (folder / "errors").open("w+", encoding="utf-8")
        self._processes: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []
        self._reports: list[list[str]] = []
        self._killed: set[int] = set()
        self._asking = 0
        for threads in THREADS:
            self.start(threads)

    def start(self, threads: int) -> None:
        """Start a process; it asks nothing until ``go``."""
        command = [sys.executable, "-m", "benchmarks.shared_limit", "--worker", str(self._config), str(threads)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors, text=True)
        report: list[str] = []
        reader = threading.Thread(target=self._read, args=(process, report))
        reader.start()
        self._processes.append(process)
        self._reports.append(report)
        self._readers.append(reader)

    def wait_until_ready(self) -> None:
        for _ in range(6000):
            if all(self._reports):
                return
            if any(process.poll() is not None for process in self._processes):
                break
            time.sleep(0.01)
        raise RuntimeError(f"a process did not start: {self.errors()}")

    def go(self) -> None:
        """Let all processes ask that do not yet."""
        for process in self._processes[self._asking :]:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        self._asking = len(self._processes)

    def kill(self, place: int) -> None:
        self._killed.add(place)
        self._processes[place].send_signal(signal.SIGKILL)

    def times(self, until: int, how: str = "") -> list[int]:
        """The admissions up to a moment, in order: all, or those by ``redis``, or those that were taken ``alone``."""
        lines = [line for report in self._reports for line in report[1:] if line.endswith("\n")]
        found = [(kind, int(moment)) for kind, moment, *_ in map(str.split, lines)]
        return sorted(moment for kind, moment in found if moment <= until and how in (kind, "") and kind != "stall")

    def stalled(self, begin: int, end: int) -> bool:
        """Whether a process was not let run at some time between two moments."""
        lines = [line.split() for report in self._reports for line in report[1:] if line.startswith("stall ")]
        return any(int(words[1]) < end and int(words[2]) > begin for words in lines)

    def stop(self) -> list[str]:
        """End all processes; what went wrong, an answer that was not had among it."""
        faults = []
        for place, process in enumerate(self._processes):
            assert process.stdin is not None
            process.stdin.close()
            code = process.wait(30)
            if code and place not in self._killed:
                faults.append(f"process {place} ended with {code}: {self.errors()}")
        return faults + [line for line in self.errors().splitlines() if line.startswith("failed")]

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *error: object) -> None:
        for process, reader in zip(self._processes, self._readers, strict=True):
            process.kill()
            process.wait(10)
            reader.join(10)
        self._errors.close()

    @staticmethod
    def _read(process: subprocess.Popen[str], report: list[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            report.extend(lines)


class Moments(NamedTuple):
    """What happened when in phases 1 to 4."""

    killed: int
    dying: int
    lost: int
    """From here on nothing is admitted by the Redis that was killed."""
    back: int
    usable: int
    """From here on Redis alone must decide, and the limit must be used up."""
    end: int


def through_kills(redis: Redis, fleet: Fleet, window: float) -> Found:
    """Phases 1 to 4."""
    began = now()
    fleet.go()
    killed = at(began, 3.5 * window)
    fleet.kill(0)
    dying = at(began, 5.2 * window)
    redis.kill()
    lost = at(now(), AHEAD)
    fleet.start(THREADS[-1])
    fleet.go()
    back = at(lost, 2.3 * window)
    redis.start()
    usable = at(back, max(window, LOOK_AGAIN + SETTLING))
    end = at(usable, 2.5 * window)
    faults = fleet.stop()
    by_redis, alone = fleet.times(end, "redis"), fleet.times(end, "alone")
    if any(not dying <= each <= usable for each in alone) and not fleet.stalled(began, end):
        faults.append("processes went on alone although Redis was there")
    if not alone or any(lost < each < back for each in by_redis):
        faults.append("admissions by a Redis that was not there")
    moments = Moments(killed, dying, lost, back, usable, end)
    return Found(judged(fleet.times(end), round(window * SECOND), moments, fleet.stalled), faults)


def judged(times: Sequence[int], window: int, moments: Moments, stalled: Callable[[int, int], bool]) -> list[Finding]:
    """What phases 1 to 4 show."""
    killed, dying, lost, back, usable, end = moments
    first = times[0]

    def most(begin: int, end: int) -> int:
        return most_in_any(times[bisect_left(times, begin) : bisect_right(times, end)], window)

    def fewest(begin: int, end: int) -> int:
        return fewest_in_any(times, window, begin, end)

    return [
        Finding("undisturbed", most(first, killed), LIMIT, fewest(first, killed), stalled(first, killed)),
        Finding(
            "a process killed",
            most(killed - window, dying),
            LIMIT,
            fewest(killed - window, dying),
            stalled(killed - window, dying),
        ),
        Finding("Redis killed: windows across it", most(dying - window, lost + window), 2 * LIMIT),
        Finding("Redis gone: windows after that", most(lost, back), LIMIT),
        Finding("Redis comes back: windows across it", most(back - window, usable), LIMIT),
        Finding("Redis is back", most(back, end), LIMIT, fewest(usable, end), stalled(back, end)),
    ]


def never_reached(redis: Redis, fleet: Fleet, window: float) -> Found:
    """Phase 5."""
    began = now()
    fleet.go()
    back = at(began, 2.5 * window)
    redis.start()
    usable = at(back, max(window, LOOK_AGAIN + SETTLING))
    end = at(usable, 1.5 * window)
    faults = fleet.stop()
    times, length = fleet.times(end), round(window * SECOND)
    if max(fleet.times(end, "alone"), default=0) > usable and not fleet.stalled(began, end):
        faults.append("processes that had never reached Redis did not find it")
    found = [
        Finding("Redis never reached", most_in_any(times[: bisect_left(times, back)], length), LIMIT),
        Finding(
            "Redis comes",
            most_in_any(times, length),
            LIMIT,
            fewest_in_any(times, length, usable, end),
            fleet.stalled(back, end),
        ),
    ]
    return Found(found, faults)


def now() -> int:
    return round(time.time() * SECOND)


def at(moment: int, seconds: float) -> int:
    """Wait until ``seconds`` after ``moment``; the time it is then."""
    time.sleep(max(0.0, (moment - now()) / SECOND + seconds))
    return now()


def work(config: str, threads: int) -> None:
    """A worker process: ask until standard input ends, and write down each admission."""
    ended = threading.Event()
    by_redis: set[str] = set()
    run, enter = SharedState.run_script, SharedRateLimit.enter

    def recorded_run(self: SharedState, script: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        reply = run(self, script, keys, args)
        if script is ADMIT and reply[0] == "ok":
            by_redis.add(args[1])
            tell(f"redis {reply[3]}")
        return reply

    def recorded_enter(self: SharedRateLimit, request: AnyRequest, max_queue_wait: float) -> Permit:
        permit = enter(self, request, max_queue_wait)
        if isinstance(permit, Admission) and permit.entry not in by_redis:
            tell(f"alone {by_the_wall(permit.at)}")
        return permit

    def ask() -> None:
        while not ended.is_set():
            try:
                mediator.generate("x")
            except ComplaintLLMError as error:
                if not ended.is_set():
                    print(f"failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)

    def watch() -> None:
        last = now()
        while not ended.wait(BEAT):
            last, before = now(), last
            if last - before > STALL * SECOND:
                tell(f"stall {before} {last}")

    with patch.object(SharedState, "run_script", recorded_run), patch.object(SharedRateLimit, "enter", recorded_enter):
        with Mediator.from_config(config) as mediator:
            asking = [threading.Thread(target=target) for target in (*[ask] * threads, watch)]
            tell("ready")
            sys.stdin.readline()
            for thread in asking:
                thread.start()
            sys.stdin.read()
            ended.set()
        for thread in asking:
            thread.join()


def tell(line: str) -> None:
    # One write: lines of several threads stay whole, and nothing is left in a buffer when the process is killed.
    os.write(1, f"{line}\n".encode())


def by_the_wall(moment: float) -> int:
    """A moment of the monotonic clock as ``time.time`` would have given it, which is what Redis goes by."""
    while True:
        before, wall, after = time.monotonic(), time.time(), time.monotonic()
        if after - before < 1e-4:
            return round((moment + wall - before) * SECOND)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--window", type=float, default=10.0, help="seconds; the limit is 100 in one window")
    parser.add_argument("--enough", type=int, default=ENOUGH, help="the fewest admissions in a window while work waits")
    parser.add_argument("--worker", nargs=2, metavar=("CONFIG", "THREADS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker[0], int(given.worker[1]))
        return 0
    print(
        f"{len(THREADS)} processes, {LIMIT} per {given.window:g} s; load average {os.getloadavg()[0]:.1f}", flush=True
    )
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as other,
        Redis(Path(one)) as lost,
        Redis(Path(other)) as absent,
        Fleet(Path(one), lost, given.window) as through,
        Fleet(Path(other), absent, given.window) as without,
        ThreadPoolExecutor() as pool,
    ):
        lost.start()
        through.wait_until_ready()
        without.wait_until_ready()
        runs = [
            pool.submit(through_kills, lost, through, given.window),
            pool.submit(never_reached, absent, without, given.window),
        ]
        found = [run.result() for run in runs]
    findings = [finding for each in found for finding in each.findings]
    faults = [fault for each in found for fault in each.faults]
    for finding in findings:
        print(finding.line(given.enough))
    for fault in faults:
        print(f"FAIL  {fault}")
    good = all(finding.holds(given.enough) for finding in findings) and not faults
    print(f"{'every bound holds' if good else 'a bound is broken'}; load average {os.getloadavg()[0]:.1f}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
