"""Writes a config back: references as references, and never a secret."""

from __future__ import annotations

import json
import os
import re
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from complaint_llm.config import problems
from complaint_llm.config.entries import EntryReader, Kind
from complaint_llm.config.environment import is_secret_name
from complaint_llm.config.schema import is_secret
from complaint_llm.config.source import is_yaml
from complaint_llm.exceptions import ConfigError
from complaint_llm.schema_files import read_schema
from complaint_llm.secrets import Secret

_DEFAULT = re.compile(r"\$\{([A-Za-z_]\w*):-[^}]+\}")
_ANY_REFERENCE = re.compile(r"(?<!\$)(?:\$\$)*\$(?:[A-Za-z_<{])")


def as_document(value: Any) -> Any:
    """A value given in code as a document holds it."""
    if isinstance(value, Mapping):
        return {str(key): as_document(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_document(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def render(document: Mapping[str, Any], reader: EntryReader, target: Path) -> str:
    """The text of the file, without secrets. Warns of each text that a reference takes the place of."""
    cleaned = _Cleaning(reader).document(document)
    if is_yaml(target):
        from complaint_llm.config import yaml_text

        return yaml_text.dump(cleaned)
    return json.dumps(cleaned, ensure_ascii=False, indent=2) + "\n"


def write(target: Path, text: str) -> None:
    """Put the text into the file, whole or not at all; its mode is kept. Raises ConfigError."""
    file = Path(os.path.realpath(target))
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            # mkstemp makes files that only the owner reads: a new config stays so, an old one keeps its mode.
            if file.exists():
                Path(temporary).chmod(file.stat().st_mode & 0o7777)
            Path(temporary).replace(file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as cause:
        raise ConfigError(f"{target}: cannot be written: {cause.strerror or cause}") from cause


class _Cleaning:
    """Replaces secrets that stand as texts by references. For one file."""

    def __init__(self, reader: EntryReader) -> None:
        self._reader = reader
        self._taken: dict[str, Secret] = {}

    def document(self, document: Mapping[str, Any]) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        schema = read_schema("config")
        for key, value in document.items():
            if key == "BACKENDS":
                cleaned[key] = [self._entry(entry) for entry in value]
            elif key == "APPLICATION" or key.startswith("x-"):
                cleaned[key] = value
            else:
                cleaned[key] = self._visit(value, (key,), lambda path: is_secret(schema, path), "COMPLAINT_LLM", None)
        return cleaned

    def _entry(self, entry: dict[str, Any]) -> dict[str, Any]:
        kind = self._reader.kind_of_entry(entry)

        def secret(path: problems.Path) -> bool:
            return is_secret(kind.validator.schema, kind.named(path))

        cleaned: dict[str, Any] = self._visit(entry, (), secret, str(entry["id"]), kind)
        return cleaned

    def _visit(self, value: Any, path: problems.Path, secret: Any, owner: str, kind: Kind | None) -> Any:
        if isinstance(value, dict):
            return {key: self._visit(item, (*path, key), secret, owner, kind) for key, item in value.items()}
        if isinstance(value, list):
            return [self._visit(item, (*path, index), secret, owner, kind) for index, item in enumerate(value)]
        if isinstance(value, Secret):
            return self._reference(value, path, owner, kind)
        if isinstance(value, str) and secret(path):
            if not _ANY_REFERENCE.search(value):
                return self._reference(Secret(value), path, owner, kind)
            # A default is a text in the file too.
            return _DEFAULT.sub(r"${\1}", value)
        return value

    def _reference(self, value: Secret, path: problems.Path, owner: str, kind: Kind | None) -> str:
        usual = kind.type.key_variables[:1] if kind is not None and path[-1:] == ("api_key",) else ()
        own = re.sub(r"[^A-Za-z0-9]+", "_", "_".join([owner, *map(str, path)])).strip("_").upper()
        own = own if is_secret_name(own) else f"{own}_SECRET"
        own = own if not own[0].isdigit() else f"_{own}"
        # Two backends of one type with different keys cannot share the usual variable.
        name = next(name for name in (*usual, own) if name == own or self._taken.get(name, value) == value)
        self._taken[name] = value
        warnings.warn(f"{problems.pointer(path)} of {owner} is written as ${name}: set that variable", stacklevel=6)
        return f"${name}"
