"""Generation parameters by capability: neutral names become a wire's names, and what a model family refuses is found.

The knowledge is data, a ``models.json`` beside each wire:

- ``names``: neutral name -> where it goes in the body. A text is a dotted path (``generationConfig.topK``); null
  refuses; an object has ``name`` (optional), ``list`` (a single text is sent as a list) and ``with`` (dotted paths and
  values to set beside it; without ``name``, set if the parameter is true). A name that is not listed is refused.
- ``quirks``: anything that the wire itself reads.
- ``families``: the first whose ``models`` (shell patterns, lower case) fit the model's name adds to that:
  ``names``; ``refuses`` (names); ``values`` (name -> the only values accepted); ``only_with`` (name -> {other: values}:
  accepted only beside one of these values of another parameter, null standing for its absence); ``quirks``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import EMPTY
from complaint_llm.shell_patterns import fits

if TYPE_CHECKING:
    import logging
    from pathlib import Path

Policy = Literal["warn", "error", "drop"]
UNSUPPORTED = "unsupported_parameters"
"""The key of ``output.metadata`` that names what was left out."""


class Placement(NamedTuple):
    """Where a parameter goes that is more than one key of the body."""

    path: tuple[str, ...]
    as_list: bool = False
    beside: tuple[tuple[tuple[str, ...], Any], ...] = ()

    def write(self, body: dict[str, Any], value: Any) -> None:
        """Write the value into the body."""
        if self.path:
            _put(body, self.path, [value] if self.as_list and isinstance(value, str) else value)
        elif not value:
            return
        for path, constant in self.beside:
            _put(body, path, constant)


class Family:
    """What one model takes; ``takes_maximum``: whether ``max_tokens`` is such. Immutable; any thread may use it."""

    __slots__ = ("__weakref__", "_always", "_conditions", "_rows", "_values", "quirks", "takes_maximum")

    def __init__(
        self,
        rows: Mapping[str, str | Placement],
        values: Mapping[str, Sequence[Any]] = EMPTY,
        conditions: Mapping[str, Mapping[str, Sequence[Any]]] = EMPTY,
        quirks: Mapping[str, Any] = EMPTY,
    ) -> None:
        self._rows = rows
        self._values = values
        self._conditions = conditions
        # Taken with any value, whatever stands beside them.
        self._always = frozenset(rows).difference(values, conditions)
        self.quirks = quirks
        self.takes_maximum = not self.unsupported_names({"max_tokens": 1})

    def unsupported_names(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        """The neutral names among ``params`` that this model does not take (with these values), in their order."""
        if self._always.issuperset(params):
            return ()
        return tuple([name for name in params if name not in self._always and not self._takes(name, params)])

    def write(self, params: Mapping[str, Any], body: dict[str, Any]) -> None:
        """Put what is not refused into ``body`` under the wire's names."""
        for name, value in params.items():
            if name not in self._always and not self._takes(name, params):
                continue
            row = self._rows[name]
            if isinstance(row, str):
                body[row] = value
            else:
                row.write(body, value)

    def _takes(self, name: str, params: Mapping[str, Any]) -> bool:
        accepted, condition = self._values.get(name), self._conditions.get(name)
        if name not in self._rows or (accepted is not None and params[name] not in accepted):
            return False
        return condition is None or all(params.get(other) in values for other, values in condition.items())


class ModelTable:
    """The families of one wire. Any thread may use it: what is remembered per model is only ever the same again."""

    def __init__(self, data: Mapping[str, Any], names: Mapping[str, Any] = EMPTY, *, fixed_names: bool = False) -> None:
        """``names`` are the wire's own, under those of ``data``.

        With ``fixed_names`` the names of ``data`` do not count: they are those of another wire to the same models.
        """
        self._renames = not fixed_names
        self._names = {**names, **self._own_names(data)}
        self._quirks: Mapping[str, Any] = data.get("facts", EMPTY)
        self._families: Sequence[Mapping[str, Any]] = data.get("families", ())
        self._found: dict[str, Family] = {}

    @classmethod
    def read(cls, path: Path, names: Mapping[str, Any] = EMPTY, *, fixed_names: bool = False) -> ModelTable:
        """The table in a JSON file."""
        return cls(json.loads(path.read_bytes()), names, fixed_names=fixed_names)

    def family(self, model: str | None) -> Family:
        """What this model takes; one that no family names, and None, takes what the wire takes."""
        model = model or ""
        found = self._found.get(model)
        if found is None:
            if len(self._found) > 4096:
                # Model names come from callers: a process that makes them up must not grow without end.
                self._found.clear()
            found = self._found[model] = self._look_up(model.lower())
        return found

    def _look_up(self, model: str) -> Family:
        for data in self._families:
            if any(fits(model, pattern) for pattern in data["models"]):
                break
        else:
            data = EMPTY
        names = {**self._names, **self._own_names(data)}
        refuses = data.get("refuses", ())
        rows = {name: _row(given) for name, given in names.items() if given is not None and name not in refuses}
        quirks = {**self._quirks, **data.get("facts", EMPTY)}
        return Family(rows, data.get("values", EMPTY), data.get("only_with", EMPTY), quirks)

    def _own_names(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = data.get("names", EMPTY) if self._renames else EMPTY
        return found


class UnsupportedParameters:
    """What a backend does with parameters that a model refuses. Any thread may call it.

    ``warn`` logs each name once per backend and leaves it out, ``drop`` leaves it out, ``error`` refuses the request.
    """

    __slots__ = ("_log", "_policy", "_warned")

    def __init__(self, policy: Policy, log: logging.Logger) -> None:
        self._policy = policy
        self._log = log
        self._warned: set[str] = set()

    def check(self, unsupported: Sequence[str], model: str) -> None:
        """Raises InvalidRequestError under ``error``."""
        if self._policy == "error":
            raise InvalidRequestError(
                f"{model} does not take {', '.join(unsupported)}: leave it out, or set unsupported_parameters to drop",
                model=model,
                sent=False,
            )
        # Two threads may both warn of a first time; that is no harm.
        new = [name for name in unsupported if name not in self._warned]
        if new and self._policy == "warn":
            self._warned.update(new)
            self._log.warning("%s does not take %s: left out", model, ", ".join(new))


def _row(given: Any) -> str | Placement:
    if isinstance(given, str):
        path = tuple(given.split("."))
        return given if len(path) == 1 else Placement(path)
    name = given.get("name")
    beside = tuple((tuple(path.split(".")), value) for path, value in given.get("with", EMPTY).items())
    return Placement(tuple(name.split(".")) if name else (), given.get("list", False), beside)


def _put(body: dict[str, Any], path: Sequence[str], value: Any) -> None:
    place = body
    for key in path[:-1]:
        place = place.setdefault(key, {})
    place[path[-1]] = value
