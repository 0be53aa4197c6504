"""Checks values against a JSON Schema from outside: made once for each schema, and ended by the call's deadline.

A schema of a few hundred bytes can ask for more steps than a year has (two references in each ``anyOf``, forty times
over), so every step looks at the deadline; patterns are searched for by an engine that can be stopped. Nothing is
fetched: a reference that leads outside is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.backends.answers.patterns import compile_pattern, is_found
from complaint_llm.backends.wire.schema_walk import map_schemas, schemas_in
from complaint_llm.bounded_json import is_deeper
from complaint_llm.exceptions import BackendTimeoutError, CancelledError, InvalidRequestError

if TYPE_CHECKING:
    from complaint_llm.call import CancelToken, Deadline

MAX_SCHEMA = 512 * 1024
"""Bytes of a schema as JSON. OpenAI takes 120,000 characters of names and values (guide "Structured model outputs")."""

_DEEP = 24
"""From this depth on a value, and not its schema, is what the stack does not suffice for."""


class SchemaViolation(NamedTuple):
    """Where a value does not fit (a JSON path), and the keyword that is not met with its value as JSON."""

    place: str
    demand: str


class TooDeepError(ValueError):
    """The value is nested too deeply to be checked."""


class _Limits(NamedTuple):
    deadline: Deadline
    cancel: CancelToken


_LIMITS: ContextVar[_Limits] = ContextVar("_LIMITS")


class SchemaValidator:
    """Immutable; any thread may use it."""

    __slots__ = ("_validator",)

    def __init__(self, validator: Any) -> None:
        self._validator = validator

    def violation(self, value: Any, deadline: Deadline, cancel: CancelToken) -> SchemaViolation | None:
        """What is most wrong with ``value``; None where it fits.

        Raises BackendTimeoutError at the deadline, CancelledError when cancelled, TooDeepError, and InvalidRequestError
        for a schema whose references lead nowhere or in a circle.
        """
        from jsonschema.exceptions import best_match  # cold start: jsonschema
        from referencing.exceptions import Unresolvable  # cold start: jsonschema

        before = _LIMITS.set(_Limits(deadline, cancel))
        try:
            worst = best_match(self._validator.iter_errors(value))
        except Unresolvable as cause:
            raise _schema_error(f"it has a reference that leads nowhere: {cause}") from cause
        except RecursionError:
            if is_deeper(value, _DEEP):
                raise TooDeepError("it is nested too deeply to be checked") from None
            raise _schema_error("it is nested too deeply, or a reference leads to itself") from None
        finally:
            _LIMITS.reset(before)
        if worst is None:
            return None
        demanded = json.dumps(worst.validator_value, ensure_ascii=False, default=str)
        return SchemaViolation(worst.json_path, f"{worst.validator}: {demanded}")


def validator_of(schema: Mapping[str, Any], deadline: Deadline, cancel: CancelToken) -> SchemaValidator:
    """The validator of a schema, made once for schemas that are the same as JSON.

    Raises InvalidRequestError for what is no JSON Schema, and as ``SchemaValidator.fault`` does.
    """
    before = _LIMITS.set(_Limits(deadline, cancel))
    try:
        return _build(schema_text(schema))
    finally:
        _LIMITS.reset(before)


def schema_text(schema: Mapping[str, Any]) -> str:
    """The schema as JSON. Raises InvalidRequestError where it has no such form.

    Keys keep their order: models answer in it.
    """
    try:
        return _encode(schema)
    except (TypeError, ValueError, RecursionError) as cause:
        raise _schema_error(f"it cannot be written as JSON: {cause}") from cause


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode


@lru_cache(maxsize=64)
def _build(text: str) -> SchemaValidator:
    from jsonschema.exceptions import best_match  # cold start: jsonschema
    from jsonschema.validators import Draft202012Validator, validator_for  # cold start: jsonschema
    from referencing import Registry  # cold start: jsonschema

    if len(text) > MAX_SCHEMA:
        raise _schema_error(f"it has {len(text):,} characters, more than {MAX_SCHEMA:,}")
    schema = json.loads(text)
    kind = validator_for(schema, default=Draft202012Validator)
    validator_class = _validator_class(kind)
    try:
        plain = _without_dialect(schema)
        metaschema = validator_class(_without_dialect(kind.META_SCHEMA), registry=_metaschemas())
        violation = best_match(metaschema.iter_errors(plain))
    except RecursionError:
        raise _schema_error("it is nested too deeply") from None
    if violation is not None:
        raise _schema_error(f"{violation.json_path}: {violation.message}")
    _check_patterns(plain)
    # A registry of its own: the default one would fetch references from the network.
    return SchemaValidator(validator_class(plain, registry=Registry()))


def _check_patterns(schema: Any) -> None:
    words: set[str] = set()
    for part in schemas_in(schema):
        words.update(part)
        for pattern in (*filter(None, (part.get("pattern"),)), *part.get("patternProperties", ())):
            try:
                compile_pattern(pattern)
            except ValueError as cause:
                raise _schema_error(f"{pattern[:80]!r} is no pattern: {cause}") from cause
    if {"patternProperties", "unevaluatedProperties"} <= words:
        raise _schema_error("unevaluatedProperties is not checked beside patternProperties: use additionalProperties")


def _without_dialect(schema: Any) -> Any:
    """The schema without ``$schema``, by which the library would leave our keywords for its own."""
    if not isinstance(schema, Mapping):
        return schema
    return map_schemas({word: value for word, value in schema.items() if word != "$schema"}, _without_dialect)


@lru_cache(maxsize=1)
def _metaschemas() -> Any:
    """The dialects and their vocabularies, each without ``$schema``."""
    from jsonschema_specifications import REGISTRY  # cold start: jsonschema
    from referencing import Registry  # cold start: jsonschema
    from referencing.jsonschema import specification_with  # cold start: jsonschema

    resources = []
    for uri in REGISTRY:
        contents = REGISTRY.contents(uri)
        dialect = specification_with(contents["$schema"])
        resources.append((uri, dialect.create_resource(_without_dialect(contents))))
    return Registry().with_resources(resources)


# -- keywords ----------------------------------------------------------------------------------------------------------

Keyword = Callable[[Any, Any, Any, Any], Any]


@lru_cache(maxsize=8)
def _validator_class(kind: Any) -> Any:
    """The library's validator class of one dialect, with the deadline in every keyword and patterns of our engine."""
    from jsonschema.validators import extend  # cold start: jsonschema

    extended: Any = extend
    words: dict[str, Keyword] = {word: _in_steps(check) for word, check in kind.VALIDATORS.items()}
    words.update((word, _in_steps(check)) for word, check in _OURS.items() if word in words)
    return extended(kind, words)


