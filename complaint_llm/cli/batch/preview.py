"""``complaint-llm batch --preview N``: what of the first N items would leave; nothing is sent."""

from __future__ import annotations

import json
from itertools import islice

from complaint_llm.batch import BatchItem
from complaint_llm.cli.batch.input import BatchSource, lines_to_ask
from complaint_llm.cli.batch.names import with_name_columns
from complaint_llm.cli.batch.options import BatchApp, BatchOptions
from complaint_llm.cli.batch.output import closing
from complaint_llm.cli.preview import preview_lines
from complaint_llm.cli.terminal import tell_if_open, write
from complaint_llm.exceptions import InvalidRequestError


def preview_batch(app: BatchApp, source: BatchSource, options: BatchOptions, count: int) -> int:
    """Print what each backend would be asked of the first ``count`` items; the exit code. Raises GuardError."""
    code = 0
    mediator = app.open_mediator()
    with closing(mediator):
        options = with_name_columns(mediator, source, options)
        for place, line in enumerate(lines_to_ask(islice(source.lines.items, count), options), 1):
            item = line.item
            if not isinstance(item, BatchItem):
                code = 1
                tell_if_open(str(item))
                continue
            called = item.id or f"item {place}"
            try:
                previews = mediator.preview(item.prompt, **item.params)
            except InvalidRequestError as error:
                code = 1
                tell_if_open(f"{called}: {error}")
                continue
            if options.as_json:
                data = {"item": called, "backends": [each.as_data() for each in previews]}
                write(json.dumps(data, ensure_ascii=False, default=dict))
            else:
                write(f"{called}:")
                for text in preview_lines(previews):
                    write(f"  {text}")
    return code
