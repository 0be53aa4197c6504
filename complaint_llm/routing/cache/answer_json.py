"""An answer as JSON and back, for the cache on disk: what comes back is what went in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from complaint_llm.messages import Citation, InferenceOutput, Shown, TokenUsage, ToolCall


def answer_to_json(output: InferenceOutput) -> str:
    """JSON text of an answer; ``attempts``, ``provenance`` and ``cost`` belong to the call that made it and stay out.

    ``parsed`` that is an instance of a pydantic class goes in as its JSON. Raises TypeError or ValueError where the
    answer holds what JSON has no form for.
    """
    parsed = output.parsed
    dump = getattr(parsed, "model_dump", None)
    if dump is not None:
        parsed = dump(mode="json")
    return json.dumps(
        {
            "content": output.content,
            "tool_calls": [call._asdict() for call in output.tool_calls],
            "reasoning": output.reasoning,
            "confidence": output.confidence,
            "token_usage": output.token_usage._asdict(),
            "finish_reason": output.finish_reason,
            "parsed": parsed,
            "backend": output.backend,
            "model": output.model,
            "metadata": output.metadata,
            "extra": output.extra,
            "citations": [citation._asdict() for citation in output.citations],
            "shown": [each._asdict() for each in output.shown],
        },
        separators=(",", ":"),
        default=_mapping,
    )


def answer_from_json(text: str, model: Any = None) -> InferenceOutput:
    """The answer in ``text``; ``parsed`` as an instance of the pydantic class ``model``, if there is one.

    Raises ValueError, KeyError or TypeError for a text that was not made by ``answer_to_json``.
    """
    fields = json.loads(text)
    parsed = fields.pop("parsed")
    if model is not None and parsed is not None:
        parsed = model.model_validate(parsed)
    citations = tuple(Citation(**each) for each in fields.pop("citations", ()))
    shown = tuple(map(_shown_from, fields.pop("shown", ())))
    calls = tuple(ToolCall(**call) for call in fields.pop("tool_calls"))
    usage = TokenUsage(**fields.pop("token_usage"))
    return InferenceOutput(
        tool_calls=calls, token_usage=usage, parsed=parsed, citations=citations, shown=shown, **fields
    )


def _shown_from(fields: Mapping[str, Any]) -> Shown:
    return Shown(**{**fields, "pages": tuple(fields["pages"]), "image_pages": tuple(fields["image_pages"])})


def _mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")
