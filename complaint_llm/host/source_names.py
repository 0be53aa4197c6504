"""What the source of a drop-in plugin offers, read from its syntax tree: nothing of it is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from complaint_llm.hookspecs import BACKEND_TYPES, COMMANDS, CONFIG_DEFAULTS, PROJECT

MAX_SOURCE_BYTES = 4 * 1024 * 1024
"""A larger file is not read beforehand: what it offers is known only once it is imported."""

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_ESCAPED = re.compile(rb"\\[0-7xuUN]|coding[:=]")
_BETWEEN = r"""(?:['"]+(?:[\s()\\]|#[^\n]*\n)*[rRuU]?['"]+|\\\r?\n)?"""
"""Between two signs of one literal: nothing, where two literals meet, or a line that goes on."""
_NO_NAMES: Mapping[str, frozenset[str]] = MappingProxyType({})


class ProvidedNames(NamedTuple):
    """The names that a plugin offers, by hook. ``unsure`` says that it may offer more than its source tells; ``hooks``
    are those that stand in the source, whether their names are known or not."""

    names: Mapping[str, frozenset[str]] = _NO_NAMES
    unsure: bool = False
    hooks: frozenset[str] = frozenset()

    def of(self, hook: str) -> frozenset[str]:
        """The names that are offered by this hook."""
        return self.names.get(hook, frozenset())


def read_source(file: Path) -> bytes | None:
    """The source of a plugin's module; None where it is too large to be read beforehand, or cannot be read."""
    try:
        return None if file.stat().st_size > MAX_SOURCE_BYTES else file.read_bytes()
    except OSError:
        return None


def may_hold_name(source: bytes | None, name: str) -> bool:
    """Whether a literal of the source may be this name: it stands there, if only in pieces, or signs are escaped.

    It costs a thousandth of the syntax tree.
    """
    if source is None or not name.isascii() or _ESCAPED.search(source):
        return True
    return name.encode() in source or re.search(_BETWEEN.join(map(re.escape, name)).encode(), source) is not None


def read_provided_names(source: bytes | None) -> ProvidedNames:
    """What a plugin's module offers by names that are written in its hooks.

    Names that are computed, hooks that come from elsewhere and a source that cannot be read make it ``unsure``.
    """
    try:
        return ProvidedNames(unsure=True) if source is None else _provided_names(ast.parse(source))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ProvidedNames(unsure=True)


def _provided_names(tree: ast.Module) -> ProvidedNames:
    constants = _constants(tree.body)
    hooks = {hook: node for node in tree.body if isinstance(node, _Function) and (hook := _hook_of(node)) is not None}
    commands = {node.name: name for node in tree.body if isinstance(node, _Function) and (name := _command_name(node))}
    read = {hook: _names_in(node, hook, constants, commands) for hook, node in hooks.items()}
    others = [node for node in tree.body if node not in hooks.values()]
    unsure = None in read.values() or any(map(_brings_hooks, others))
    names = {hook: found for hook, found in read.items() if found}
    registered = {name for node in others for name in _registered_names(node, constants)}
    if registered:
        names[BACKEND_TYPES] = names.get(BACKEND_TYPES, frozenset()) | registered
    return ProvidedNames(MappingProxyType(names), unsure, frozenset(hooks))


def _hook_of(function: _Function) -> str | None:
    """The hook that a function implements: by its name, or by the ``specname`` of its mark."""
    for mark in function.decorator_list:
        for given in mark.keywords if isinstance(mark, ast.Call) else ():
            if given.arg == "specname" and isinstance(given.value, ast.Constant):
                return str(given.value.value)
    return function.name if function.name.startswith(f"{PROJECT}_") else None


def _names_in(
    function: _Function, hook: str, constants: Mapping[str, ast.expr], commands: Mapping[str, str]
) -> frozenset[str] | None:
    """The names that a hook returns, None where they are not all written in it; ``commands`` are the names of commands
    by the functions that they are made of."""
    if hook == CONFIG_DEFAULTS:
        return frozenset()
    known = {**constants, **_constants(function.body)}
    names: set[str] = set()
    for node in _own_nodes(function.body):
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return None
        if isinstance(node, ast.Return) and node.value is not None:
            returned = _value_of(node.value, known)
            if hook == COMMANDS:
                found = _command_names(returned, commands)
            else:
                found = (_type_names if hook == BACKEND_TYPES else _keys)(returned, known)
            if found is None:
                return None
            names |= found
    return frozenset(names)


def _type_names(returned: ast.expr, known: Mapping[str, ast.expr]) -> set[str] | None:
    """The names and aliases in a list of ``BackendType(...)``."""
    if not isinstance(returned, (ast.List, ast.Tuple, ast.Set)):
        return None
    names: set[str] = set()
    for item in returned.elts:
        call = _value_of(item, known)
        if not isinstance(call, ast.Call) or _called_name(call) != "BackendType":
            return None
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        name = _text(call.args[0] if call.args else given.get("name"), known)
        aliases = _texts(given.get("aliases"), known)
        if name is None or aliases is None or None in given or len(call.args) > 4:
            return None
        names |= {name, *aliases}
    return names


def _command_names(returned: ast.expr, commands: Mapping[str, str]) -> set[str] | None:
    """The names in a list of functions that are marked as commands."""
    if not isinstance(returned, (ast.List, ast.Tuple, ast.Set)):
        return None
    functions = [item.id if isinstance(item, ast.Name) else "" for item in returned.elts]
    return {commands[name] for name in functions} if commands.keys() >= set(functions) else None


def _command_name(function: _Function) -> str | None:
    """The name of the command that a function is marked to be; None where it is none or its mark does not say."""
    for mark in function.decorator_list:
        if isinstance(mark, ast.Call) and _called_name(mark) in ("command", "group"):
            by_name = next((each.value for each in mark.keywords if each.arg == "name"), None)
            given = mark.args[0] if mark.args else by_name
            if given is not None:
                return _text(given, {})
            # Releases of click differ in what they make of such a name.
            is_cut = function.name.endswith(("_command", "_cmd", "_group", "_grp"))
            return None if is_cut else function.name.lower().replace("_", "-")
    return None


def _keys(returned: ast.expr, known: Mapping[str, ast.expr]) -> set[str] | None:
    """The keys of a mapping that is written out."""
    if isinstance(returned, ast.Constant) and returned.value is None:
        return set()
    if not isinstance(returned, ast.Dict):
        return None
    names = [_text(key, known) for key in returned.keys]
    return None if None in names else {name for name in names if name is not None}


def _registered_names(statement: ast.stmt, known: Mapping[str, ast.expr]) -> Iterator[str]:
    """The types that a module registers itself while it is imported."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and _called_name(node) == "register_backend" and node.args:
            name = _text(node.args[0], known)
            if name is not None:
                yield name


def _brings_hooks(statement: ast.stmt) -> bool:
    """Whether a hook may come from here unseen: imported, by a star too, assigned, or defined on a condition."""
    for node in ast.walk(statement):
        if isinstance(node, ast.ImportFrom):
            names = [alias.asname or alias.name for alias in node.names]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names = [node.id]
        elif isinstance(node, _Function):
            names = [_hook_of(node) or ""]
        else:
            continue
        if any(name == "*" or name.startswith(f"{PROJECT}_") for name in names):
            return True
    return False


def _constants(body: Iterable[ast.stmt]) -> Mapping[str, ast.expr]:
    """What is assigned, once and for good, by name."""
    assigned: dict[str, list[ast.expr | None]] = {}
    for node in _own_nodes(body):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            assigned.setdefault(node.targets[0].id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            assigned.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            assigned.setdefault(node.target.id, []).append(None)
    return {name: value for name, values in assigned.items() if len(values) == 1 and (value := values[0]) is not None}


def _own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of a body without those of the functions and classes in it."""
    for node in body:
        if not isinstance(node, _SCOPES):
            yield node
            yield from _own_nodes(ast.iter_child_nodes(node))


def _value_of(value: ast.expr, known: Mapping[str, ast.expr]) -> ast.expr:
    return known.get(value.id, value) if isinstance(value, ast.Name) else value


def _called_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _text(value: ast.expr | None, known: Mapping[str, ast.expr]) -> str | None:
    found = None if value is None else _value_of(value, known)
    return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else None


def _texts(value: ast.expr | None, known: Mapping[str, ast.expr]) -> list[str] | None:
    """The texts of a list that is written out; none of them without a list."""
    if value is None:
        return []
    found = _value_of(value, known)
    if not isinstance(found, (ast.List, ast.Tuple, ast.Set)):
        return None
    texts = [_text(item, known) for item in found.elts]
    return None if None in texts else [text for text in texts if text is not None]
