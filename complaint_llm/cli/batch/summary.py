"""What ``complaint-llm batch`` says of a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from complaint_llm.batch.output.states import STATES
from complaint_llm.cli.preview import replaced_line
from complaint_llm.cli.terminal import tell, write
from complaint_llm.cli.token_words import token_count

if TYPE_CHECKING:
    from complaint_llm.batch import BatchSummary


def account(summary: BatchSummary) -> str:
    """One line: how many, how much."""
    parts = [f"{summary.answered:,} answered", f"{summary.failed:,} failed"]
    others = (("cut", summary.cut), ("refused", summary.refused), ("not read", summary.not_read))
    parts += [f"{count:,} {state}" for state, count in others if count]
    if summary.in_doubt:
        parts.append(f"{summary.in_doubt:,} in doubt")
    parts.append(token_count(summary.tokens, complete=not summary.uncounted))
    parts.append(price(summary.cost, summary.unpriced, sum(each.answered for each in summary.backends.values())))
    return ", ".join(parts)


def price(cost: float, unpriced: int, of: int, before: str = "") -> str:
    """``before`` and US dollars, where ``unpriced`` of so many answers have no known price."""
    if unpriced and unpriced == of:
        return "price unknown"
    return f"{before}${cost:.4f}" + (f" and {unpriced:,} of unknown price" if unpriced else "")


def left_line(total: int | None, answered: int, *, resumable: bool) -> str:
    """How many items have no answer yet after a stop, and how to go on."""
    go_on = "run the same command again to go on" if resumable else "with a file as OUT you could go on: -o OUT.jsonl"
    if total is None:
        return f"the rest is left; {go_on}"
    return f"{max(0, total - answered):,} of {total:,} left; {go_on}"


def print_summary(
    summary: BatchSummary, stopped: str, *, as_json: bool, on_stdout: bool, max_cost: float | None
) -> None:
    """Print the whole of it; as JSON on standard output unless that has the answers."""
    if as_json:
        backends = {
            name: {field: getattr(tally, field) for field in tally.__slots__}
            for name, tally in summary.backends.items()
        }
        fields = (*STATES, "in_doubt", "recorded", "resent", "demo", "tokens", "uncounted", "cost", "unpriced")
        data = {name: getattr(summary, name) for name in fields}
        text = json.dumps({**data, "stopped": stopped or None, "backends": backends, "guards": summary.guards})
        (write if on_stdout else tell)(text)
        return
    if stopped:
        tell(f"stopped: {stopped}")
    if summary.demo:
        tell(f"{summary.demo:,} of the answers come from a mock, not from a model")
    tell(account(summary))
    if summary.recorded:
        tell(f"  {summary.recorded:,} answers were recorded before this run")
    if summary.resent:
        tell(f"  {summary.resent:,} sent again, because it was in doubt whether they had been received")
    for name, tally in sorted(summary.backends.items()):
        tell(
            f"  {name}: {tally.answered:,} answered, {tally.failed:,} failed, "
            f"{token_count(tally.prompt_tokens + tally.completion_tokens, complete=not tally.uncounted)}, "
            + price(tally.cost, tally.unpriced, tally.answered)
        )
    for name, counts in sorted(summary.guards.items()):
        tell(f"  {replaced_line(name, counts)}")
    if max_cost is not None and summary.unpriced:
        tell(f'  --max-cost could not count {summary.unpriced:,}: give their backends "pricing"')
