"""From an entry in a file to its backend a reader goes through few files, and each value is filled once."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import complaint_llm
from complaint_llm import load_config

CONFIG = str(Path(complaint_llm.__file__).parent / "config")
ENTRY = {"type": "openai", "model": "$MODEL", "api_key": "$A_KEY", "temperature": 0.5}
ROUTER = {"type": "llm_router", "model": "m"}
ENVIRON = {"MODEL": "m", "A_KEY": "k"}


def functions_of_config(run: Callable[[], object]) -> list[str]:
    """The files of ``complaint_llm/config`` whose functions ``run`` calls, in order, one for each call."""
    files: list[str] = []

    def note(frame: FrameType, event: str, argument: Any) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(CONFIG) and not frame.f_code.co_name.startswith("<"):
            files.append(Path(name).name)

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return files


def written(folder: Path, count: int, **entry: Any) -> Path:
    """A config of so many entries."""
    file = folder / f"{count}.json"
    file.write_text(json.dumps({"BACKENDS": [{"id": f"b{n}", **entry} for n in range(count)]}))
    return file


def test_an_entry_becomes_a_backend_in_nine_files(tmp_path: Path) -> None:
    """What one entry more costs: files that are entered, calls, and changes from file to file.

    Before entries went one way it was 10 files, 78 calls and 21 changes.
    """
    five, six = (written(tmp_path, count, **ENTRY) for count in (5, 6))
    config = load_config(six, environ=ENVIRON)
    config.make_backend("b0").close()
    shorter = functions_of_config(lambda: load_config(five, environ=ENVIRON))
    longer = functions_of_config(lambda: load_config(six, environ=ENVIRON))
    making = functions_of_config(lambda: config.make_backend("b0").close())
    further = Counter(longer) - Counter(shorter)
    changes = [len(list(groupby(files))) for files in (shorter, longer, making)]
    assert len({*further, *making}) <= 9
    assert sum(further.values()) + len(making) <= 65
    assert changes[1] - changes[0] + changes[2] <= 15


class Counting(dict[str, str]):
    """Variables that count how often each is asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.asked: Counter[str] = Counter()

    def get(self, name: str, default: Any = None) -> Any:
        self.asked[name] += 1
        return super().get(name, default)


@pytest.mark.parametrize("place", ["id", "type", "model", "member", "parameters", "nested"])
def test_a_value_is_filled_once(tmp_path: Path, place: str) -> None:
    """Be it what names the entry, what it says, or what stands in an entry inside it."""
    entries: dict[str, dict[str, Any]] = {
        "id": {"id": "$V", "type": "mock", "echo": True},
        "type": {"id": "a", "type": "$V", "echo": True},
        "model": {"id": "a", "type": "mock", "echo": True, "model": "$V"},
        "parameters": {"id": "a", "type": "mock", "echo": True, "parameters": {"model": "$V"}},
        "member": {"id": "a", **ROUTER, "provider": {"type": "mock", "echo": True, "model": "$V"}},
        "nested": {"id": "a", **ROUTER, "provider": {**ROUTER, "provider": {"type": "$V", "echo": True}}},
    }
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"BACKENDS": [entries[place]]}))
    environ = Counting({"V": "mock"})
    load_config(file, environ=environ)
    assert environ.asked["V"] == 1
