"""A night's batch with a cap, for cron: ``python examples/nightly_batch.py CONFIG INTAKES JOURNAL DOLLARS``.

The summary on standard output is a mail's text: cron sends it, or ``... | mail -s "intakes" office@example.org`` does.
Run again, it asks what has no answer yet, and nothing twice. It ends with 0 only if everything is answered.
"""

# ruff: noqa: T201 - an example shows what it does

from __future__ import annotations

import sys
from pathlib import Path

from complaint_llm import Mediator, exceptions
from complaint_llm.batch import BatchItem


def main(config: str, intakes: str, journal: str, dollars: str) -> int:
    """0: all answered; 1: failures, or the cap was reached; 2: nothing could be begun."""
    paths = sorted(Path(intakes).glob("*.txt"))
    items = [BatchItem(path.read_text(encoding="utf-8"), id=path.stem) for path in paths]
    answered, unpriced, failures = 0, 0, []
    try:
        with Mediator.from_config(config) as mediator:
            run = mediator.batch(items, journal=journal, task="claims", max_cost=float(dollars))
            for result in run:
                if result.error is None:
                    answered += 1
                    unpriced += result.output.cost is None
                else:
                    failures.append(f"  {result.key}: {result.error}")
    except exceptions.ConfigError as error:
        print(f"The batch did not begin.\n{error}")
        return 2
    left = len(items) - answered - len(failures)
    print(f"Intakes: {len(items)}; answered {answered}, {run.recorded} of them in an earlier run.")
    print(f"Failed {len(failures)}, not asked {left}. This run cost ${run.summary.cost:.4f} of ${float(dollars):g}.")
    if unpriced:
        print(f"The cap counts nothing for {unpriced} answers of unknown price: give the backend its `pricing`.")
    if run.stopped_because:
        print(f"Stopped: {run.stopped_because}.")
    if failures or left:
        print("Not answered is not the same as no claims. Run it again for the rest.", *failures, sep="\n")
    return 1 if failures or left else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 5 else __doc__)
