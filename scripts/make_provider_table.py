"""Writes the table of docs/providers.md: ``python scripts/make_provider_table.py``.

A row for each type that answers by itself, a column for each thing that it may be able to do. What a cell says is asked
of the type's own code; the cell links to the test that keeps it: its file, then its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from complaint_llm.backends import Backend, BackendType
from complaint_llm.backends.declared import derive_type
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.request import Request, as_messages, as_response_format

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "providers.md"
COMMAND = "python scripts/make_provider_table.py"
COLUMNS = ("text", "stream", "tools", "images", "documents", "structured", "embeddings", "reasoning", "prices")
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}

WITHOUT_REASONING = ("claude_cli", "copilot_cli", "http", "mock", "workstation")
"""Types whose answers hold no reasoning apart from the text."""

NEEDED: Mapping[str, Mapping[str, Any]] = {
    "azure_openai": {"base_url": "https://example.openai.azure.com/openai/v1"},
    "http": {
        "base_url": "https://service.example",
        "endpoint": "/generate",
        "body": {"prompt": "{prompt}"},
        "text": "/text",
    },
    "workstation": {"model_path": "/nowhere/model.gguf"},
}
"""Keys without which a type's backend cannot be made."""

_OWN = "tests/docs/test_provider_table.py::test_{column}[{type}]"
_PROGRAM = (
    "tests/plugins/{folder}/test_{name}_program.py::test_the_real_program_answers_without_tools_and_leaves_nothing"
)
_GGUF = "tests/plugins/workstation/test_workstation.py::test_"
ELSEWHERE: Mapping[tuple[str, str], str] = {
    **{
        (folder, column): _PROGRAM.format(folder=folder, name=name)
        for folder, name in (("claude_cli", "claude"), ("codex", "codex"), ("copilot_cli", "copilot"))
        for column in ("text", "stream", "structured")
    },
    ("codex", "reasoning"): "tests/plugins/codex/test_codex_wire.py::test_the_last_message_of_a_turn_is_the_answer",
    ("workstation", "text"): f"{_GGUF}threads_get_the_answers_of_one_thread",
    ("workstation", "stream"): f"{_GGUF}a_stream_is_the_whole_answer_and_a_seed_repeats",
    ("workstation", "structured"): f"{_GGUF}schema_answers_parse_or_say_that_they_were_cut",
    ("workstation", "embeddings"): f"{_GGUF}embeddings_are_one_vector_a_text_in_order",
}
"""Cells whose test needs the real program or model and stands with the type's other tests."""

_BLOCK = re.compile(r"(<!-- providers: made by scripts/make_provider_table\.py -->\n).*?(<!-- end -->)", re.S)


def types() -> dict[str, BackendType]:
    """The built-in types that answer by themselves, by name; those made of others do what their parts do."""
    modules = sorted(path.parent.name for path in (ROOT / "plugins" / "backends").glob("*/plugin.py"))
    offered = [
        kind
        for module in modules
        for kind in import_module(f"complaint_llm_plugins.backends.{module}.plugin").complaint_llm_backend_types()
    ]
    known = {kind.name: kind for kind in offered}
    complete = (kind if kind.like is None else derive_type(kind, known[kind.like]) for kind in offered)
    return {kind.name: kind for kind in sorted(complete, key=lambda kind: kind.name) if not kind.composed}


def make(kind: BackendType, **keys: Any) -> Backend:
    """A backend of a type, with a key that opens nothing, and what else it cannot be made without."""
    given = {"id": "one", "api_key": "sk-of-nobody", **NEEDED.get(kind.name, {}), **kind.presets, **keys}
    if kind.name in ("mock", "workstation"):
        del given["api_key"]
    return kind.factory()(**given)


def claims(kind: BackendType) -> dict[str, str]:
    """What the code of a type says of itself, by column."""
    with make(kind) as backend:
        can = backend.capabilities
        shaped = Request(
            as_messages("x"), Deadline(1), CancelToken(), "any", response_format=as_response_format(SCHEMA)
        )
        means = {"native": "native", "partly": "native", "json": "JSON mode", "none": "in words"}
        return {
            "text": "yes",
            "stream": "yes" if "stream" in can else "whole",
            "tools": "yes" if "tools" in can else "no",
            "images": "yes" if "images" in can else "no",
            "documents": _documents(backend),
            "structured": means[backend.structured_output(shaped)],
            "embeddings": "yes" if "embeddings" in can else "no",
            "reasoning": "no" if kind.name in WITHOUT_REASONING else "yes",
            "prices": _prices(kind, backend),
        }


KINDS: Mapping[str, str] = {"application/pdf": "PDF", "text/plain": "text"}
"""Files that services take as they are, in words."""
WELL_KNOWN: Mapping[str, str] = {"google": "gemini-3.8-flash", "openrouter": "openai/gpt-5.4"}
"""A model of those types of which the model decides on files."""


def _documents(backend: Backend) -> str:
    """The files that are given as they are; of any other, and by any other, the text is shown."""
    types = backend.file_rule(WELL_KNOWN.get(backend.type)).types
    return ", ".join(KINDS.get(each, each) for each in sorted(types)) or "as text"


def _prices(kind: BackendType, backend: Backend) -> str:
    if backend.price_provider() is not None:
        return "listed"
    return "no" if "pricing" in kind.refuses else "`pricing`"


def test_of(type: str, column: str) -> str:
    """The id of the test that keeps a cell."""
    return ELSEWHERE.get((type, column)) or _OWN.format(column=column, type=type)


def table() -> str:
    """The table as Markdown."""
    lines = [f"| type | {' | '.join(COLUMNS)} |", f"| --- |{' --- |' * len(COLUMNS)}"]
    for name, kind in types().items():
        said = claims(kind)
        cells = []
        for column in COLUMNS:
            file, _, test = test_of(name, column).partition("::")
            cells.append(f"[{said[column]}](../{file}#{test})")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def filled(text: str) -> str:
    """The document with its table as it should be."""
    return _BLOCK.sub(lambda found: f"{found[1]}{table()}\n{found[2]}", text)


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
