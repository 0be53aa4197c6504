"""``complaint-llm batch --dry-run``: what a batch would take, by its items; nothing is sent."""

from __future__ import annotations

import json
from itertools import islice

from complaint_llm.batch import BatchItem, Journal
from complaint_llm.cli.batch.input import BatchSource, lines_to_ask
from complaint_llm.cli.batch.names import with_name_columns
from complaint_llm.cli.batch.options import BatchApp, BatchOptions
from complaint_llm.cli.batch.output import closing
from complaint_llm.cli.batch.sending import what_leaves
from complaint_llm.cli.batch.summary import price
from complaint_llm.cli.terminal import tell_if_open, write
from complaint_llm.exceptions import InvalidRequestError


def dry_run_batch(app: BatchApp, source: BatchSource, options: BatchOptions) -> int:
    """Count items, tokens and price, say what would leave this machine, and print it; the exit code."""
    counts = {"items": 0, "bad_lines": 0, "prompt_tokens": 0, "unpriced": 0}
    cost = 0.0
    mediator = app.open_mediator()
    with closing(mediator):
        options = with_name_columns(mediator, source, options)
        leaves = what_leaves(mediator, source, options)
        for item, _ in lines_to_ask(islice(source.lines.items, options.limit), options):
            if not isinstance(item, BatchItem):
                counts["bad_lines"] += 1
                tell_if_open(str(item))
                continue
            try:
                explanation = mediator.explain(item.prompt, **item.params)
            except InvalidRequestError as error:
                counts["bad_lines"] += 1
                tell_if_open(str(error) if item.id is None else f"{item.id}: {error}")
                continue
            counts["items"] += 1
            counts["prompt_tokens"] += explanation.prompt_tokens
            counts["unpriced"] += explanation.cost is None
            cost += explanation.cost or 0.0
    recorded = 0
    if options.journal is not None and options.journal.exists():
        with Journal(options.journal) as journal:
            recorded = journal.counts().answered
    if options.as_json:
        sent = None if leaves is None else {"files": leaves.files, "bytes": leaves.size, "hosts": leaves.hosts}
        write(json.dumps({**counts, "cost": cost, "recorded": recorded, "leaves": sent}))
    else:
        if leaves is not None:
            write(leaves.line())
        write(
            f"{counts['items']:,} items, {counts['bad_lines']:,} bad lines, "
            f"about {counts['prompt_tokens']:,} prompt tokens, "
            + price(cost, counts["unpriced"], counts["items"], "at most ")
            + (f"; {recorded:,} answers are recorded already" if recorded else "")
        )
    return 1 if counts["bad_lines"] else 0
