"""The same intakes, each backend: ``python examples/compare_backends.py CONFIG INTAKES BACKEND BACKEND...``."""

# ruff: noqa: T201 - an example shows what it does

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from complaint_llm import Mediator, exceptions


def row(mediator: Mediator, backend: str, texts: list[str]) -> tuple[str, ...]:
    """What a backend made of the texts: answers, claims, quotes that stand, dollars, and the usual seconds."""
    claims, quotes, cost, seconds, failed = 0, [], 0.0, [], 0
    unpriced = False
    for text in texts:
        began = time.perf_counter()
        try:
            output = mediator.infer(text, task="claims", backend=backend)
        except exceptions.ComplaintLLMError as error:
            failed += 1
            print(error, file=sys.stderr)
            continue
        seconds.append(time.perf_counter() - began)
        claims += len(output.parsed["claims"])
        quotes += [each.stands for each in output.quotes]
        cost += output.cost or 0.0
        unpriced = unpriced or output.cost is None
    half = f"{statistics.median(seconds):.1f} s" if seconds else "-"
    price = "unknown" if unpriced or not seconds else f"${cost:.4f}"
    answered, stand = f"{len(texts) - failed} of {len(texts)}", f"{sum(quotes)} of {len(quotes)}"
    return backend, answered, str(claims), stand, price, half


def main(config: str, intakes: str, *backends: str) -> int:
    """Print a table; 1 if a backend failed on an intake."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(Path(intakes).glob("*.txt"))]
    table = [("backend", "answered", "claims", "quotes stand", "cost", "half within")]
    with Mediator.from_config(config) as mediator:
        table += [row(mediator, backend, texts) for backend in backends]
    for cells in table:
        print("  ".join(cell.ljust(12) for cell in cells).rstrip())
    return 0 if all(cells[1] == f"{len(texts)} of {len(texts)}" for cells in table[1:]) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) > 3 else __doc__)
