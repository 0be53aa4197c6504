"""A draft from claims whose quotes stand: ``python examples/draft_complaint.py CONFIG CLAIMS.jsonl ID``.

CLAIMS.jsonl is what claims_with_evidence.py wrote with the same CONFIG.
A fact whose words do not stand in the intake never reaches the model.
"""

# ruff: noqa: T201 - an example shows what it does

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from complaint_llm import Mediator, exceptions

RULES = (
    "Draft the statement of facts of a complaint from the numbered facts below, and from nothing else. "
    "Name the number of each fact that a sentence rests on, as [F1]. Cite no statute and no case."
)


def facts_that_stand(line: dict[str, Any]) -> list[dict[str, Any]]:
    """The facts that a claim rests on and whose quote stands in the intake."""
    standing = {each["text"] for each in line["quotes"] if each["stands"]}
    used = {ref for claim in line["answer"]["claims"] for ref in claim["facts_for"]}
    return [fact for fact in line["answer"]["facts"] if fact["ref"] in used and fact["quote"] in standing]


def main(config: str, claims: str, id: str) -> int:
    """Print the draft with its source; 1 where nothing stands."""
    lines = map(json.loads, Path(claims).read_text(encoding="utf-8").splitlines())
    line = next((each for each in lines if each["id"] == id), None)
    if line is None:
        print(f"{id}: {claims} has no line for it", file=sys.stderr)
        return 1
    facts = facts_that_stand(line)
    if not facts:
        print(f"{id}: no claim rests on words that stand in the intake; nothing was drafted", file=sys.stderr)
        return 1
    listed = "\n".join(f'{fact["ref"]}: {fact["statement"]} ("{fact["quote"]}")' for fact in facts)
    try:
        with Mediator.from_config(config) as mediator:
            output = mediator.infer(f"{RULES}\n\n{listed}", cite=[line["evidence"]])
    except exceptions.ComplaintLLMError as error:
        print(f"nothing was drafted: {error}", file=sys.stderr)
        return 1
    print(f"DRAFT by a machine ({output.backend}), to be read by a lawyer.\n\n{output.content}\n")
    print(f"Rests on evidence {line['evidence']}:\n{listed}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 4 else __doc__)
