"""Evidence, an answer that cites it, and the tree behind that answer: ``python examples/evidence.py``. Runs offline."""

# ruff: noqa: T201 - an example shows what it does

from __future__ import annotations

import tempfile
from pathlib import Path

from complaint_llm.evidence import EvidenceStore, ProvenanceLog, RequestDetails, Step, trace
from complaint_llm.messages import InferenceOutput, Message

REVIEW = b"Performance review 2023: meets or exceeds expectations in all areas.\n"


def main() -> None:
    """Store, cite, verify, export."""
    with tempfile.TemporaryDirectory() as folder, EvidenceStore(Path(folder) / "evidence") as store:
        record = store.submit_evidence(
            REVIEW, "document", "Performance review of 2023", claim_type="wrongful_termination", user_id="client-17"
        )
        print(f"stored as {record['cid']}, the CID that `ipfs add --cid-version=1` prints for the same bytes")

        log = ProvenanceLog(store.database, level="full")
        asked = RequestDetails(
            (Message("user", "Does the review contradict a dismissal for poor performance?"),),
            evidence=log.check_evidence([record["cid"]]),
        )
        cid = log.record(asked, InferenceOutput("It does.", backend="example", model="example")).cid
        log.close()
        show(trace(store, cid))

        counts = store.export_car([record["cid"]], Path(folder) / "case.car")
        print(f"exported: {counts}")


def show(step: Step, indent: str = "") -> None:
    """Print a tree."""
    print(f"{indent}{step.what} {step.cid or ''} {step.state} {step.detail}")
    for part in step.parts:
        show(part, indent + "  ")


if __name__ == "__main__":
    main()
