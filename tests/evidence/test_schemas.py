"""The published schemas say what records are: real ones fit, and nothing is left unsaid."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from complaint_llm.evidence import Cid, EvidenceStore, ProvenanceLog, RequestDetails, config_digest
from complaint_llm.evidence.provenance.guards import OwnForms
from complaint_llm.evidence.provenance.record import decode_provenance
from complaint_llm.messages import InferenceOutput, Message, Shown, TokenUsage, ToolCall

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def validator(name: str) -> Any:
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def dag_json(value: Any) -> Any:
    if isinstance(value, Cid):
        return {"/": str(value)}
    if isinstance(value, bytes):
        return {"/": {"bytes": b64encode(value).decode().rstrip("=")}}
    if isinstance(value, dict):
        return {key: dag_json(item) for key, item in value.items()}
    return [dag_json(item) for item in value] if isinstance(value, list) else value


def test_evidence_records_fit_their_schema(store: EvidenceStore) -> None:
    """With everything given and with nothing; every key of the schema is used, every record key is described."""
    schema = validator("evidence.schema.json")
    bare = store.submit_evidence(b"x", "document")
    full = store.submit_evidence(b"%PDF-1", "letter", "d", "c", "e", "u", {"a": [1]}, file_name="a.pdf")
    for record in (bare, full, store.get_evidence_by_cid(bare["cid"])):
        schema.validate(record)
    assert set(full) | {"pinned"} == set(schema.schema["properties"])
    with pytest.raises(ValidationError):
        schema.validate({**bare, "cid": "bafkexample"})


def test_provenance_records_fit_their_schema(store: EvidenceStore) -> None:
    """A bare answer and one with every part."""
    schema = validator("provenance.schema.json")
    cited = store.submit_evidence(b"x", "document")["cid"]
    log = ProvenanceLog(store.database, config_sha256=config_digest({}), plugins={"openai": "1"})
    log.record(RequestDetails((Message("user", "a"),)), InferenceOutput("b"))
    output = InferenceOutput(
        "b", (ToolCall("1", "t", {}),), "r", token_usage=TokenUsage(1, 2, 3, 4, 5), finish_reason="stop", cost=0.5
    )
    ways = (
        Shown(cited, "no", evidence=True),
        Shown(cited, "text", "a.pdf", "application/pdf", "ab" * 32, (1, 2), (3,), "cd" * 32, "pypdfium2 5"),
        Shown(cited, "document", "b.pdf", "application/pdf", "ab" * 32),
        Shown(cited, "image", "c.png", "image/png", "ab" * 32),
    )
    details = RequestDetails((Message("user", "a"),), {"seed": 1}, (), log.check_evidence([cited]), ways)
    used = {"name": "pseudonyms", "version": "1", "counts": {"list": 2}}
    log.record(details._replace(own=OwnForms([used], details.messages, (), "b"), matter="2026-0417"), output)
    log.record(details, output)
    log.close()
    with store.database.transaction("read") as connection:
        records = [decode_provenance(*row) for row in connection.execute("SELECT cid, data FROM provenance")]
    for record in records:
        schema.validate(dag_json(record))
        sometimes = {"shown", "guards", "matter"}
        assert set(record) | sometimes == set(schema.schema["properties"]) == set(schema.schema["required"]) | sometimes
    said = [set(entry) for record in records for entry in record.get("shown", [])]
    assert set.union(*said) == set(schema.schema["properties"]["shown"]["items"]["properties"])
    assert min(said, key=len) == {"cid", "shown"}
    with pytest.raises(ValidationError):
        schema.validate({**dag_json(records[0]), "previous": "bafy"})
