"""What is wrong with what a plugin offers, found when it is loaded: later it would be somebody else's crash."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from complaint_llm.backends.type import BackendType
from complaint_llm.json_schema.check import compile_check


def fault_of(offered: Any) -> str | None:
    """What cannot be used in one offered type, as the end of a sentence; None for nothing. Reads its schema's file.

    Raises PluginError if that cannot be read.
    """
    if not isinstance(offered, BackendType):
        return f"a {type(offered).__name__} where a BackendType belongs"
    name: Any = offered.name
    aliases: Any = offered.aliases
    make: Any = offered.make
    schema: Any = offered.schema
    if not isinstance(name, str) or not name:
        return f"a type whose name is {name!r}, no text"
    if not isinstance(aliases, (tuple, list, set, frozenset)) or not all(isinstance(one, str) for one in aliases):
        return f"the type {name!r}, whose aliases are no list of texts"
    if not callable(make) and not isinstance(make, str):
        return f"the type {name!r}, whose make is neither a callable nor a text such as 'package.module:Class'"
    if schema is not None and not isinstance(schema, (Mapping, Path)):
        return f"the type {name!r}, whose schema is neither a mapping nor a Path"
    wrong = _schema_fault(offered.own_schema())
    return f"the type {name!r}, whose schema is no JSON Schema: {wrong}" if wrong else None


def _schema_fault(schema: Any) -> str | None:
    try:
        if schema is not None:
            compile_check(schema)
    except Exception:  # noqa: BLE001 - jsonschema has the last word, and the better words
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError

        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as fault:
            return f"{fault.json_path}: {fault.message}"
    return None


__all__ = ["fault_of"]
