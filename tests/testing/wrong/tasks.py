"""Tasks that are wrong in one thing each."""

from __future__ import annotations

from typing import Any

from complaint_llm import hookimpl

SCHEMA = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "integer"}}}
PROMPT = "{nonce} {input} {nonce}"
RIGHT: dict[str, Any] = {"title": "Amounts", "prompt": PROMPT, "checks": ["schema"], "schema": SCHEMA}


@hookimpl
def complaint_llm_tasks() -> Any:
    return {
        "right": RIGHT,
        "untitled": {**RIGHT, "title": ""},
        "unmarked": {**RIGHT, "prompt": "{input}"},
        "leaky": {**RIGHT, "system": "Read {input}"},
        "unchecked": {**RIGHT, "checks": ["schema", "no_such_check"]},
        "lenient": {**RIGHT, "schema": {"type": "object"}},
        "listing": {**RIGHT, "schema": {**SCHEMA, "type": ["object", "null"]}},
        "summary": {**RIGHT, "title": "Another summary"},
    }
