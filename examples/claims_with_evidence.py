"""Claims from intakes, each kept as evidence: ``python examples/claims_with_evidence.py CONFIG INTAKES OUT``.

CONFIG has ``"MEDIATOR": {"provenance": "digests"}``, so that each answer has a record that names what it rests on.
"""

# ruff: noqa: T201 - an example shows what it does

from __future__ import annotations

import json
import sys
from pathlib import Path

from complaint_llm import Mediator, exceptions


def main(config: str, intakes: str, out: str) -> int:
    """Write a line of JSON for each intake that was answered; 1 if one was not."""
    failed = 0
    with Mediator.from_config(config) as mediator, Path(out).open("w", encoding="utf-8") as lines:
        for path in sorted(Path(intakes).glob("*.txt")):
            data = path.read_bytes()
            cid = mediator.submit_evidence(data, "intake", description=path.name)["cid"]
            try:
                output = mediator.infer(data.decode("utf-8"), task="claims", cite=[cid])
            except exceptions.ComplaintLLMError as error:
                failed += 1
                print(f"{path.name}: no answer, which is not the same as no claims: {error}", file=sys.stderr)
                continue
            quotes = [{"text": each.text, "stands": each.stands} for each in output.quotes]
            line = {"id": path.stem, "evidence": cid, "backend": output.backend, "cost": output.cost}
            lines.write(json.dumps({**line, "answer": output.parsed, "quotes": quotes}, ensure_ascii=False) + "\n")
            print(f"{path.name}: {len(output.parsed['claims'])} claims; {cid}")
            for quote in quotes:
                if not quote["stands"]:
                    print(f"  NOT in the text: {quote['text']!r}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 4 else __doc__)
