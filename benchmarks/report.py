"""Tables of figures, on the terminal and in docs/performance.md."""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Figure


class Limit(NamedTuple):
    """What one contender may take at most (or must reach at least), as its ``ratio``, its ``figure``, or its
    figure in units of the ``yardstick`` (benchmarks/yardstick.py) of the same run."""

    contender: str
    value: float
    of: str = "ratio"
    least: bool = False


class Table(NamedTuple):
    """One measured row of docs/performance.md. ``scale`` turns the figures (seconds, KiB) into ``unit``."""

    title: str
    unit: str
    scale: float
    figures: Sequence[Figure]
    limits: Sequence[Limit] = ()
    note: str = ""
    yardstick: float | None = None
    """Seconds of the yardstick in this run."""

    def markdown(self) -> str:
        lines = [f"### {self.title}", ""]
        lines += [f"| | {self.unit}, median | lowest to highest | ratio |", "| --- | ---: | ---: | ---: |"]
        for each in self.figures:
            ratio = "" if each.ratio is None else f"{each.ratio:.2f}"
            low, high = each.low * self.scale, each.high * self.scale
            spread = f"{low:.4g} to {high:.4g}" if low < high else ""
            lines.append(f"| {each.name} | {each.median * self.scale:.4g} | {spread} | {ratio} |")
        lines += ["", *(f"{line}\n" for line in self.verdicts()), *([self.note.strip(), ""] if self.note else [])]
        return "\n".join(lines)

    def verdicts(self) -> list[str]:
        """A sentence for each limit."""
        return [self._verdict(limit) for limit in self.limits]

    def findings(self) -> list[str]:
        """The sentences of the note that say who was left out, or asked less often."""
        said = re.findall(r"(?:\w+ is missing|Asked a round): .+?\.(?= |$)", self.note)
        return [f"{self.title.partition(': ')[0]}. {each}" for each in said]

    def lines(self) -> list[str]:
        """One row of docs/performance.md: what, ours, the others, limit and whether it is held."""
        limited = {limit.contender for limit in self.limits}
        ours = [each for each in self.figures if each.name in limited or each.name == "complaint-llm"]
        others = [each for each in self.figures if each not in ours]
        beside = ", ".join(f"{each.name} {self._figure(each)}" for each in others)
        rows = [] if ours else [f"| {self.title} | | {beside} | |"]
        for each in ours:
            verdicts = [self._short(limit) for limit in self.limits if limit.contender == each.name] or [""]
            what = self.title if each.name == "complaint-llm" else f"{self.title}: {each.name}"
            rows += [f"| {what} | {self._figure(each)} | {beside} | {verdict} |" for verdict in verdicts]
        return rows

    def _figure(self, each: Figure) -> str:
        ratio = "" if each.ratio is None else f" ({each.ratio:.2f})"
        return f"{_number(each.median * self.scale)} {self.unit}{ratio}"

    def _value(self, limit: Limit) -> tuple[float, str]:
        (found,) = (each for each in self.figures if each.name == limit.contender)
        if limit.of == "figure":
            return found.median * self.scale, f" {self.unit}"
        if limit.of == "yardstick":
            assert self.yardstick is not None
            return found.median / self.yardstick, " yardsticks"
        assert found.ratio is not None
        return found.ratio, ""

    def _short(self, limit: Limit) -> str:
        value, unit = self._value(limit)
        held = value >= limit.value if limit.least else value <= limit.value
        shown = f"{_number(value)} of " if limit.of == "yardstick" else ""
        return f"{shown}{'≥' if limit.least else '≤'} {_number(limit.value)}{unit} {'held' if held else '**missed**'}"

    def _verdict(self, limit: Limit) -> str:
        value, unit = self._value(limit)
        held = value >= limit.value if limit.least else value <= limit.value
        word = "at least" if limit.least else "at most"
        result = "held" if held else "**missed**"
        return f"{limit.contender}: {_number(value)}{unit}, wanted {word} {_number(limit.value)}{unit}: {result}."


def _number(value: float) -> str:
    """Three digits, and no exponent for what is large."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


class Options(NamedTuple):
    """How thoroughly to measure, and whether the peers come along."""

    rounds: int
    peers: bool


def run(description: str, tables: Callable[[Options], Sequence[Table]]) -> None:
    """The command line of one benchmark file."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=9, help="interleaved rounds (9)")
    parser.add_argument(
        "--peers", action="store_true", help="measure other libraries too; installs them when first asked"
    )
    given = parser.parse_args()
    if given.peers:
        from benchmarks import peers

        peers.install()
    for table in tables(Options(given.rounds, given.peers)):
        print(table.markdown())


def machine() -> list[str]:
    """What the figures were measured on, as lines of a list."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        "unknown CPU",
    )
    cores = sum(line.startswith("processor") for line in _lines("/proc/cpuinfo"))
    memory = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    return [
        f"{cores} cores of {cpu}, {memory / 2**20:.1f} GiB, {platform.system()} {platform.release()}",
        f"Python {platform.python_version()} ({platform.python_implementation()})",
    ]


def versions(python: str = sys.executable) -> dict[str, str]:
    """Every distribution that is installed in an environment, with its version."""
    frozen = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    pairs = (line.partition("==") for line in frozen.stdout.splitlines())
    return {name: version for name, _, version in pairs if version}


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()
