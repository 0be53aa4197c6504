"""Names are the field's own, each class name means one thing, and a function says what it returns or does."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "complaint_llm").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])

# Words that meant something in this house alone.
PRIVATE = frozenset(
    (
        "asking", "guarded", "make_guards", "adapted", "lazy", "offers", "facts", "shapes", "bodies",
        "candidate", "candidates", "travelling", "asks_of", "askthere", "ownask", "travellingask", "batch_asks",
        "dropped", "signals", "hear", "heard", "flight", "whole", "unhurried", "patience", "able", "unable",
        "won", "run", "nothing", "judge", "verdict", "moment", "marks", "mirror", "intake", "linee", "told",
    )
)  # fmt: skip
# Gemini's own word, in what its servers send, and a public field of ``Mediator.explain``.
OF_A_WIRE = {
    "candidate": ("plugins/backends/google",),
    "candidates": ("plugins/backends/google", "complaint_llm/routing/explain.py"),
}

IRREGULAR = frozenset(
    (
        "told", "heard", "kept", "made", "found", "sent", "held", "known", "given", "taken", "written", "shown",
        "left", "lent", "seen", "said", "bound", "won",
    )
)  # fmt: skip
# Verbs that only look like participles.
VERBS = frozenset(("feed", "embed", "heed", "need", "seed", "speed", "exceed", "proceed"))


def room_of(path: Path) -> str:
    """The room that a file stands in, such as ``complaint_llm/routing``; plugins are one room."""
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[:2]) if parts[0] == "complaint_llm" and len(parts) > 2 else parts[0]


ROOMS = sorted({room_of(path) for path in SOURCES})


@cache
def trees(room: str) -> Sequence[tuple[Path, ast.Module]]:
    """The syntax trees of a room."""
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES if room_of(path) == room]


def defined_names(path: Path, tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Modules, classes, functions, parameters, attributes and variables, as a file names them."""
    yield path.stem, 1
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


@pytest.mark.parametrize("room", ROOMS)
def test_no_name_is_of_a_private_dialect(room: str) -> None:
    """Who knows the field knows these words."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path, tree in trees(room)
        for name, line in defined_names(path, tree)
        if (word := name.strip("_").lower()) in PRIVATE
        and not str(path.relative_to(ROOT)).startswith(OF_A_WIRE.get(word, ("-",)))
    ]
    assert found == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_function_is_a_bare_participle(room: str) -> None:
    """``_settled`` says neither what it does nor what it returns; a property that is true or false may."""
    found = []
    for path, tree in trees(room):
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            name = node.name.strip("_")
            is_property = any("property" in ast.unparse(each) for each in node.decorator_list)
            participle = name in IRREGULAR or (re.fullmatch("[a-z]+ed", name) and name not in VERBS)
            if participle and not is_property:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}")
    assert found == []


def test_no_two_classes_have_one_name() -> None:
    """Somebody who searches for a class finds one."""
    homes: dict[str, list[str]] = defaultdict(list)
    for room in ROOMS:
        for path, tree in trees(room):
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    homes[node.name].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}
