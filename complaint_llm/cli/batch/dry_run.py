"""``complaint-llm batch --dry-run``: what a batch would take, by its items; nothing is sent."""

from __future__ import annotations

import json
from itertools import islice

from complaint_llm.batch import BatchItem, Journal
from complaint_llm.batch.input.lines import Lines
from complaint_llm.cli.batch.input import lines_to_ask
from complaint_llm.cli.batch.options import BatchApp, BatchOptions
from complaint_llm.cli.batch.output import closing
from complaint_llm.cli.batch.summary import price
from complaint_llm.cli.terminal import tell_if_open, write


def dry_run_batch(app: BatchApp, lines: Lines, options: BatchOptions) -> int:
    """Count items, tokens and price, and print them; the exit code."""
    counts = {"items": 0, "bad_lines": 0, "prompt_tokens": 0, "unpriced": 0}
    cost = 0.0
    mediator = app.open_mediator()
    with closing(mediator):
        for item, _ in lines_to_ask(islice(lines.items, options.limit), options):
            if not isinstance(item, BatchItem):
                counts["bad_lines"] += 1
                tell_if_open(str(item))
                continue
            explanation = mediator.explain(item.prompt, **item.params)
            counts["items"] += 1
            counts["prompt_tokens"] += explanation.prompt_tokens
            counts["unpriced"] += explanation.cost is None
            cost += explanation.cost or 0.0
    recorded = 0
    if options.journal is not None and options.journal.exists():
        with Journal(options.journal) as journal:
            recorded = journal.counts().answered
    if options.as_json:
        write(json.dumps({**counts, "cost": cost, "recorded": recorded}))
    else:
        write(
            f"{counts['items']:,} items, {counts['bad_lines']:,} bad lines, "
            f"about {counts['prompt_tokens']:,} prompt tokens, "
            + price(cost, counts["unpriced"], counts["items"], "at most ")
            + (f"; {recorded:,} answers are recorded already" if recorded else "")
        )
    return 1 if counts["bad_lines"] else 0
