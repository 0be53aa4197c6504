"""The keys that every backend takes, read from what the config or a constructor gives into one immutable value."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from complaint_llm.exceptions import ConfigError
from complaint_llm.request import GENERATION_KEYS, NOTHING
from complaint_llm.routing.candidate import RetryPolicy
from complaint_llm.secrets import Secret

ALIASES: Mapping[str, str] = {"api_base": "base_url", "engine": "model", "max_output_tokens": "max_tokens"}
"""Keys of older tools and their names here."""

_NUMBER = (int, float)
_KINDS: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "model": str,
    "base_url": str,
    "temperature": _NUMBER,
    "max_tokens": int,
    "top_p": _NUMBER,
    "top_k": int,
    "stop": (str, list, tuple),
    "seed": int,
    "frequency_penalty": _NUMBER,
    "presence_penalty": _NUMBER,
    "reasoning_effort": str,
    "thinking_budget": int,
    "system": str,
    "embedding_model": str,
    "extra_body": Mapping,
    "custom_headers": Mapping,
    "timeout": _NUMBER,
    "connection_timeout": _NUMBER,
    "load_timeout": _NUMBER,
    "optional": bool,
    "rate_limit": int,
    "rate_limit_window": _NUMBER,
    "tokens_per_minute": int,
    "retry_on_rate_limit": bool,
    "max_retries": int,
    "retry_delay": _NUMBER,
    "max_retry_delay": _NUMBER,
    "exponential_backoff": bool,
    "retry_on_errors": (list, tuple, frozenset, set),
    "max_concurrency": int,
    "cache_enabled": bool,
    "cache_ttl": _NUMBER,
    "cache_size": int,
    "weight": _NUMBER,
    "budget": (int, float, Mapping),
    "pricing": Mapping,
    "location": str,
    "stream": bool,
    "unsupported_parameters": str,
    "verbose": bool,
    "api_key": (str, Secret),
}

COMMON_KEYS: frozenset[str] = frozenset(_KINDS)


class Options(NamedTuple):
    """The common keys of one backend. Times in seconds; None where nothing was given."""

    id: str
    model: str | None = None
    api_key: Secret | None = None
    base_url: str | None = None
    params: Mapping[str, Any] = NOTHING
    system: str | None = None
    embedding_model: str | None = None
    extra_body: Mapping[str, Any] = NOTHING
    custom_headers: Mapping[str, Secret] = NOTHING
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


def read_options(keys: Mapping[str, Any], default_id: str) -> Options:
    """Options from keys whose aliases are resolved.

    Raises TypeError for an unknown key, ConfigError for a value of a wrong type.
    """
    for key, value in keys.items():
        kind = _KINDS.get(key)
        if kind is None:
            raise TypeError(f"{default_id}: unknown key {key!r}")
        wrong_bool = isinstance(value, bool) and kind is not bool
        if value is not None and (wrong_bool or not isinstance(value, kind)):
            raise ConfigError(f"{default_id}: {key} cannot be a {type(value).__name__}")
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
        params=MappingProxyType(params) if params else NOTHING,
        api_key=None if api_key is None else _hidden(api_key),
        retry=retry,
    )


def _hidden(value: str | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(value)


RETRY_KEYS = (
    "max_retries", "retry_delay", "max_retry_delay", "exponential_backoff", "retry_on_errors", "retry_on_rate_limit",
)  # fmt: skip


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
