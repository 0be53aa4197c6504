"""Writes what must be listed of packages and plugins: ``python scripts/make_plugin_lists.py``.

The one table is the tree: each folder with Python is a package, and each ``plugins/backends/NAME/plugin.py`` says
which types it offers, under which aliases and with which class. From it come the lists of setup.cfg (packages and the
entry points ``complaint_llm`` and ``complaint_llm.classes``), and the stubs by which checkers and editors know what the
packages ``complaint_llm.backends`` and ``complaint_llm.backends.wire`` import when it is touched.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from complaint_llm.backends import BackendType

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"complaint_llm": "complaint_llm", "schemas": "complaint_llm.schemas", "plugins": "complaint_llm_plugins"}
LAZY = ("complaint_llm.backends", "complaint_llm.backends.wire")
"""Packages whose names are imported when they are touched."""
UNNAMED = frozenset(("TemplateBackend",))
"""Classes that only a config makes: of the type ``http``."""
_BLOCK = re.compile(r"(# (\w+): made by scripts/make_plugin_lists\.py\n).*?(# end\n)", re.S)


def packages() -> list[str]:
    """The packages that are installed."""
    return sorted(
        ".".join((package, *init.parent.relative_to(ROOT / folder).parts))
        for folder, package in FOLDERS.items()
        for init in (ROOT / folder).rglob("__init__.py")
    )


def plugins() -> Mapping[str, list[BackendType]]:
    """What each plugin module offers."""
    names = sorted(path.parent.name for path in (ROOT / "plugins" / "backends").glob("*/plugin.py"))
    modules = [f"complaint_llm_plugins.backends.{name}.plugin" for name in names]
    return {module: list(import_module(module).complaint_llm_backend_types()) for module in modules}


def types() -> dict[str, str]:
    """The plugin module by each type and alias."""
    return {
        name: module for module, offered in plugins().items() for each in offered for name in (each.name, *each.aliases)
    }


def classes() -> dict[str, str]:
    """The place of each built-in class by its name."""
    places = (each.make for offered in plugins().values() for each in offered)
    named = {place.partition(":")[2]: place for place in places if isinstance(place, str) and place}
    return {name: place for name, place in named.items() if name not in UNNAMED}


def filled_setup(text: str) -> str:
    """setup.cfg with its lists as they should be."""
    lists = {
        "packages": ("packages", packages()),
        "types": ("complaint_llm", [f"{name} = {module}" for name, module in types().items()]),
        "classes": ("complaint_llm.classes", [f"{name} = {place}" for name, place in classes().items()]),
    }

    def block(found: re.Match[str]) -> str:
        key, lines = lists[found[2]]
        return "".join((found[1], f"{key} =\n", *(f"    {line}\n" for line in lines), found[3]))

    return _BLOCK.sub(block, text)


def stub(package: str) -> str:
    """The stub of a package: every public name with the module that it comes from, as a checker reads it."""
    path = ROOT.joinpath(*package.split("."), "__init__.py")
    homes = dict(_homes(ast.parse(path.read_text(encoding="utf-8"))))
    if package == "complaint_llm.backends":
        homes.update((name, place.partition(":")[0]) for name, place in classes().items())
    by_module: dict[str, list[str]] = {}
    for name, module in sorted(homes.items(), key=lambda home: (not home[0].isupper(), not home[0][0].isupper(), home)):
        by_module.setdefault(module, []).append(name)
    lines = {
        module: [f"from {module} import {name} as {name}\n" for name in names]
        for module, names in sorted(by_module.items())
    }
    theirs = [line for module, each in lines.items() if module.startswith("complaint_llm_plugins.") for line in each]
    ours = [line for module, each in lines.items() if not module.startswith("complaint_llm_plugins.") for line in each]
    head = f'"""The names of {package}. Made by scripts/make_plugin_lists.py."""\n'
    return "\n".join("".join(block) for block in ([head], theirs, ours) if block)


def _homes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each public name and its module: what is imported at once, and what ``_HOMES`` says."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("complaint_llm"):
            yield from ((alias.name, node.module or "") for alias in node.names)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOMES":
            homes: Mapping[str, tuple[str, ...]] = ast.literal_eval(node.value)
            yield from ((name, module) for module, names in homes.items() for name in names)


def written() -> dict[Path, str]:
    """The files that this script writes, as they should be."""
    setup = ROOT / "setup.cfg"
    stubs = {ROOT.joinpath(*package.split("."), "__init__.pyi"): stub(package) for package in LAZY}
    return {setup: filled_setup(setup.read_text(encoding="utf-8")), **stubs}


if __name__ == "__main__":
    for place, text in written().items():
        place.write_text(text, encoding="utf-8")
