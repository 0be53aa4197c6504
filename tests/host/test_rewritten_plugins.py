"""A dropped-in plugin whose file is written anew while a process has it imported: one clear sentence, and not the old
code under the new file's name."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from complaint_llm import Mediator
from complaint_llm.exceptions import ComplaintLLMError

PLUGIN = """
from complaint_llm import InferenceOutput, hookimpl
from complaint_llm.backends import Backend, BackendType
class Says(Backend):
    def answer(self, request):
        return InferenceOutput("{says}")
@hookimpl
def complaint_llm_backend_types():
    return [BackendType(name="{type}", make=Says)]
"""
FIRST = PLUGIN.format(says="one", type="loud")
REWRITTEN = {
    "another answer": PLUGIN.format(says="two", type="loud"),
    "another type": PLUGIN.format(says="one", type="quiet"),
    "a further type": FIRST.replace("make=Says)]", 'make=Says), BackendType(name="quiet", make=Says)]'),
    "a comment": f"# of today\n{FIRST}",
    "shorter": FIRST.replace("one", ""),
    "other line ends": FIRST.replace("\n", "\r\n"),
    "no Python": "def broken(:\n",
    "raises": f"raise RuntimeError\n{FIRST}",
    "without a hook": FIRST.replace("@hookimpl\n", ""),
    "empty": "",
}


def answer(folder: Path, kind: str) -> str:
    """What a backend of this type says, by a config that is loaded now."""
    path = folder / "config.json"
    config = {"PLUGINS": {"paths": ["plugins"], "enable": ["mine"]}, "BACKENDS": [{"id": "a", "type": kind}]}
    path.write_text(json.dumps(config), encoding="utf-8")
    with Mediator.from_config(path) as mediator:
        return mediator.infer("x").content


def place(folder: Path, shape: str) -> Path:
    """The plugin's file: one of its own, or the module with hooks of a package."""
    home = folder / "plugins"
    home.mkdir(mode=0o755)
    if shape == "file":
        return home / "mine.py"
    (home / "mine").mkdir(mode=0o755)
    if shape == "package":
        (home / "mine" / "__init__.py").touch()
    return home / "mine" / "plugin.py"


@pytest.mark.parametrize("shape", ["file", "package", "folder"])
@pytest.mark.parametrize("rewritten", REWRITTEN)
def test_a_file_that_was_rewritten_is_told_of_and_not_run_as_it_was(tmp_path: Path, shape: str, rewritten: str) -> None:
    """Whatever is in it now, and whichever of its types is asked for."""
    file = place(tmp_path, shape)
    file.write_text(FIRST, encoding="utf-8")
    assert answer(tmp_path, "loud") == "one"
    file.write_bytes(REWRITTEN[rewritten].encode())
    for kind in ("loud", "quiet") if "quiet" in REWRITTEN[rewritten] else ("loud",):
        with pytest.raises(ComplaintLLMError) as raised:
            answer(tmp_path, kind)
        assert f"{file}: has changed since this process imported it: start the process again" in str(raised.value)


@pytest.mark.parametrize("shape", ["file", "package", "folder"])
def test_the_same_bytes_are_the_same_plugin(tmp_path: Path, shape: str) -> None:
    """Written again, or with another time; and what was rewritten and put back."""
    file = place(tmp_path, shape)
    file.write_text(FIRST, encoding="utf-8")
    assert answer(tmp_path, "loud") == "one"
    file.write_text(FIRST, encoding="utf-8")
    os.utime(file, (1_000_000, 1_000_000))
    assert answer(tmp_path, "loud") == "one"
    file.write_text(REWRITTEN["another answer"], encoding="utf-8")
    with pytest.raises(ComplaintLLMError):
        answer(tmp_path, "loud")
    file.write_text(FIRST, encoding="utf-8")
    assert answer(tmp_path, "loud") == "one"
