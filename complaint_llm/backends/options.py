"""The keys that every backend takes: defined here, and read from a config or a constructor into one immutable value.

The annotations are values, not texts: ``json_schema.keys`` reads them at every start.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

from complaint_llm.exceptions import ConfigError
from complaint_llm.handling import HANDLING_KEYS
from complaint_llm.json_schema.given_keys import KeyRules
from complaint_llm.json_schema.keys import DefinedKey, config_key, defined_keys
from complaint_llm.json_schema.problems import nearest
from complaint_llm.request import EMPTY, GENERATION_KEYS, DocumentMode, GenerationKeys
from complaint_llm.routing.target import RetryPolicy
from complaint_llm.secrets import Secret

MAX_SECONDS = 100_000_000

_HEADER = {"pattern": r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$(?!\n)", "patternErrorMessage": "no name of a header"}
_DOLLARS = {"type": "number", "minimum": 0}


class Options(NamedTuple):
    """The common keys of one backend, each defined here alone. Times in seconds; None where nothing was given."""

    id: Annotated[
        str,
        config_key(
            "The backend's name, unique in the file: MEDIATOR, logs and outputs use it.",
            basic=True,
            minLength=1,
            maxLength=200,
            pattern=r"^[^\s\u0000-\u001f]+$(?!\n)",
            patternErrorMessage="an id has no spaces and no line breaks",
        ),
    ]
    model: Annotated[
        str | None,
        config_key(
            "The model's name as the provider spells it. None is preset.", aliases=("engine",), basic=True, minLength=1
        ),
    ] = None
    api_key: Annotated[
        Secret | None,
        config_key(
            "The key. Use a reference such as $OPENAI_API_KEY; without it the type's usual variable is read.",
            basic=True,
            minLength=1,
            pattern=r"^(?![\s\S]*[\r\n\u0000])",
            patternErrorMessage="has a line break: a key is one line",
        ),
    ] = None
    base_url: Annotated[
        str | None,
        config_key(
            "The address of the API, as the provider's official SDK means it.",
            aliases=("api_base",),
            basic=True,
            pattern=r"^https?://[^\s/?#]+[^\s?#]*$(?!\n)",
            patternErrorMessage="an address is http://host or https://host, perhaps with a port and a path",
        ),
    ] = None
    timeout: Annotated[
        float | None,
        config_key(
            "Seconds that one attempt at this backend may take.", basic=True, exclusiveMinimum=0, maximum=MAX_SECONDS
        ),
    ] = None
    optional: Annotated[
        bool,
        config_key(
            "Leave the backend out, instead of failing, if a variable is unset, a key or an extra is missing, "
            "or nothing listens at its local address.",
            basic=True,
        ),
    ] = False
    rate_limit: Annotated[int | None, config_key("Requests per rate_limit_window.", basic=True, minimum=1)] = None
    rate_limit_window: Annotated[
        float, config_key("Seconds that rate_limit counts over.", exclusiveMinimum=0, maximum=MAX_SECONDS)
    ] = 60.0
    tokens_per_minute: Annotated[int | None, config_key("Tokens per minute, prompt and answer.", minimum=1)] = None
    max_concurrency: Annotated[int | None, config_key("Requests in flight at once.", minimum=1)] = None
    params: Mapping[str, Any] = EMPTY
    """Those of ``request.GenerationKeys`` that were given."""
    retry: RetryPolicy = RetryPolicy()
    """What the ``RetryKeys`` say."""
    system: Annotated[str | None, config_key("System prompt of every request that brings none.")] = None
    embedding_model: Annotated[
        str | None,
        config_key(
            "The model of embed(), where it is not model; the first backend that has one sets it for all.", minLength=1
        ),
    ] = None
    extra_body: Annotated[
        Mapping[str, Any], config_key("Further members of the request's JSON body, sent as they are.")
    ] = EMPTY
    custom_headers: Annotated[
        Mapping[str, Secret],
        config_key(
            "Further HTTP headers.",
            propertyNames={"type": "string", **_HEADER},
            additionalProperties={
                "type": "string",
                "writeOnly": True,
                "pattern": r"^(?![\s\S]*[\r\n\u0000])",
                "patternErrorMessage": "has a line break: a header is one line",
            },
        ),
    ] = EMPTY
    idempotency_header: Annotated[
        str | None,
        config_key(
            "Header that gets the same random value for each retry of a call, for gateways that answer a repeated "
            "request once.",
            **_HEADER,
        ),
    ] = None
    connection_timeout: Annotated[
        float, config_key("Seconds for making a connection.", exclusiveMinimum=0, maximum=MAX_SECONDS)
    ] = 10.0
    load_timeout: Annotated[
        float | None,
        config_key(
            "Seconds for loading a local model, outside any request's deadline.",
            exclusiveMinimum=0,
            maximum=MAX_SECONDS,
        ),
    ] = None
    cache_enabled: Annotated[bool, config_key("Answer repeated requests from the cache.")] = False
    cache_ttl: Annotated[
        float | None, config_key("Seconds that a cached answer is good for.", exclusiveMinimum=0, maximum=MAX_SECONDS)
    ] = None
    cache_size: Annotated[int | None, config_key("Answers that the cache keeps.", minimum=1)] = None
    weight: Annotated[float, config_key("Share of the requests under the strategy `weighted`.", minimum=0)] = 1.0
    budget: Annotated[
        float | Mapping[str, float] | None,
        config_key(
            "US dollars: the total, or limits by day and month (UTC).",
            anyOf=[
                _DOLLARS,
                {
                    "type": "object",
                    "properties": dict.fromkeys(("total", "day", "month"), _DOLLARS),
                    "additionalProperties": False,
                    "minProperties": 1,
                },
            ],
        ),
    ] = None
    pricing: Annotated[
        Mapping[str, float] | None,
        config_key(
            "US dollars per million tokens, instead of the price list.",
            properties={
                "input": _DOLLARS,
                "output": _DOLLARS,
                "cached_input": {
                    **_DOLLARS,
                    "description": "Of what comes from the provider's cache; without it, that of input.",
                },
                "cache_write": {
                    **_DOLLARS,
                    "description": "Of what is written to the cache; without it the cost of such an answer is unknown.",
                },
                "cache_write_1h": {
                    **_DOLLARS,
                    "description": "Of what is written to be kept for an hour (Anthropic).",
                },
            },
            additionalProperties=False,
        ),
    ] = None
    location: Annotated[
        Literal["local", "remote"] | None,
        config_key("Where the data goes. `local` is a promise that is checked: the address must be loopback."),
    ] = None
    documents: Annotated[
        DocumentMode,
        config_key(
            "How documents are given: `auto` as files where the backend reads such files and as text otherwise, "
            "`native` only as files, `text` as text."
        ),
    ] = "auto"
    handling: Annotated[
        Mapping[str, Any],
        config_key(
            "What the provider does with what is sent, where a contract of this account says otherwise than the type's "
            "data; what it leaves out stays as the type's.",
            properties=HANDLING_KEYS,
            additionalProperties=False,
            minProperties=1,
        ),
    ] = EMPTY
    stream: Annotated[bool, config_key("Ask the provider for a stream even where the whole answer is wanted.")] = False
    unsupported_parameters: Annotated[
        Literal["warn", "error", "drop"], config_key("What happens to a parameter that the model refuses.")
    ] = "warn"
    verbose: Annotated[bool, config_key("Log bodies at DEBUG, secrets cut.")] = False


class RetryKeys(NamedTuple):
    """The keys that a ``RetryPolicy`` is made of, with its defaults."""

    max_retries: Annotated[
        int, config_key("How often a failed attempt is repeated.", basic=True, minimum=0, maximum=100)
    ] = RetryPolicy().max_retries
    retry_delay: Annotated[float, config_key("Seconds before the first retry.", minimum=0, maximum=MAX_SECONDS)] = (
        RetryPolicy().delay
    )
    max_retry_delay: Annotated[
        float, config_key("The longest wait between retries, in seconds.", minimum=0, maximum=MAX_SECONDS)
    ] = RetryPolicy().max_delay
    exponential_backoff: Annotated[bool, config_key("Double the wait with each retry.")] = RetryPolicy().exponential
    retry_on_errors: Annotated[
        frozenset[int] | None,
        config_key(
            "HTTP statuses that are retried, instead of the usual list.",
            items={"type": "integer", "minimum": 400, "maximum": 599},
        ),
    ] = RetryPolicy().on_status
    retry_on_rate_limit: Annotated[
        bool, config_key("Wait and retry when the provider or our own limit says too fast.")
    ] = RetryPolicy().on_rate_limit

    def policy(self) -> RetryPolicy:
        """How often and how patiently a backend with these keys is tried again."""
        return RetryPolicy(
            max_retries=self.max_retries,
            delay=self.retry_delay,
            max_delay=self.max_retry_delay,
            exponential=self.exponential_backoff,
            on_status=None if self.retry_on_errors is None else frozenset(self.retry_on_errors),
            on_rate_limit=self.retry_on_rate_limit,
        )


_DEFINED: Mapping[str, DefinedKey] = {
    name: defined
    for definition in (Options, GenerationKeys, RetryKeys)
    for name, defined in defined_keys(definition).items()
}

COMMON_KEYS: frozenset[str] = frozenset(_DEFINED)
"""The keys that every backend takes; an entry of a config has ``type`` beside them."""

BASIC_KEYS: tuple[str, ...] = ("id", "type", *(name for name, each in _DEFINED.items() if each.basic and name != "id"))
"""Those that most users want."""

ALIASES: Mapping[str, str] = {alias: name for name, each in _DEFINED.items() for alias in each.aliases}
"""Keys of older tools and their names here."""


def backend_schema() -> dict[str, Any]:
    """The JSON Schema of an entry's common keys; schemas/backend.schema.json is written from it, for editors."""
    rules = {name: dict(defined.schema) for name, defined in _DEFINED.items()}
    text = "The type or an alias of it: openai, anthropic, google, mock, ...; `complaint-llm plugins` lists them."
    rules["type"] = {"type": "string", "minLength": 1, "description": text}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Keys of every backend",
        "description": "The keys that every backend takes, whatever its type. Each type adds its own; "
        "`complaint-llm schema` prints them all.",
        "type": "object",
        "required": ["id", "type"],
        "properties": {name: rules[name] for name in dict.fromkeys((*BASIC_KEYS, *rules))},
    }


