"""The composed schema as a file beside a config, and the line of the config by which editors find it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from complaint_llm.config.composition import SCHEMA_ID
from complaint_llm.config.edits import Edit
from complaint_llm.config.json_edit import edit_json
from complaint_llm.config.saving import write
from complaint_llm.config.source import Source, is_yaml
from complaint_llm.exceptions import ConfigError

SCHEMA_NAME = "config.schema.json"
_COMMENT = re.compile(r"^#[ \t]*yaml-language-server[ \t]*:[^\n]*\$schema=[^\n]*$", re.MULTILINE)
_OPENING = re.compile(r"\s*\{")


def write_schema(file: Path, schema: Mapping[str, Any]) -> None:
    """Put a composed schema into a file, whole or not at all. Raises ConfigError as ``check_schema_file`` does."""
    check_schema_file(file)
    write(file, json.dumps(schema, ensure_ascii=False, indent=1) + "\n")


def written_schema(config: Path) -> Path | None:
    """The schema file beside a config that was written here before; None where there is none."""
    file = config.parent / SCHEMA_NAME
    return file if _is_composed(file) else None


def check_schema_file(file: Path) -> None:
    """Raise ConfigError for a folder that is not there, and for a file that holds something else than such a schema."""
    if not file.parent.is_dir():
        raise ConfigError(f"{file}: there is no folder {file.parent}: make it, or give another path")
    if file.exists() and not _is_composed(file):
        raise ConfigError(f"{file}: is no schema that was written here before: move it away, or give another path")


def _is_composed(file: Path) -> bool:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("$id") == SCHEMA_ID


def schema_address(config: Path, schema: Path) -> str:
    """How a config names a schema file: relative to its folder."""
    way = os.path.relpath(schema.absolute(), config.absolute().parent).replace(os.sep, "/")
    return way if way.startswith(".") else f"./{way}"


def schema_line(config: Path, address: str) -> str:
    """What a config says for editors to find its schema: a comment in YAML, a key in JSON."""
    if is_yaml(config):
        return f"# yaml-language-server: $schema={address}"
    return f'"$schema": {json.dumps(address, ensure_ascii=False)}'


def with_schema_line(source: Source, address: str) -> str:
    """The text of a config with that line, everything else as it was; one that names another schema is replaced."""
    line = schema_line(source.path, address)
    text: str = source.text
    if is_yaml(source.path):
        head = text[: _head_end(text)]
        found = _COMMENT.search(head)
        return f"{line}\n{text}" if found is None else text[: found.start()] + line + text[found.end() :]
    if "$schema" in source.document:
        edit = Edit(("$schema",), address)
        return edit_json(text, edit.path, edit.value)
    opening = _OPENING.match(text)
    at = 0 if opening is None else opening.end()
    gap = text[at : at + len(text[at:]) - len(text[at:].lstrip())]
    comma = "" if not source.document else "," if gap else ", "
    return text[:at] + gap + line + comma + text[at:]


def _head_end(text: str) -> int:
    """Where the comments at the top of a YAML file end."""
    end = 0
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        end += len(line)
    return end
