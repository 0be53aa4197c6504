"""What a factory takes by name, as a JSON Schema: of its signature, as far as a file can hold it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from typing import Any

_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "None": "null"}
_HELD = frozenset(
    ("Any", "Literal", "Mapping", "Optional", "Path", "Sequence", "Union", "dict", "list", "object", "tuple")
)


def schema_of_parameters(factory: Callable[..., Any], *, without: Collection[str] = ()) -> dict[str, Any]:
    """An object schema of the keywords that ``factory`` takes, but for those in ``without``.

    One whose annotation no file can hold is left out. Raises TypeError or ValueError where there is no signature.
    """
    taken = inspect.signature(factory).parameters.values()
    named = [one for one in taken if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    keys = {one.name: _rules(one) for one in named if one.name not in without and _is_held(one)}
    text = (inspect.getdoc(factory) or "").strip()
    return {
        "type": "object",
        "description": text.partition("\n")[0],
        "additionalProperties": any(one.kind is one.VAR_KEYWORD for one in taken),
        "properties": keys,
        "required": [one.name for one in named if one.name in keys and one.default is one.empty],
    }


def _alternatives(parameter: inspect.Parameter) -> list[str]:
    """The alternatives of its annotation as they are written; none where it has none."""
    given = parameter.annotation
    if given is parameter.empty:
        return []
    text = given if isinstance(given, str) else inspect.formatannotation(given)
    plain = re.sub(r"\b(?:\w+\.)+", "", text).strip("'\"")
    return [each.strip() for each in re.split(r"\|(?![^\[]*\])", plain)]


def _is_held(parameter: inspect.Parameter) -> bool:
    others = [each for each in _alternatives(parameter) if each != "None"]
    return not others or any(
        each.startswith("Literal[") or set(re.findall(r"\w+", each)) <= _HELD | _TYPES.keys() for each in others
    )


def _rules(parameter: inspect.Parameter) -> dict[str, Any]:
    kinds = [_TYPES.get(each, "") for each in _alternatives(parameter) if each != "None"]
    rules: dict[str, Any] = {"type": kinds[0]} if len(kinds) == 1 and kinds[0] else {}
    if isinstance(parameter.default, (bool, int, float, str)):
        rules["default"] = parameter.default
    return rules
