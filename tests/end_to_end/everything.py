"""Whole configs in a folder of their own, and everything that a user could see of a run."""

from __future__ import annotations

import json
import pickle
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_config(folder: Path, backends: list[Mapping[str, Any]], **sections: Any) -> Path:
    """A config.json with these backends and sections."""
    path = folder / "config.json"
    path.write_text(json.dumps({"BACKENDS": backends, **sections}), encoding="utf-8")
    return path


def everything(error: BaseException) -> str:
    """The traceback with the locals of every frame, causes and contexts; reprs, texts and pickles of all of them."""
    shown = list(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    seen: set[int] = set()
    steps: list[BaseException | None] = [error]
    while steps:
        step = steps.pop()
        if step is None or id(step) in seen:
            continue
        seen.add(id(step))
        shown += [str(step), repr(step), repr(step.args), repr(vars(step))]
        steps += [step.__cause__, step.__context__, *getattr(step, "errors", {}).values()]
    try:
        shown.append(repr(pickle.dumps(error)))
    except (TypeError, AttributeError, pickle.PicklingError):
        pass  # a foreign error that cannot be pickled cannot leak that way
    return "\n".join(shown)


def inside(things: Iterable[Any]) -> str:
    """Reprs of objects and of what they hold, one level down."""
    shown = []
    for thing in things:
        shown.append(repr(thing))
        names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
        shown.append(repr({name: getattr(thing, name, None) for name in names}))
        shown.append(repr(getattr(thing, "__dict__", {})))
    return "\n".join(shown)


def files_with(folder: Path, text: bytes, *, but: Iterable[str] = ()) -> list[str]:
    """Files below the folder that hold the text, as it is."""
    return [
        str(file.relative_to(folder))
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in but and text in file.read_bytes()
    ]
