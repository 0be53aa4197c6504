"""Changes to a config file that leave everything else in it as it was: comments, order, formatting, literals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from complaint_llm.config.problems import Place, json_pointer
from complaint_llm.named_tuples import NamedTuple


class Removed:
    """The value of an edit that takes something out."""


REMOVED = Removed()


class Edit(NamedTuple):
    """The value at ``path`` becomes ``value``, or goes. An index one past the end of a list adds an entry to it."""

    path: Place
    value: Any

    def __repr__(self) -> str:
        # The value may be a key.
        return f"<Edit of {json_pointer(self.path)}>"


def edit_document(document: Any, edits: Iterable[Edit]) -> Any:
    """A copy of the document with the edits. Raises KeyError, IndexError or TypeError where a path leads nowhere."""
    for edit in edits:
        document = _with_value(document, edit.path, edit.value)
    return document


def _with_value(value: Any, path: Place, new: Any) -> Any:
    if not path:
        return new
    rest = path[1:]
    step: Any = path[0]
    if isinstance(value, list):
        copy: Any = list(value)
        if not isinstance(step, int):
            raise TypeError(f"{step!r} is no place in a list")
        if step == len(copy) and not rest and new is not REMOVED:
            return [*copy, new]
    elif isinstance(value, dict):
        copy = dict(value)
    else:
        raise TypeError(f"{step!r} leads into what is no collection")
    if not rest and new is REMOVED:
        del copy[step]
    elif rest:
        copy[step] = _with_value(copy[step] if isinstance(copy, list) or step in copy else {}, rest, new)
    else:
        copy[step] = new
    return copy