def key_rules(own: Mapping[str, Any] | Path | None) -> KeyRules:
    """The rules for the common keys and a type's own, whose schema is a mapping, a file, or nothing."""
    common = backend_schema()["properties"]
    common["id"] = {"type": "string", "minLength": 1}  # a file's ids are words, for lists and commands name them
    schema = json.loads(own.read_bytes()) if isinstance(own, Path) else own or {}
    return KeyRules({**schema, "type": "object", "properties": {**common, **schema.get("properties", {})}})


def check_keys(keys: Mapping[str, Any], owner: str) -> None:
    """Look at common keys, perhaps under their older names, that are for parts of a backend: see ``read_options``."""
    given = resolve_aliases(keys)
    key_rules(None).check(given, owner)
    read_options(given, owner)


def read_options(keys: Mapping[str, Any], default_id: str) -> Options:
    """Options from keys whose aliases are resolved and whose values fit the rules; a list that its owner changes
    later is another one. Raises TypeError for an unknown key."""
    for name in keys:
        if name not in COMMON_KEYS:
            meant = nearest(name, sorted(COMMON_KEYS))
            raise TypeError(f"{default_id}: unknown key {name!r}" + (f"; did you mean {meant!r}?" if meant else ""))
    given = {name: value for name, value in keys.items() if value is not None}
    params = {name: given.pop(name) for name in tuple(given) if name in GENERATION_KEYS}
    api_key = given.pop("api_key", None)
    retry = retry_policy(given)
    for name in RetryKeys._fields:
        given.pop(name, None)
    given.setdefault("id", default_id)
    if "custom_headers" in given:
        headers = {name: _hidden(value) for name, value in given["custom_headers"].items()}
        given["custom_headers"] = MappingProxyType(headers)
    return Options(
        **given,
        params=MappingProxyType(deepcopy(params)) if params else EMPTY,
        api_key=None if api_key is None else _hidden(api_key),
        retry=retry,
    )


def _hidden(value: str | Secret) -> Secret:
    return value if isinstance(value, Secret) else Secret(value)


def retry_policy(keys: Mapping[str, Any]) -> RetryPolicy:
    """How often and how patiently a backend with these keys is tried again."""
    return RetryKeys(**{name: keys[name] for name in RetryKeys._fields if keys.get(name) is not None}).policy()


def resolve_aliases(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys by their names here. Raises ConfigError where a key and its alias are both given."""
    resolved: dict[str, Any] = {}
    for given, value in keys.items():
        name = ALIASES.get(given, given)
        if name in resolved:
            raise ConfigError(f"{given!r} and {name!r} mean the same: give one of them")
        resolved[name] = value
    return resolved
