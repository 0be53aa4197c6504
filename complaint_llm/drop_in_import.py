"""Imports a dropped-in plugin by its file, here and in the process that reads documents."""

from __future__ import annotations

import sys
import threading
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Literal, NamedTuple

from complaint_llm.exceptions import PluginError

MODULE_PREFIX = "complaint_llm_drop_in_"
"""Begins the name of every module that was imported so."""

_importing = threading.RLock()
"""Held while a plugin is imported, as Python's own import holds a lock for each module: two configs that are loaded at
the same time must not see each other's half of a module. It can be taken again, for a plugin may load a config."""


class DropInFile(NamedTuple):
    """One child of a plugin folder."""

    name: str
    kind: Literal["folder", "file", "declared"]
    path: Path


def import_drop_in(plugin: DropInFile) -> ModuleType:
    """The plugin's module, imported under a name of its own: ``sys.path`` is not touched, relative imports work.

    Raises PluginError for whatever goes wrong in it (nothing of it is then left in ``sys.modules``), and where the file
    is no more the one that this process imported: what it says now would not be what runs.
    """
    digest = sha256(str(plugin.path.resolve()).encode()).hexdigest()[:8]
    name = f"{MODULE_PREFIX}{digest}_{_identifier(plugin.name)}"
    with _importing:
        if plugin.kind == "file":
            return _execute(name, plugin.path, None)
        _execute(name, plugin.path / "__init__.py", plugin.path)
        return _execute(f"{name}.plugin", plugin.path / "plugin.py", None, package=name)


def _execute(name: str, file: Path, package_folder: Path | None, package: str = "") -> ModuleType:
    known = sys.modules.get(name)
    if known is not None:
        spec = known.__spec__
        if spec is not None and spec.loader_state != _digest(file):
            raise PluginError(f"{file}: has changed since this process imported it: start the process again")
        return known
    before = set(sys.modules)
    try:
        if package_folder is not None and not file.is_file():
            module = ModuleType(name)
            module.__path__ = [str(package_folder)]
            sys.modules[name] = module
            return module
        locations = None if package_folder is None else [str(package_folder)]
        spec = spec_from_file_location(name, file, submodule_search_locations=locations)
        assert spec is not None
        assert spec.loader is not None
        spec.loader_state = _digest(file)
        module = module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    except BaseException as cause:
        for added in set(sys.modules) - before:
            if added == name or added.startswith(f"{package or name}."):
                del sys.modules[added]
        if package:
            sys.modules.pop(package, None)
        if not isinstance(cause, (Exception, SystemExit)):
            raise  # an interrupt is the user's; whatever else a foreign module raises is its own fault
        raise PluginError(f"{file}: cannot be imported: {type(cause).__name__}: {_first_line(cause)}") from cause
    return module


def _digest(file: Path) -> str:
    """Of its bytes; of no file, that of none."""
    return sha256(file.read_bytes() if file.is_file() else b"").hexdigest()


def _identifier(name: str) -> str:
    return "".join(sign if sign.isalnum() else "_" for sign in name)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")
