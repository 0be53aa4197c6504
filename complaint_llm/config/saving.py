"""Writes a config back: references as references, and never a secret."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from complaint_llm.config import problems
from complaint_llm.config.entries import EntryReader
from complaint_llm.config.environment import is_secret_name
from complaint_llm.config.schema import is_secret, part_of
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


def render(document: Mapping[str, Any], reader: EntryReader, source: Path, target: Path) -> tuple[str, list[str]]:
    """The text of the file, without secrets, and a line for each secret that a reference took the place of."""
    cleaning = _Cleaning(reader, source.absolute().parent, target.absolute().parent)
    cleaned = cleaning.document(document)
    if is_yaml(target):
        from complaint_llm.config import yaml_text

        return yaml_text.dump(cleaned), cleaning.replaced
    return json.dumps(cleaned, ensure_ascii=False, indent=2) + "\n", cleaning.replaced


def write(target: Path, text: str) -> None:
    """Put the text into the file, whole or not at all; its mode is kept. Raises ConfigError."""
    file = Path(os.path.realpath(target))
    if file.exists() and not file.is_file():
        raise ConfigError(f"{target}: is no file: give the name of one")
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
    """Replaces secrets that stand as texts by references, and moves relative paths. For one file."""

    def __init__(self, reader: EntryReader, source: Path, target: Path) -> None:
        self._reader = reader
        self._source = source
        self._target = target
        self._taken: dict[str, Secret] = {}
        self.replaced: list[str] = []

    def document(self, document: Mapping[str, Any]) -> dict[str, Any]:
        schema = read_schema("config")

        def clean(value: Any, path: problems.Path) -> Any:
            if path == ("BACKENDS",):
                return [self._entry(entry) for entry in value]
            if path == ("APPLICATION",) or (len(path) == 1 and str(path[0]).startswith("x-")):
                return value
            return self._leaf(value, path, part_of(schema, path), is_secret(schema, path), "COMPLAINT_LLM", ())

        cleaned: dict[str, Any] = {key: _visit(value, (key,), clean) for key, value in document.items()}
        return cleaned

    def _entry(self, entry: dict[str, Any]) -> Any:
        kind = self._reader.kind_of_entry(entry)
        schema = kind.validator.schema

        def clean(value: Any, path: problems.Path) -> Any:
            named = kind.named(path)
            usual = kind.type.key_variables[:1] if named == ("api_key",) else ()
            return self._leaf(value, path, part_of(schema, named), is_secret(schema, named), str(entry["id"]), usual)

        return _visit(entry, (), clean)

    def _leaf(
        self, value: Any, path: problems.Path, part: Mapping[str, Any], secret: bool, owner: str, usual: tuple[str, ...]
    ) -> Any:
        if isinstance(value, Secret):
            return self._reference(value, path, owner, usual)
        if not isinstance(value, str):
            return _SAME
        if secret:
            if not _ANY_REFERENCE.search(value):
                return self._reference(Secret(value), path, owner, usual)
            # A default is a text in the file too.
            return _DEFAULT.sub(r"${\1}", value)
        if part.get("format") == "path" and self._source != self._target and not value.startswith(("/", "~", "$")):
            return os.path.relpath(self._source / value, self._target)
        return value

    def _reference(self, value: Secret, path: problems.Path, owner: str, usual: tuple[str, ...]) -> str:
        own = re.sub(r"[^A-Za-z0-9]+", "_", "_".join([owner, *map(str, path)])).strip("_").upper()
        own = own if is_secret_name(own) else f"{own}_SECRET"
        own = own if not own[0].isdigit() else f"_{own}"
        # Two backends of one type with different keys cannot share the usual variable.
        name = next(name for name in (*usual, own) if name == own or self._taken.get(name, value) == value)
        self._taken[name] = value
        self.replaced.append(f"{problems.pointer(path)} of {owner} is written as ${name}: set that variable")
        return f"${name}"


_SAME = object()


def _visit(value: Any, path: problems.Path, clean: Any) -> Any:
    """A copy of a tree in which ``clean(value, path)`` stands for each value, unless that is ``_SAME``."""
    cleaned = clean(value, path)
    if cleaned is not _SAME:
        return cleaned
    if isinstance(value, dict):
        return {key: _visit(item, (*path, key), clean) for key, item in value.items()}
    if isinstance(value, list):
        return [_visit(item, (*path, index), clean) for index, item in enumerate(value)]
    return value
