"""Providers that are only data: a few lines of YAML or JSON that say which type one is like, and what differs.

The shape is ``complaint_llm/schemas/declared.schema.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.type import BackendType
from complaint_llm.exceptions import PluginError
from complaint_llm.handling import data_fault
from complaint_llm.json_schema.check import compile_check
from complaint_llm.json_schema.files import read_schema

if TYPE_CHECKING:
    from complaint_llm.backends.base import Backend

SUFFIXES = frozenset((".yaml", ".yml", ".json"))


def read_declared(file: Path) -> BackendType:
    """The type that one file declares; ``like`` is resolved by the host that uses it. Raises PluginError.

    The file is the user's or a plugin's own: unknown keys and wrong values are refused with the file's name.
    """
    said = _read_file(file)
    _check(said, file)
    fault = data_fault(said.get("handling", {}))
    if fault is not None:
        raise PluginError(f"{file}: {fault}")
    return BackendType(
        said["type"],
        make="",
        like=said["like"],
        summary=said.get("summary", ""),
        aliases=tuple(said.get("aliases", ())),
        key_variables=tuple(said.get("key_variables", ())),
        needs_key=said.get("needs_key", False),
        presets=said.get("presets", {}),
        refuses=frozenset(said.get("refuses", ())),
        location=said.get("location", "remote"),
        model_data=said.get("models", {}),
        document_data=said.get("documents", ()),
        handling_data=said.get("handling", {}),
        lists_all_models=said.get("lists_all_models", True),
    )


def declared_types(folder: Path) -> Iterable[BackendType]:
    """The types that the files of a folder declare, by file name. Raises PluginError for the first that is wrong."""
    return [read_declared(file) for file in sorted(folder.iterdir()) if file.suffix in SUFFIXES]


def derive_type(declared: BackendType, base: BackendType) -> BackendType:
    """The declared type made complete by the one that it is like."""
    return base._replace(
        name=declared.name,
        make=_Derived(declared, base),
        like=None,
        summary=declared.summary or f"like {base.name}",
        aliases=declared.aliases,
        key_variables=declared.key_variables,
        needs_key=declared.needs_key,
        variables=declared.variables,
        presets={**base.presets, **declared.presets},
        refuses=base.refuses | declared.refuses,
        example=None,
        location=declared.location,
        model_data=declared.model_data,
        document_data=declared.document_data,
        handling_data=declared.handling_data,
        lists_all_models=declared.lists_all_models,
    )


class _Derived:
    """Makes backends of a declared type: of a subclass of the base type's class, so that they carry its name and never
    read the base type's key variables. Any thread may call it."""

    def __init__(self, declared: BackendType, base: BackendType) -> None:
        self._declared = declared
        self._base = base
        self._made: Callable[..., Backend] | None = None

    def __call__(self, **keys: Any) -> Backend:
        if self._made is None:
            # Two threads may both make it: the classes are alike, and one of them stays.
            self._made = self._class()
        return self._made(**{**self._declared.presets, **keys})

    @property
    def __signature__(self) -> Any:
        from inspect import signature  # cold start

        return signature(self._base.factory())

    def _class(self) -> Callable[..., Backend]:
        factory = self._base.factory()
        if not isinstance(factory, type):
            return factory
        said = self._declared
        attributes = {
            "type": said.name,
            "key_variables": said.key_variables,
            "needs_key": said.needs_key,
            "default_location": said.location,
            # Its key must never go to the base type's address.
            "default_base_url": "",
            "address_variables": (),
            # What another service takes says nothing of this one.
            "document_data": said.document_data,
            "documented_base_url": said.presets.get("base_url", ""),
            "handling_data": said.handling_data,
            "lists_all_models": said.lists_all_models,
            **({"model_data": said.model_data} if said.model_data else {}),
            "__module__": factory.__module__,
            "__doc__": said.summary,
        }
        made: Callable[..., Backend] = type(factory.__name__, (factory,), attributes)
        return made

    def __repr__(self) -> str:
        return f"<{self._declared.name}, like {self._base.name}>"


def _read_file(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix == ".json":
            said = json.loads(text, object_pairs_hook=_without_doubles)
        else:
            import yaml  # cold start

            said = yaml.load(text, _yaml_loader())  # noqa: S506 - a safe loader
    except (OSError, ValueError, RecursionError) as cause:
        raise PluginError(f"{file}: cannot be read: {' '.join(str(cause).split())}") from cause
    except Exception as cause:  # YAMLError, whose module is imported above
        raise PluginError(f"{file}: not valid YAML: {' '.join(str(cause).split())}") from cause
    if not isinstance(said, dict):
        raise PluginError(f"{file}: a provider is a mapping with type and like")
    return said


def _without_doubles(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """The mapping of these pairs. Raises ValueError for a key that is there twice: one of them would be lost."""
    made: dict[Any, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {key!r} is there twice: remove one")
        made[key] = value
    return made


def _yaml_loader() -> Any:
    """PyYAML's safe loader, the fast one where there is one, that refuses a key which is there twice."""
    import yaml  # cold start

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class UniqueKeyLoader(base):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
            _without_doubles((name, None) for name in names)
            return super().construct_mapping(node, deep)

    return UniqueKeyLoader


def _check(said: Mapping[str, Any], file: Path) -> None:
    schema = read_schema("declared")
    if compile_check(schema)(said):
        return
    from jsonschema import Draft202012Validator  # cold start: jsonschema
    from jsonschema.exceptions import best_match  # cold start: jsonschema

    fault = best_match(Draft202012Validator(schema).iter_errors(said))
    if fault is not None:
        where = "".join(f"/{step}" for step in fault.absolute_path)
        raise PluginError(f"{file}: {where + ': ' if where else ''}{fault.message}")
