"""The toolkit for authors of backends: what stands between a request and bytes, the same for every wire.

Each name is imported when it is first touched; docs/toolkit.md describes it.
"""

from __future__ import annotations

from typing import Any

_HOMES = {
    "complaint_llm.backends.answers.schema_validator": ("schema_text",),
    "complaint_llm.backends.wire.accumulator": ("StreamAccumulator", "last_message", "plain_answer"),
    "complaint_llm.backends.wire.call_fragments": ("CallFragments",),
    "complaint_llm.backends.wire.call_ids": ("ANY_ID", "IdForm", "with_wire_ids"),
    "complaint_llm.backends.wire.documents": (
        "FileData",
        "FileRule",
        "document_base64",
        "document_name",
        "document_text",
        "document_url",
        "documents_in",
    ),
    "complaint_llm.backends.wire.error_bodies": ("error_fields", "error_words"),
    "complaint_llm.backends.wire.error_codes": ("ANTHROPIC_ERRORS", "GOOGLE_ERRORS", "OPENAI_CODES", "OPENAI_TYPES"),
    "complaint_llm.backends.wire.finish_reasons": ("neutral_finish_reason",),
    "complaint_llm.backends.wire.images": ("data_url", "image_base64", "media_type_of_url", "remote_url"),
    "complaint_llm.backends.wire.json_checks": (
        "as_array",
        "as_count",
        "as_number",
        "as_object",
        "as_optional_object",
        "as_text",
        "load_json",
        "object_lines",
        "text_or_empty",
        "wrong_shape",
    ),
    "complaint_llm.backends.wire.json_stream": ("Fail", "JSONStreamDecoder"),
    "complaint_llm.backends.wire.overlay": ("merge_extra_body", "refuse_several_answers"),
    "complaint_llm.backends.wire.parameters": ("UNSUPPORTED", "Family", "ModelTable", "UnsupportedParameters"),
    "complaint_llm.backends.wire.prompts": ("as_prompt", "as_turns"),
    "complaint_llm.backends.wire.schema_refusal": ("Means", "SchemaRefusals"),
    "complaint_llm.backends.wire.schema_subset": (
        "STRUCTURE",
        "InexpressibleError",
        "Subset",
        "is_lossless",
        "reduced_schema",
        "subset",
        "with_root",
    ),
    "complaint_llm.backends.wire.schema_walk": ("map_schemas", "schemas_in"),
    "complaint_llm.backends.wire.surrogates": ("value_without_halves",),
    "complaint_llm.backends.wire.usage": ("UsageReader", "tier_of", "token_usage_of"),
    "complaint_llm.request": ("EMPTY", "parse_arguments"),
    "complaint_llm.transport.origin": ("parse_origin",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    from importlib import import_module  # cold start

    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
