"""Contenders in processes of their own, asked in interleaved rounds; medians, spread and ratios of what they took."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

AUTHORITY = Path(__file__).resolve().parents[1] / "tests" / "transport" / "tls" / "authority.pem"
PEER_SECONDS = 3.0
"""Seconds that a peer may take in a round; a slower one is asked less often."""
FEWEST = 5
"""How often it is asked at least."""
WORKER = Path(__file__).parent / "contenders" / "worker.py"


class Contender(NamedTuple):
    """What is measured: a function of a module in ``contenders/`` and the environment that it runs in."""

    name: str
    module: str
    function: str
    settings: Mapping[str, Any]
    python: str = sys.executable
    peer: bool = False
    """Whether it is somebody else's: if it fails, that is a finding, and the others are still measured."""


class Sample(NamedTuple):
    """One round of one contender. Seconds for ``n`` prompts; ``cpu`` is the process, ``thread`` the caller alone,
    ``p99`` of the seconds of single calls (0 for other shapes)."""

    wall: float
    cpu: float
    thread: float
    p99: float
    n: int
    wrong: int
    pieces: int
    rss_kib: int
    peak_kib: int


class Figure(NamedTuple):
    """A median with its spread over the rounds, and its ratio to the yardstick of the same round."""

    name: str
    median: float
    low: float
    high: float
    ratio: float | None = None


def plain_environment() -> dict[str, str]:
    """This process's without proxies, and trusting the authority of the benchmarks' TLS server."""
    plain = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    plain.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's second start reads compiled files
    return plain | {"REQUESTS_CA_BUNDLE": str(AUTHORITY), "SSL_CERT_FILE": str(AUTHORITY)}


class Running:
    """A contender's process; a context manager."""

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        plain = plain_environment()
        self._process = subprocess.Popen(
            [contender.python, str(WORKER), contender.module, contender.function, json.dumps(dict(contender.settings))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=plain,
        )
        try:
            self._answer()
        except BaseException:
            self.__exit__()
            raise

    def ask(self, shape: str, n: int) -> Sample:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"shape": shape, "n": n}) + "\n")
        self._process.stdin.flush()
        sample = Sample(**self._answer())
        if sample.wrong:
            raise RuntimeError(f"{self.contender.name}: {sample.wrong} of {n} answers were lost or wrong")
        return sample

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.contender.name}: ended; see its message above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


class Rounds(NamedTuple):
    """The samples of every contender that answered all it was asked, why peers are missing, and how often those were
    asked in a round that are slow."""

    samples: Mapping[str, Sequence[Sample]]
    failures: Mapping[str, str]
    fewer: Mapping[str, int]

    @property
    def note(self) -> str:
        """A sentence for each peer that failed, and one for those that were asked less often."""
        missing = [f"{name} is missing: {reason}." for name, reason in self.failures.items()]
        fewer = [f"{name} {n:,} times" for name, n in self.fewer.items() if name in self.samples]
        return " ".join(missing + ([f"Asked a round: {', '.join(fewer)}."] if fewer else []))


def interleaved(contenders: Sequence[Contender], shape: str, n: int, rounds: int) -> Rounds:
    """Every contender once a round, in an order that changes; the first, unrecorded round warms up.

    ``n`` prompts each, but fewer for a peer that would take longer than ``PEER_SECONDS``.
    """
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    failures: dict[str, str] = {}
    running: list[Running] = []

    def leave_out(contender: Contender, error: Exception) -> None:
        if not contender.peer:
            raise error
        failures[contender.name] = str(error).partition(": ")[2]
        del samples[contender.name]

    def ask(each: Running, count: int) -> Sample | None:
        if each.contender.name in failures:
            return None
        try:
            return each.ask(shape, count)
        except (RuntimeError, OSError) as error:
            leave_out(each.contender, error)
            return None

    counts = dict.fromkeys(samples, n)
    try:
        for contender in contenders:
            try:
                running.append(Running(contender))
            except (RuntimeError, OSError) as error:
                leave_out(contender, error)
        for each in running:
            first = ask(each, max(1, n // 20))
            if first is not None and each.contender.peer:
                able = int(PEER_SECONDS / first.wall * first.n)
                counts[each.contender.name] = min(n, max(FEWEST, able))
            ask(each, max(1, counts[each.contender.name] // 5))
        for number in range(rounds):
            order = list(running)
            random.Random(number).shuffle(order)
            for each in order:
                sample = ask(each, counts[each.contender.name])
                if sample is not None:
                    samples[each.contender.name].append(sample)
    finally:
        for each in running:
            each.__exit__()
    return Rounds(samples, failures, {name: count for name, count in counts.items() if count < n})


def figures(values: Mapping[str, Sequence[float]], yardstick: str | None) -> list[Figure]:
    """Medians; each ratio is the median of the ratios round by round, so that a slow round weighs on both sides."""
    found = []
    for name, row in values.items():
        ratio = None
        if yardstick is not None:
            ratio = statistics.median(mine / theirs for mine, theirs in zip(row, values[yardstick], strict=True))
        found.append(Figure(name, statistics.median(row), min(row), max(row), ratio))
    return found
