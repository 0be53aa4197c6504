"""Tests let the inside change: they reach for nothing private, and wait for what happens instead of sleeping."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
OF_NAMED_TUPLES = {"_replace", "_asdict", "_fields", "_make"}
OF_THE_SYSTEM = {"os._exit"}
# Processes, and programs that others wrote, are looked at from outside: there a pause is what a user would see.
ABOUT_PROCESSES = {
    "documents/test_reading.py",
    "plugins/lmstudio/test_llama_cpp_server.py",
    "routing/redis/test_shared_budget_and_cache.py",
    "testing/test_suite_catches.py",
}
# There ``time`` is a model's, which takes none.
OF_MODEL_TIME = {"routing/cache/test_cache.py", "routing/policies/test_limits.py"}
LONGEST_SLEEP = 0.1
"""Seconds below which a sleep is a step of a loop that waits for something."""


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Every node of every file, with the file's path below tests/."""
    for path, tree in trees():
        for node in ast.walk(tree):
            yield path, node


@cache
def trees() -> list[tuple[str, ast.Module]]:
    """Every file, read once."""
    files = sorted(TESTS.rglob("*.py"))
    return [(str(each.relative_to(TESTS)), ast.parse(each.read_text(encoding="utf-8"))) for each in files]


def test_no_test_reaches_for_a_private_attribute() -> None:
    """What only the inside knows may change from one day to the next."""
    found = [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for path, node in nodes()
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in OF_NAMED_TUPLES
        and ast.unparse(node) not in OF_THE_SYSTEM
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    ]
    assert found == []


def test_no_test_sleeps_for_long() -> None:
    """A clock is passed in, or an event waited for."""
    found = [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for path, node in nodes()
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("time.sleep", "sleep")
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, (int, float))
        and node.args[0].value >= LONGEST_SLEEP
        and path not in ABOUT_PROCESSES
        and path not in OF_MODEL_TIME
    ]
    assert found == []


def test_names_of_tests_are_plain() -> None:
    """A reader of a file's name knows what is in it."""
    private = {"oddities", "wires", "whole"}
    assert [str(path) for path in TESTS.rglob("*.py") if path.stem in private] == []
