"""A task: what a model is asked to make of a text, in which shape, and how the answer is checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from complaint_llm.tasks.template import fill, placeholders

OnFailedCheck = Literal["mark", "error", "next"]
_EMPTY: Mapping[str, Any] = MappingProxyType({})

NAMES_OF_ITS_OWN = frozenset(("input", "id", "nonce", "answer_language"))
"""What a template may name beside ``lists.x`` and the item's own fields."""


class Task(NamedTuple):
    """A task whose ``extends`` and ``lists`` are resolved. Immutable; made by ``load_task``."""

    id: str
    prompt: str
    system: str | None = None
    title: str | None = None
    notice: str | None = None
    """What a reader of the answers must know; it is on the page, in the CSV and in the docs."""
    answer_language: str = "English"
    lists: Mapping[str, Mapping[str, str]] = _EMPTY
    """Choices by list: each value and what it means. Templates name them, enums of the schema are filled from them."""
    schema: Mapping[str, Any] | None = None
    checks: tuple[str, ...] = ()
    on_failed_check: OnFailedCheck = "mark"
    params: Mapping[str, Any] = _EMPTY
    rows: str | None = None
    """The list of the answer that a table has a row for each entry of."""
    documents: Literal["auto", "native", "text"] | None = None
    """How documents are given, where the task says so: it stands above the backend's."""
    requires: Mapping[str, Any] | None = None
    """What is required of how a provider handles data, beside what MEDIATOR and a call require."""

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of everything that shapes an answer: another digest, another question."""
        beside = {"title", "notice", "rows", "requires", *(("documents",) if self.documents is None else ())}
        shaping = {key: value for key, value in self._asdict().items() if key not in beside}
        text = json.dumps(shaping, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=dict)
        return hashlib.sha256(text.encode()).hexdigest()

    def for_readers(self) -> Mapping[str, Any]:
        """What whoever shows its answers needs: id, digest, title, notice, rows and schema, as plain values."""
        shown = {name: getattr(self, name) for name in ("id", "digest", "title", "notice", "rows", "schema")}
        return {**shown, "lists": {name: dict(choices) for name, choices in self.lists.items()}}

    @property
    def fields(self) -> frozenset[str]:
        """The item's own fields that the templates name."""
        named = placeholders(self.prompt) | placeholders(self.system or "")
        return frozenset(name for name in named - NAMES_OF_ITS_OWN if not name.startswith("lists."))

    def messages(self, text: str, *, id: str = "", fields: Mapping[str, str] | None = None) -> tuple[str | None, str]:
        """The system text and the user text for one item.

        Raises KeyError naming a field that a template asks for and the item has not.
        """
        values = {
            **{f"lists.{name}": choices_as_text(choices) for name, choices in self.lists.items()},
            **(fields or {}),
            "input": text,
            "id": id,
            "nonce": material_nonce(self.digest, id, text),
            "answer_language": self.answer_language,
        }
        return None if self.system is None else fill(self.system, values), fill(self.prompt, values)


def choices_as_text(choices: Mapping[str, str]) -> str:
    """A list as a template shows it: a line for each value with what it means."""
    return "\n".join(f"- {value}: {meaning}" if meaning else f"- {value}" for value, meaning in choices.items())


def material_nonce(digest: str, id: str, text: str) -> str:
    """The mark around an item's material: the same for the same item, and not to be known by who writes the material.

    It depends on the whole text, so a text cannot hold its own mark.
    """
    return hashlib.sha256(f"{digest}\0{id}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
