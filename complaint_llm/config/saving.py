"""Writes a config back: what the user wrote as it was, and never a secret that was given in code."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.config import json_text, yaml_text
from complaint_llm.config.edits import REMOVED, Edit, edit_document
from complaint_llm.config.entry_types import EntryTypes
from complaint_llm.config.environment import is_secret_name
from complaint_llm.config.json_edit import edit_json
from complaint_llm.config.parts import part_items
from complaint_llm.config.problems import Place, json_pointer
from complaint_llm.config.source import Source, is_yaml
from complaint_llm.config.validation import is_secret, part_of
from complaint_llm.config.yaml_edit import edit_yaml
from complaint_llm.exceptions import ConfigError
from complaint_llm.json_schema.files import read_schema
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


def render(config: SavedConfig, target: Path) -> tuple[str, list[str]]:
    """The text for ``target``, and a line for each secret given in code that a reference took the place of.

    What the file says stays as it is, literals included; another file gets references for them, and where it is of the
    other format no comments.
    """
    cleaning = _Cleaning(config.types, config.source.path.absolute().parent, target.absolute().parent)
    edits, document = [], config.source.document
    for edit in config.edits:
        document = edit_document(document, [edit])
        edits.append(cleaning.without_secrets_of(edit, document))
    if target.absolute() != config.source.path.absolute():
        edits += cleaning.edits_for_copy(document)
    yaml = is_yaml(config.source.path)
    if yaml == is_yaml(target):
        text = edit_text(config.source.text, edits, yaml=yaml)
        if _parse(text, target) == edit_document(config.source.document, edits):
            return text, cleaning.replaced
        raise ConfigError(f"{config.source.name}: anchors or merge keys stand where this changes it: edit it by hand")
    written = edit_document(config.source.document, edits)
    if is_yaml(target):
        return yaml_text.dump(written), cleaning.replaced
    return json.dumps(written, ensure_ascii=False, indent=2) + "\n", cleaning.replaced


def edit_text(text: str, edits: Iterable[Edit], *, yaml: bool) -> str:
    """The text of a valid file with the edits, everything else as it was. Raises KeyError for a path to nowhere."""
    for edit in edits:
        text = (edit_yaml if yaml else edit_json)(text, edit.path, edit.value)
    return text


def written_out(document: Mapping[str, Any], types: EntryTypes, path: Path) -> list[Place]:
    """Where secrets stand in the document as they are, instead of as references."""
    return [edit.path for edit in _Cleaning(types, path, path).edits_for_copy(document)]


def without_secrets(document: Mapping[str, Any], types: EntryTypes, path: Path) -> dict[str, Any]:
    """A copy of the document with ``***`` where a secret is written out."""
    hidden: dict[str, Any] = edit_document(
        document, [Edit(place, "***") for place in written_out(document, types, path)]
    )
    return hidden


def write(target: Path, text: str) -> None:
    """Put the text into the file, whole or not at all; its mode is kept. Raises ConfigError."""
    import tempfile  # cold start: a config is seldom written

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


class _PlaceRules(NamedTuple):
    path: Place
    part: Mapping[str, Any]
    secret: bool
    owner: str
    usual: tuple[str, ...]


class SavedConfig(NamedTuple):
    """What is written: the file as it was read, and what was changed since."""

    source: Source
    edits: Sequence[Edit]
    types: EntryTypes


class _Cleaning:
    """Replaces secrets that were given in code by references, and moves relative paths. For one file."""

    def __init__(self, types: EntryTypes, source: Path, target: Path) -> None:
        self._types = types
        self._source = source
        self._target = target
        self._taken: dict[str, Secret] = {}
        self._schema = read_schema("config")
        self.replaced: list[str] = []

    def without_secrets_of(self, edit: Edit, document: Mapping[str, Any]) -> Edit:
        """The edit with references for the secrets in it."""
        if edit.value is REMOVED:
            return edit

        def clean(value: Any, path: Place) -> Any:
            return self._without_secret(value, self._place(path, document))

        return edit._replace(value=_visit(edit.value, edit.path, clean))

    def edits_for_copy(self, document: Mapping[str, Any]) -> list[Edit]:
        """Edits for another file: references for its secrets, and relative paths that mean the same from there."""
        edits: list[Edit] = []

        def look(value: Any, path: Place) -> Any:
            place = self._place(path, document)
            changed = self._without_secret(value, place)
            is_path = isinstance(value, str) and place is not None and place.part.get("format") == "path"
            if is_path and self._source != self._target and not value.startswith(("/", "~", "$")):
                changed = os.path.relpath(self._source / value, self._target)
            if changed is not _SAME and changed != value:
                edits.append(Edit(path, changed))
            return _SAME

        _visit(document, (), look)
        return edits

    def _without_secret(self, value: Any, place: _PlaceRules | None) -> Any:
        if place is None:
            return _SAME
        if isinstance(value, Secret):
            return self._reference(value, place)
        if not isinstance(value, str) or not place.secret:
            return _SAME
        if not _ANY_REFERENCE.search(value):
            return self._reference(Secret(value), place)
        # A default is a text in the file too.
        return _DEFAULT.sub(r"${\1}", value)

    def _place(self, path: Place, document: Mapping[str, Any]) -> _PlaceRules | None:
        """What the schema says of a place; None where it is the user's own or a container of entries."""
        if path[:1] == ("BACKENDS",):
            entry = document["BACKENDS"][path[1]] if len(path) > 2 else None
            if not isinstance(entry, dict):
                return None
            return self._place_in(entry, path[2:], str(entry["id"]))
        if path[:1] == ("APPLICATION",) or (path and str(path[0]).startswith("x-")):
            return None
        return _PlaceRules(
            path=path,
            part=part_of(self._schema, path),
            secret=is_secret(self._schema, path),
            owner="COMPLAINT_LLM",
            usual=(),
        )

    def _place_in(self, entry: Mapping[str, Any], own: Place, owner: str) -> _PlaceRules:
        """The same inside an entry, or in a part of it that is written inline."""
        kind = self._types.of_entry(entry)
        for path, part in part_items(entry, kind.type.parts):
            if isinstance(part, dict) and own[: len(path)] == path and len(own) > len(path):
                return self._place_in(part, own[len(path) :], str(part.get("id", f"{owner}_{part['type']}")))
        schema, named = kind.validator.schema, kind.place_here(own)
        usual = kind.type.key_variables[:1] if named == ("api_key",) else ()
        return _PlaceRules(
            path=own, part=part_of(schema, named), secret=is_secret(schema, named), owner=owner, usual=usual
        )

    def _reference(self, value: Secret, place: _PlaceRules) -> str:
        path, owner, usual = place.path, place.owner, place.usual
        own = re.sub(r"[^A-Za-z0-9]+", "_", "_".join([owner, *map(str, path)])).strip("_").upper()
        own = own if is_secret_name(own) else f"{own}_SECRET"
        own = own if not own[0].isdigit() else f"_{own}"
        # Two backends of one type with different keys cannot share the usual variable.
        name = next(name for name in (*usual, own) if name == own or self._taken.get(name, value) == value)
        self._taken[name] = value
        self.replaced.append(f"{json_pointer(path)} of {owner} is written as ${name}: set that variable")
        return f"${name}"


_SAME = object()


def _visit(value: Any, path: Place, clean: Any) -> Any:
    """A copy of a tree in which ``clean(value, path)`` stands for each value, unless that is ``_SAME``."""
    cleaned = clean(value, path)
    if cleaned is not _SAME:
        return cleaned
    if isinstance(value, dict):
        return {key: _visit(item, (*path, key), clean) for key, item in value.items()}
    if isinstance(value, list):
        return [_visit(item, (*path, index), clean) for index, item in enumerate(value)]
    return value


def _parse(text: str, path: Path) -> Any:
    return yaml_text.parse(text) if is_yaml(path) else json_text.parse(text)
