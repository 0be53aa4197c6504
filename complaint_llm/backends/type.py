"""What a plugin says of a backend type that it offers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from complaint_llm.backends.version import plugin_version
from complaint_llm.backends.wire.schema_walk import schemas_in
from complaint_llm.exceptions import PluginError
from complaint_llm.json_schema.check import compile_check
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import EMPTY

if TYPE_CHECKING:
    from complaint_llm.backends.base import Backend


class BackendType(NamedTuple):
    """A kind of backend that a config can name in ``type``.

    ``make`` is a class or factory that takes the config keys, or ``"package.module:Class"``, imported when the first
    backend of this type is made. ``schema`` is a JSON Schema of the type's own keys (an object schema with
    ``properties``; the common keys are added by the host), or the path of a file that holds it; without it the common
    keys and the named parameters of ``make`` are allowed. In it ``writeOnly`` marks secrets (``make`` gets a Secret)
    and ``"format": "path"`` paths (relative to the config file; ``make`` gets an absolute one). ``key_variables`` are
    the environment variables that usually hold the key, the first set one wins; ``needs_key`` says (always, or of the
    config's keys) that a backend without any key cannot work. ``modules`` are the top-level modules that must be
    importable (of several in a tuple one), installed by ``pip install complaint-llm[extra]`` (or by one of the extras).
    ``presets`` are config keys that hold unless the config says otherwise. ``refuses`` are common keys that the type
    cannot honour. An example::

        BackendType("gateway", "office.gateway:Gateway", summary="the office's gateway", key_variables=("GATEWAY_KEY",))
    """

    name: str
    make: Callable[..., Backend] | str
    summary: str = ""
    schema: Mapping[str, Any] | Path | None = None
    aliases: tuple[str, ...] = ()
    key_variables: tuple[str, ...] = ()
    needs_key: bool | Callable[[Mapping[str, Any]], bool] = False
    extra: str | tuple[str, ...] | None = None
    modules: tuple[str | tuple[str, ...], ...] = ()
    presets: Mapping[str, Any] = EMPTY
    refuses: frozenset[str] = frozenset()
    example: Mapping[str, Any] | Path | None = None
    location: Literal["local", "remote"] = "remote"
    parts: tuple[str, ...] = ()
    """Of a type that is made of other backends: the keys that hold their ids (one, or a list of them). ``make`` gets
    the backends themselves in their place, with the same keys."""

    variables: Mapping[str, str] = EMPTY
    """Config keys and the environment variables that usually hold them, such as ``{"base_url": "OPENAI_BASE_URL"}``: a
    key that the config leaves out is filled from a ``.env`` beside it as from the process's environment."""

    honours: frozenset[str] | None = None
    """Of a type that passes most common keys to nobody: the only ones that it honours, beside ``id`` and ``type``."""

    like: str | None = None
    """Of a provider that is only data: the type whose code and schema it uses; the host puts them in place."""

    model_data: Mapping[str, Any] = EMPTY
    """Of a provider that is only data: what its models take, as complaint_llm.backends.wire.parameters describes it."""

    document_data: Sequence[Mapping[str, Any]] = ()
    """Of a provider that is only data: which files it takes, as complaint_llm.backends.wire.documents describes it."""

    handling_data: Mapping[str, Any] = EMPTY
    """Of a provider that is only data: what it does with what is sent, as ``complaint_llm.handling`` reads it."""

    lists_all_models: bool = True
    """Of a provider that is only data: whether a model that is not in its list of models cannot be asked."""

    demo: bool = False
    """Answers without a model. Beside other types it is asked only if all of those were left out at load."""

    lends: bool = False
    """Of a type that is made of other backends: whether its common keys hold for parts that are written inline, where
    they give none of their own. A key and its address (``api_key``, ``base_url``, ``custom_headers``) hold for the
    first part alone."""

    @property
    def composed(self) -> bool:
        """Whether it is made of other backends."""
        return bool(self.parts)

    def factory(self) -> Callable[..., Backend]:
        """The class or factory, imported now if it was named. Raises PluginError."""
        if not isinstance(self.make, str):
            return self.make
        module, _, name = self.make.partition(":")
        try:
            made: Callable[..., Backend] = getattr(import_module(module), name)
        except Exception as cause:
            why = f"{type(cause).__name__}: {cause}"
            raise PluginError(f"type {self.name!r}: cannot import {self.make}: {why}") from cause
        return made

    def version(self) -> str:
        """The distribution that the code came with and its version; of a drop-in plugin its module's name."""
        return plugin_version(self.make.partition(":")[0] if isinstance(self.make, str) else self.make.__module__)

    def own_schema(self) -> Mapping[str, Any] | None:
        """The JSON Schema of the type's own keys, read now if it is a file. Raises PluginError."""
        return _read(self.schema, self.name)

    def own_example(self) -> Mapping[str, Any] | None:
        """A config entry that validates."""
        return _read(self.example, self.name)


def _read(given: Mapping[str, Any] | Path | None, name: str) -> Mapping[str, Any] | None:
    if not isinstance(given, Path):
        return given
    try:
        read: Mapping[str, Any] = json.loads(given.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise PluginError(f"type {name!r}: cannot read {given.name}: {cause}") from cause
    return read


def type_fault(offered: Any) -> str | None:
    """What cannot be used in one offered type, as the end of a sentence; None for nothing. Reads its schema's file.

    Raises PluginError if that cannot be read.
    """
    if not isinstance(offered, BackendType):
        return f"a {type(offered).__name__} where a BackendType belongs"
    name: Any = offered.name
    aliases: Any = offered.aliases
    make: Any = offered.make
    schema: Any = offered.schema
    if not isinstance(name, str) or not name:
        return f"a type whose name is {name!r}, no text"
    if not isinstance(aliases, (tuple, list, set, frozenset)) or not all(isinstance(one, str) for one in aliases):
        return f"the type {name!r}, whose aliases are no list of texts"
    if not callable(make) and not isinstance(make, str):
        return f"the type {name!r}, whose make is neither a callable nor a text such as 'package.module:Class'"
    if schema is not None and not isinstance(schema, (Mapping, Path)):
        return f"the type {name!r}, whose schema is neither a mapping nor a Path"
    wrong = _schema_fault(offered.own_schema())
    return f"the type {name!r}, whose schema is no JSON Schema: {wrong}" if wrong else None


def _schema_fault(schema: Any) -> str | None:
    try:
        if schema is not None:
            compile_check(schema)
            # Patterns are compiled when a text meets them: a wrong one is to be told now.
            for each in schemas_in(schema):
                re.compile(each.get("pattern", ""))
    except re.error as fault:
        return f"the pattern {fault.pattern!r}: {fault}"
    except Exception:  # noqa: BLE001 - jsonschema has the last word, and the better words
        # cold start: jsonschema
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError

        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as fault:
            return f"{fault.json_path}: {fault.message}"
    return None
