"""Writes schemas/backend.schema.json and the tables of docs/configuration.md and docs/errors.md:
``python scripts/make_reference.py``.

They come from the schemas and the code. A table stands between a comment that names it and ``<!-- end -->``; what is
between is replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from complaint_llm import exceptions
from complaint_llm.backends.options import BASIC_KEYS, backend_schema
from complaint_llm.backends.wire import ANTHROPIC_ERRORS, GOOGLE_ERRORS, OPENAI_CODES, OPENAI_TYPES
from complaint_llm.backends.wire.status_table import STATUSES
from complaint_llm.host import PluginHost
from complaint_llm.routing.retry_table import TABLE

ROOT = Path(__file__).resolve().parents[1]
BACKEND_SCHEMA = ROOT / "schemas" / "backend.schema.json"
DOCUMENTS = (ROOT / "docs" / "configuration.md", ROOT / "docs" / "errors.md")
_BLOCK = re.compile(r"(<!-- (\w+): made by scripts/make_reference\.py -->\n).*?(<!-- end -->)", re.S)


def filled(text: str) -> str:
    """A document with its tables as they should be. Raises KeyError for a table that nobody makes."""
    return _BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)


def _schema(name: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


def _keys(properties: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    yield "| key | value | default | meaning |"
    yield "| --- | --- | --- | --- |"
    yield from _rows(properties, prefix)


def _rows(properties: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in properties.items():
        inner = value.get("properties", {})
        default = f"`{json.dumps(value['default'])}`" if "default" in value else ""
        yield f"| `{prefix}{key}` | {_value(value)} | {default} | {value.get('description', '')} |"
        yield from _rows(inner, f"{prefix}{key}.")


def _value(value: Mapping[str, Any]) -> str:
    if "enum" in value:
        return ", ".join(f"`{json.dumps(each)}`" for each in value["enum"])
    kinds = [value] if "type" in value else [*value.get("oneOf", ()), *value.get("anyOf", ())]
    return " or ".join(dict.fromkeys(_kind(kind) for kind in kinds)) or "anything"


def _kind(value: Mapping[str, Any]) -> str:
    low, high = value.get("minimum", value.get("exclusiveMinimum")), value.get("maximum")
    name = str(value.get("type", "value"))
    if low is None:
        return name
    word = "above" if "exclusiveMinimum" in value else "from"
    return f"{name} {word} {low}" + (f" to {high}" if high is not None else "")


def _table(lines: Iterator[str]) -> str:
    return "\n".join(lines)


def _first() -> str:
    properties = backend_schema()["properties"]
    return _table(_keys({key: properties[key] for key in BASIC_KEYS}))


def _advanced() -> str:
    properties = backend_schema()["properties"]
    return _table(_keys({key: value for key, value in properties.items() if key not in BASIC_KEYS}))


def schema_text() -> str:
    """The text of ``BACKEND_SCHEMA``: the keys of every backend, for editors that follow a config's ``$schema``."""
    return json.dumps(backend_schema(), indent=2, ensure_ascii=False) + "\n"


def _section(name: str) -> Callable[[], str]:
    part = _schema("config")["properties"][name]
    return lambda: _table(_keys(part.get("items", part)["properties"]))


def _types() -> str:
    lines = ["| type | key | value | default | meaning |", "| --- | --- | --- | --- | --- |"]
    common = backend_schema()["properties"]
    types: dict[str, list[str]] = {}
    for each in PluginHost().backend_types():
        own = (each.own_schema() or {}).get("properties", {})
        for row in _rows({key: value for key, value in own.items() if key not in common}, ""):
            types.setdefault(row, []).append(f"`{each.name}`")
    return "\n".join([*lines, *(f"| {', '.join(names)} {row}" for row, names in types.items())])


def _statuses() -> str:
    lines = ["| status | error |", "| ---: | --- |"]
    lines += [f"| {status} | `{error.__name__}` |" for status, error in STATUSES.items()]
    return "\n".join([*lines, "| other 4xx | `InvalidRequestError` |", "| 5xx | `ServerError` |"])


CODES: Mapping[str, Mapping[str, type[exceptions.BackendError]]] = {
    "OpenAI and compatible": OPENAI_CODES,
    "the same, inside an HTTP 200": OPENAI_TYPES,
    "Anthropic": ANTHROPIC_ERRORS,
    "Gemini": GOOGLE_ERRORS,
}


def _codes() -> str:
    lines = ["| wire | error | codes |", "| --- | --- | --- |"]
    for wire, codes in CODES.items():
        by_error: dict[str, list[str]] = {}
        for code, error in codes.items():
            by_error.setdefault(error.__name__, []).append(f"`{code}`")
        lines += [f"| {wire} | `{error}` | {', '.join(found)} |" for error, found in by_error.items()]
    return "\n".join(lines)


def _actions() -> str:
    lines = ["| error | after it was sent | before | why |", "| --- | --- | --- | --- |"]
    for rule in TABLE:
        before = (rule.unsent or rule.action).value
        lines.append(f"| `{rule.error.__name__}` | {rule.action.value} | {before} | {rule.why} |")
    return "\n".join(lines)


def _tree() -> str:
    drawn = (exceptions.__doc__ or "").partition("\n\n")[2].partition("\n\n")[0]
    return f"```text\n{drawn}\n```"


TABLES: Mapping[str, Callable[[], str]] = {
    "backend_first": _first,
    "backend_advanced": _advanced,
    "mediator": _section("MEDIATOR"),
    "plugins": _section("PLUGINS"),
    "evidence": _section("EVIDENCE"),
    "guards": _section("GUARDS"),
    "observers": _section("OBSERVERS"),
    "tasks": _section("TASKS"),
    "types": _types,
    "statuses": _statuses,
    "codes": _codes,
    "actions": _actions,
    "tree": _tree,
}


def main() -> None:
    BACKEND_SCHEMA.write_text(schema_text(), encoding="utf-8")
    for document in DOCUMENTS:
        document.write_text(filled(document.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
