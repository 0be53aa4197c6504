"""The keys that every backend takes, read from what the config or a constructor gives into one immutable value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from complaint_llm.exceptions import ConfigError
from complaint_llm.json_schema.files import read_schema
from complaint_llm.json_schema.given_keys import KeyRules
from complaint_llm.request import EMPTY, GENERATION_KEYS
from complaint_llm.routing.target import RetryPolicy
from complaint_llm.secrets import Secret

ALIASES: Mapping[str, str] = {"api_base": "base_url", "engine": "model", "max_output_tokens": "max_tokens"}
"""Keys of older tools and their names here."""


class Options(NamedTuple):
    """The common keys of one backend. Times in seconds; None where nothing was given."""

    id: str
    model: str | None = None
    api_key: Secret | None = None
    base_url: str | None = None
    params: Mapping[str, Any] = EMPTY
    system: str | None = None
    embedding_model: str | None = None
    extra_body: Mapping[str, Any] = EMPTY
    custom_headers: Mapping[str, Secret] = EMPTY
    idempotency_header: str | None = None
    timeout: float | None = None
    connection_timeout: float = 10.0
    load_timeout: float | None = None
    optional: bool = False
    rate_limit: int | None = None
    rate_limit_window: float = 60.0
    tokens_per_minute: int | None = None
    retry: RetryPolicy = RetryPolicy()
    max_concurrency: int | None = None
    cache_enabled: bool = False
    cache_ttl: float | None = None
    cache_size: int | None = None
    weight: float = 1.0
    budget: float | Mapping[str, float] | None = None
    pricing: Mapping[str, float] | None = None
    location: Literal["local", "remote"] | None = None
    stream: bool = False
    unsupported_parameters: Literal["warn", "error", "drop"] = "warn"
    verbose: bool = False


RETRY_KEYS = (
    "max_retries", "retry_delay", "max_retry_delay", "exponential_backoff", "retry_on_errors", "retry_on_rate_limit",
)  # fmt: skip

COMMON_KEYS: frozenset[str] = frozenset(Options._fields) - {"params", "retry"} | frozenset(
    (*(GENERATION_KEYS - {"logprobs"}), *RETRY_KEYS)
)
"""The keys that every backend takes, as schemas/backend.schema.json has them beside ``type``."""


def key_rules(own: Mapping[str, Any] | Path | None) -> KeyRules:
    """The rules for the common keys and a type's own, whose schema is a mapping, a file, or nothing."""
    common = read_schema("backend")["properties"]
    common["id"] = {"type": "string", "minLength": 1}  # a file's ids are words, for lists and commands name them
    schema = json.loads(own.read_bytes()) if isinstance(own, Path) else own or {}
    return KeyRules({**schema, "type": "object", "properties": {**common, **schema.get("properties", {})}})


def check_keys(keys: Mapping[str, Any], owner: str) -> None:
    """Look at common keys, perhaps under their older names, that are for parts of a backend: see ``read_options``."""
    given = resolve_aliases(keys)
    key_rules(None).check(given, owner)
    read_options(given, owner)


def read_options(keys: Mapping[str, Any], default_id: str) -> Options:
    """Options from keys whose aliases are resolved and whose values fit the rules. Raises TypeError for an unknown
    key."""
    for key in keys:
        if key not in COMMON_KEYS:
            from complaint_llm.json_schema.problems import nearest  # cold start: difflib

            meant = nearest(key, sorted(COMMON_KEYS))
            raise TypeError(f"{default_id}: unknown key {key!r}" + (f"; did you mean {meant!r}?" if meant else ""))
    given = {key: value for key, value in keys.items() if value is not None}
    params = {key: given.pop(key) for key in tuple(given) if key in GENERATION_KEYS}
    api_key = given.pop("api_key", None)
    retry = retry_policy(given)
    for key in RETRY_KEYS:
        given.pop(key, None)
    given.setdefault("id", default_id)
    if "custom_headers" in given:
        headers = {name: _hidden(value) for name, value in given["custom_headers"].items()}
        given["custom_headers"] = MappingProxyType(headers)
    return Options(
        **given,
        params=MappingProxyType(params) if params else EMPTY,
        api_key=None if api_key is None else _hidden(api_key),
        retry=retry,
    )


def _hidden(value: str | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(value)


def retry_policy(keys: Mapping[str, Any]) -> RetryPolicy:
    """How often and how patiently a backend with these keys is tried again."""
    retry_on = keys.get("retry_on_errors")
    return RetryPolicy(
        keys.get("max_retries", 2),
        keys.get("retry_delay", 0.5),
        keys.get("max_retry_delay", 8.0),
        keys.get("exponential_backoff", True),
        None if retry_on is None else frozenset(retry_on),
        keys.get("retry_on_rate_limit", True),
    )


def resolve_aliases(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys by their names here. Raises ConfigError where a key and its alias are both given."""
    resolved: dict[str, Any] = {}
    for key, value in keys.items():
        name = ALIASES.get(key, key)
        if name in resolved:
            raise ConfigError(f"{key!r} and {name!r} mean the same: give one of them")
        resolved[name] = value
    return resolved