def _in_steps(check: Keyword) -> Keyword:
    def step(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        _step()
        return check(validator, value, instance, schema)

    return step


def _step() -> None:
    limits = _LIMITS.get()
    if limits.cancel.cancelled:
        raise CancelledError(limits.cancel.reason or "cancelled", maybe_received=True)
    if limits.deadline.remaining() <= 0:
        raise BackendTimeoutError("the answer was not checked before the deadline", maybe_received=True)


def _matches(pattern: str, text: str) -> bool:
    _step()
    limits = _LIMITS.get()
    return is_found(pattern, text, limits.deadline, limits.cancel)


def _error(message: str) -> Any:
    from jsonschema.exceptions import ValidationError  # cold start: jsonschema

    return ValidationError(message)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    if isinstance(instance, str) and not _matches(pattern, instance):
        yield _error("the pattern is not found")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if isinstance(instance, dict):
        for pattern, part in patterns.items():
            for name, value in instance.items():
                if _matches(pattern, name):
                    yield from validator.descend(value, part, path=name, schema_path=pattern)


def _additional_properties(validator: Any, rest: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, value in instance.items():
        if name in known or any(_matches(pattern, name) for pattern in patterns):
            continue
        if rest is False:
            yield _error("there are further properties")
            return
        yield from validator.descend(value, rest, path=name)


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not wanted or not isinstance(instance, list):
        return
    seen: set[Any] = set()
    for item in instance:
        _step()
        key = _comparable(item)
        if key in seen:
            yield _error("two items are equal")
            return
        seen.add(key)


def _comparable(value: Any) -> Any:
    """A hashable stand-in: equal for values that JSON Schema calls equal (1 and 1.0, but not 1 and true)."""
    if isinstance(value, dict):
        return frozenset((name, _comparable(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return tuple(map(_comparable, value))
    return (type(value), value) if isinstance(value, bool) else value


_OURS: Mapping[str, Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}


def _schema_error(what: str) -> InvalidRequestError:
    return InvalidRequestError(f"response_format is no JSON Schema that can be checked: {what}"[:300], sent=False)
