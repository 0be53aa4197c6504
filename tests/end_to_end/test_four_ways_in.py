"""A folder, a file, an installed package and a registered class are equal: the same config key, the same answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.everything import write_config

# One worker builds the package for all of them.
pytestmark = pytest.mark.xdist_group("four_ways_in")

WAYS = ("folder", "file", "package", "registered")

BACKEND = '''
from complaint_llm.backends import Backend
from complaint_llm.messages import InferenceOutput


class {name}(Backend):
    """Says where it came from."""

    interruptible = True

    def __init__(self, *, mark: str = "?", **keys):
        super().__init__(**keys)
        self.mark = mark

    def answer(self, request):
        return InferenceOutput("{way}" + self.mark + request.messages[-1].text)
'''
HOOK = """
from complaint_llm import hookimpl
from complaint_llm.backends import BackendType


@hookimpl
def complaint_llm_backend_types():
    return [BackendType("{way}", {name})]
"""
PLUGIN = "from {module} import {name}\n" + HOOK
PROGRAM = """
import json, sys
from complaint_llm import Mediator
from complaint_llm.backends import register_backend
from complaint_llm.exceptions import ComplaintLLMError
from registered_here import Registered

register_backend("registered", Registered)
answers = {}
with Mediator.from_config(sys.argv[1]) as mediator:
    for id in sys.argv[2:]:
        try:
            answers[id] = mediator.generate("ask", backend=id)
        except ComplaintLLMError as error:
            answers[id] = type(error).__name__ + ": " + str(error)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which a third party's package was built and installed by pip."""
    source = tmp_path_factory.mktemp("third_party")
    target = tmp_path_factory.mktemp("site")
    package = source / "third_party_llm"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "backend.py").write_text(BACKEND.format(name="Packaged", way="package"))
    (package / "plugin.py").write_text(PLUGIN.format(module="third_party_llm.backend", name="Packaged", way="package"))
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "third-party-llm"\nversion = "1.2.3"\n'
        '[project.entry-points.complaint_llm]\npackage = "third_party_llm.plugin"\n'
        '[tool.setuptools]\npackages = ["third_party_llm"]\n'
    )
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    pip = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a program, a dropped-in folder and a dropped-in file."""
    folder = tmp_path / "plugins" / "by_folder"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "backend.py").write_text(BACKEND.format(name="Foldered", way="folder"))
    (folder / "plugin.py").write_text(PLUGIN.format(module=".backend", name="Foldered", way="folder"))
    (tmp_path / "plugins" / "by_file.py").write_text((BACKEND + HOOK).format(name="Filed", way="file"))
    (tmp_path / "registered_here.py").write_text(BACKEND.format(name="Registered", way="registered"))
    (tmp_path / "program.py").write_text(PROGRAM)
    backends = [{"id": f"my-{way}", "type": way, "mark": "!", "timeout": 5} for way in WAYS]
    write_config(tmp_path, backends, PLUGINS={"paths": ["plugins"]})
    return tmp_path


def run(place: Path, installed: Path, program: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(place)])}
    return subprocess.run(
        [sys.executable, *program], cwd=place, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def answers(place: Path, installed: Path, ids: list[str]) -> dict[str, Any]:
    """What each backend answers; nothing is on standard error."""
    done = run(place, installed, ["program.py", "config.json", *ids])
    assert done.returncode == 0
    assert done.stderr == ""
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def leave_out(place: Path, *ways: str) -> None:
    """Take the backends of these types out of the config."""
    config = json.loads((place / "config.json").read_text())
    config["BACKENDS"] = [entry for entry in config["BACKENDS"] if entry["type"] not in ways]
    (place / "config.json").write_text(json.dumps(config))


def broken(place: Path, installed: Path, tmp_path: Path, way: str) -> Path:
    """Break one of the plugins at import; the folder of installed packages to use."""
    if way == "folder":
        (place / "plugins" / "by_folder" / "backend.py").write_text("raise RuntimeError('broken on purpose')\n")
    elif way == "file":
        (place / "plugins" / "by_file.py").write_text("def half(:\n")
    else:
        import shutil

        installed = Path(shutil.copytree(installed, tmp_path / "broken_site"))
        (installed / "third_party_llm" / "backend.py").write_text("import no_such_module_anywhere\n")
    return installed


def test_each_way_in_answers_through_the_same_config_key(place: Path, installed: Path) -> None:
    """``type`` names all four alike, and each gets its own key ``mark`` with the common ones."""
    assert answers(place, installed, [f"my-{way}" for way in WAYS]) == {f"my-{way}": f"{way}!ask" for way in WAYS}


@pytest.mark.rows(1)
@pytest.mark.parametrize("way", ["folder", "file", "package"])
def test_one_that_is_broken_does_not_hurt_the_others(place: Path, installed: Path, tmp_path: Path, way: str) -> None:
    """One that nobody names is not even looked at; ``plugins`` lists it with the reason."""
    installed = broken(place, installed, tmp_path, way)
    leave_out(place, way)
    others = [each for each in WAYS if each != way]
    said = answers(place, installed, [f"my-{each}" for each in others])
    assert said == {f"my-{each}": f"{each}!ask" for each in others}
    leave_out(place, "registered")
    done = run(place, installed, ["-m", "complaint_llm", "plugins", "--json"])
    assert done.returncode == 1
    (record,) = [record for record in json.loads(done.stdout) if record["error"]]
    assert "\n" not in record["error"]
    assert "Traceback" not in done.stderr


@pytest.mark.rows(2)
@pytest.mark.parametrize("way", ["folder", "file", "package"])
def test_a_config_that_needs_a_broken_plugin_says_so_in_a_line(
    place: Path, installed: Path, tmp_path: Path, way: str
) -> None:
    """Exit code 2, the place in the file, the reason, no traceback."""
    installed = broken(place, installed, tmp_path, way)
    leave_out(place, "registered")
    done = run(place, installed, ["-m", "complaint_llm", "generate", "ask"])
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert "config.json:1:" in done.stderr
    why = {"folder": "broken on purpose", "file": "SyntaxError", "package": "no_such_module_anywhere"}[way]
    assert why in done.stderr


def test_a_type_that_two_plugins_offer_is_refused(place: Path, installed: Path) -> None:
    """Neither wins silently."""
    (place / "plugins" / "second.py").write_text((place / "plugins" / "by_file.py").read_text())
    leave_out(place, "registered")
    done = run(place, installed, ["-m", "complaint_llm", "generate", "ask", "-b", "my-file"])
    assert done.returncode == 2
    assert "by_file" in done.stderr
    assert "second" in done.stderr
