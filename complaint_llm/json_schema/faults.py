"""The faults that jsonschema finds. Imported only when a value is not plainly valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.validators import extend

from complaint_llm.exceptions import PluginError
from complaint_llm.json_schema.check import TYPES, Check, plain

if TYPE_CHECKING:
    from jsonschema import ValidationError

    from complaint_llm.json_schema.places import Place


class Broken(NamedTuple):
    """A rule of a schema that a value breaks: the keyword ``rule`` with what is ``given`` in ``schema``.

    The path of a broken ``propertyNames`` ends with the key. ``missing`` is the key that ``required`` asks for;
    ``parts`` are the broken rules of each branch of ``anyOf``, which has the number ``branch`` in each of them.
    """

    path: Place
    rule: str
    given: Any
    schema: Mapping[str, Any]
    value: Any
    missing: str
    parts: tuple[Broken, ...]
    branch: int | None


def faults(schema: Mapping[str, Any], value: Any) -> list[Broken]:
    """Every rule that a value breaks. A string may be a Secret. Raises PluginError for a schema that cannot be used."""
    try:
        return [_broken(error) for error in _validator(schema).iter_errors(value)]
    except Exception as cause:  # noqa: BLE001 - a plugin's schema: a wrong pattern, a reference that leads nowhere
        reason = type(cause).__name__
    # Raised here, without its cause: the frames of jsonschema hold the value, and what was written in it.
    raise PluginError(f"its schema cannot be used ({reason}): correct the plugin's schema")


def _broken(error: ValidationError) -> Broken:
    rule = str(error.validator)
    given: Any = error.validator_value
    # jsonschema reports each missing key on its own, with the whole list and the key's name in front of the message.
    missing = next((key for key in given if error.message.startswith(repr(key))), "") if rule == "required" else ""
    path: Place = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        rule, path = "propertyNames", (*path, str(error.instance))
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    parts = tuple(_broken(part) for part in error.context or ())
    first = next(iter(error.relative_schema_path), None) if error.parent is not None else None
    return Broken(
        path=path,
        rule=rule,
        given=given,
        schema=schema,
        value=error.instance,
        missing=missing,
        parts=parts,
        branch=first if isinstance(first, int) else None,
    )


def _of_strings(keyword: str) -> Callable[..., Any]:
    rule_check = Draft202012Validator.VALIDATORS[keyword]

    def check_text(validator: Any, given: Any, instance: Any, schema: Any) -> Any:
        # The instance of the error stays the secret itself: its text is only looked at.
        return rule_check(validator, given, plain(instance), schema)

    return check_text


def _as_type(check: Check) -> Any:
    return lambda checker, value: check(value)


_validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {word: _of_strings(word) for word in ("pattern", "minLength", "maxLength", "enum", "const")},
    type_checker=TypeChecker({name: _as_type(check) for name, check in TYPES.items()}),
)
