"""Writes the lists of docs/architecture.md: ``python scripts/make_architecture.py``.

The rooms and their modules come from the tree, the layers from pyproject.toml. A list stands between a comment that
names it and ``<!-- end -->``; what is between is replaced.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "complaint_llm"
_BLOCK = re.compile(r"(<!-- (\w+): made by scripts/make_architecture\.py -->\n).*?(<!-- end -->)", re.S)


def filled(text: str) -> str:
    """A document with its lists as they should be. Raises KeyError for a list that nobody makes."""
    return _BLOCK.sub(lambda found: f"{found[1]}{LISTS[found[2]]()}\n{found[3]}", text)


def rooms() -> Iterator[tuple[str, str, list[str]]]:
    """Each room with the first sentence of its docstring and its modules' names; the package itself comes first."""
    for folder in sorted({path.parent for path in PACKAGE.rglob("*.py")}):
        init = folder / "__init__.py"
        said = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
        first = re.split(r"(?<=\.)\s", " ".join(said.split()))[0].partition(" Start with")[0].partition("; ``")[0]
        modules = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
        yield str(folder.relative_to(ROOT)), first, modules


def layers() -> list[list[str]]:
    """The layers of the import contract, from the top; those in one list know nothing of one another."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    (found,) = (each["layers"] for each in contracts if each["name"] == "Imports go one way")
    return [[name.strip(" ()") for name in re.split("[|:]", layer)] for layer in found]


def _rooms() -> str:
    rows = ["| room | what it is for | modules |", "| --- | --- | --- |"]
    for room, said, modules in rooms():
        rows.append(f"| `{room}/` | {said.replace('|', '')} | {', '.join(modules)} |")
    return "\n".join(rows)


def _layers() -> str:
    lines = [", ".join(layer) for layer in layers()]
    return "```text\n" + "\n".join(lines) + "\n```"


LISTS: Mapping[str, Callable[[], str]] = {"rooms": _rooms, "layers": _layers}


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
