"""The first backend fails: what the second one's answer costs."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import peers, yardstick
from benchmarks.measure import Contender, figures, interleaved
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server

CALLS = 200
NEVER_OPEN = {"circuit_breaker": {"failures": 1_000_000, "cooldown": 30}}


def tables(options: Options) -> Sequence[Table]:
    with Server() as server:
        urls = server.urls
        return [
            _second_answer("refuses the connection", urls.refused, urls.fast, options),
            _second_answer("answers HTTP 500", urls.failing, urls.fast, options),
            _added_by_a_refusal(urls.refused, urls.fast, options),
        ]


def _second_answer(what: str, bad: str, good: str, options: Options) -> Table:
    """Each call asks both: the breaker is kept from opening, so that the fallback itself is measured."""
    settings = {"bad": bad, "good": good}
    contenders = [
        Contender("requests, try/except", "with_requests", "fallback", settings),
        Contender(
            "complaint-llm", "with_complaint_llm", "fallback", {**settings, "skipped": False, "settings": NEVER_OPEN}
        ),
    ]
    if options.peers:
        contenders += peers.contenders("fallback", **settings)
    measured = interleaved(contenders, "each", CALLS, options.rounds)
    cpu = {name: [each.cpu / each.n for each in row] for name, row in measured.samples.items()}
    title = f"The first backend {what}, the second answers: CPU a call"
    return Table(title, "µs", 1e6, figures(cpu, "requests, try/except"), [Limit("complaint-llm", 1.0)], measured.note)


def _added_by_a_refusal(bad: str, good: str, options: Options) -> Table:
    """The default config but for the breaker, which would spare the refused connection after a few calls."""
    alone, behind = "the second alone", "the first refuses"
    contenders = [
        Contender(alone, "with_complaint_llm", "call", {"base": good, "settings": NEVER_OPEN}),
        Contender(behind, "with_complaint_llm", "default_pair", {"bad": bad, "good": good, "settings": NEVER_OPEN}),
    ]
    measured = interleaved(contenders, "each", CALLS, options.rounds)
    wall = {name: [each.wall / each.n for each in row] for name, row in measured.samples.items()}
    added = [slow - quick for slow, quick in zip(wall[behind], wall[alone], strict=True)]
    title = "The first backend refuses the connection, retries as by default: wall time added to a call"
    limits = [yardstick.limit("complaint-llm", 5e-3)]
    return Table(title, "ms", 1e3, figures({"complaint-llm": added}, None), limits, yardstick=yardstick.seconds())


if __name__ == "__main__":
    run(__doc__ or "", tables)
