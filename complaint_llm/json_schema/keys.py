"""Keys of a config that are defined once, as annotated fields of a class: type, default, rules and meaning.

``max_retries: Annotated[int, config_key("How often a failed attempt is repeated.", minimum=0)] = 2`` is all there is of
a key: its JSON Schema, its other names and its row in the documentation are read from there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import NoneType, UnionType
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

from complaint_llm.named_tuples import NamedTuple
from complaint_llm.secrets import Secret

_TYPES: Mapping[Any, Mapping[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    Secret: {"type": "string", "writeOnly": True},
}


class Key(NamedTuple):
    """What is said of a key beside its type and its default."""

    description: str
    rules: Mapping[str, Any]
    """Keywords of its JSON Schema; those for its type and its default need not be here."""
    aliases: tuple[str, ...]
    basic: bool


class DefinedKey(NamedTuple):
    """A key as the class that defines it has it."""

    schema: Mapping[str, Any]
    aliases: tuple[str, ...]
    basic: bool


def config_key(description: str, *, aliases: tuple[str, ...] = (), basic: bool = False, **rules: Any) -> Key:
    """The meaning and the rules of a key, for ``Annotated``.

    ``aliases`` are names that older tools have for it, ``basic`` says that most users want it, ``rules`` are keywords
    of JSON Schema such as ``minimum=0``.
    """
    return Key(description, rules, aliases, basic)


def defined_keys(definition: type) -> dict[str, DefinedKey]:
    """The keys that a class (a NamedTuple or a TypedDict) defines, by name: its fields with a ``config_key``.

    Raises TypeError for a class whose annotations are texts: its module has ``from __future__ import annotations``.
    """
    defaults: Mapping[str, Any] = getattr(definition, "_field_defaults", {})
    found = {}
    for name, hint in definition.__annotations__.items():
        if isinstance(hint, (str, ForwardRef)):
            raise TypeError(f"{definition.__qualname__}.{name}: its annotation is a text, not a value")
        said = next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Key)), None)
        if said is not None:
            schema = {**_type_rules(hint, said.rules), **said.rules}
            schema |= _default_rule(defaults.get(name))
            found[name] = DefinedKey({**schema, "description": said.description}, said.aliases, said.basic)
    return found


def _type_rules(hint: Any, rules: Collection[str]) -> Mapping[str, Any]:
    """What an annotation says to JSON Schema; nothing where the rules have branches of their own."""
    if "anyOf" in rules:
        return {}
    annotated = get_args(hint)[0]
    options = get_args(annotated) if get_origin(annotated) in (Union, UnionType) else (annotated,)
    kind = next(each for each in options if each is not NoneType)
    origin = get_origin(kind)
    if origin is Literal:
        return {"enum": list(get_args(kind))}
    if origin is frozenset:
        return {"type": "array"}
    return _TYPES.get(kind) or {"type": "object"}


def _default_rule(default: Any) -> Mapping[str, Any]:
    if not isinstance(default, (bool, int, float, str)):
        return {}
    return {"default": int(default) if isinstance(default, float) and default.is_integer() else default}


__all__ = ["DefinedKey", "Key", "config_key", "defined_keys"]
