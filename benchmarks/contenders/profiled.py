"""Where the CPU of one contender's calls goes: MODULE FUNCTION SETTINGS CALLS; prints shares by room as JSON."""

from __future__ import annotations

import cProfile
import importlib
import json
import pstats
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from worker import prompt


def room(file: str, function: str) -> str:
    """The part of the program that a function belongs to."""
    if file == "~":
        if "socket" in function:
            return "the kernel: send and receive"
        return "built-in functions"
    parts = Path(file).parts
    for package in ("complaint_llm_plugins", "complaint_llm"):
        if package in parts:
            below = parts[parts.index(package) + 1 :]
            return f"{package}: {below[0].removesuffix('.py')}"
    for package in ("requests", "urllib3", "http", "json", "email", "urllib", "collections"):
        if package in parts:
            return package
    return "standard library, other"


def main() -> None:
    module, function, settings, calls = sys.argv[1:5]
    subject: Any = getattr(importlib.import_module(module), function)(**json.loads(settings))
    for number in range(100):
        subject(prompt(number))
    profile = cProfile.Profile()
    profile.enable()
    for number in range(int(calls)):
        subject(prompt(number))
    profile.disable()
    spent: dict[str, float] = defaultdict(float)
    for (file, _, name), row in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        spent[room(file, name)] += row[2]
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
