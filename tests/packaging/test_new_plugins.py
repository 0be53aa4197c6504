"""What ``new-plugin`` makes, and the examples, are packages: built, installed and tested where nothing else is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from complaint_llm.cli.new_plugin import KINDS
from tests.packaging.test_distributions import LEFT_OUT, build
from tests.peers import need_peer

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "plugins"
IN_SUITE = ("guard",)
SAMPLED = [kind if kind in IN_SUITE else pytest.param(kind, marks=pytest.mark.endurance) for kind in KINDS]
WRONG_EDITS = {
    "backend": ('["answer"]', '["text"]'),
    "declared": ("like: openai", "like: anthropic"),
    "strategy": ("sorted(targets,", "sorted(targets[1:],"),
    "guard": ("{4,6}", "{7,9}"),
    "reader": ("range(1, len(parts) + 1)", "range(1, len(parts))"),
    "check": ("value < 0", "value > 0"),
    "task": ('"{input}", ', ""),
    "command": ("in texts:", "in texts[1:]:"),
    "store": ("str(block.cid))", '"block")'),
}
# One worker makes the environment for all of them.
pytestmark = pytest.mark.xdist_group("new plugins")


class Environment:
    """A venv with the product's wheel; what it needs beside is on its path, and nothing of the source tree is."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        (self.site,) = folder.glob("lib/python*/site-packages")
        others = [each for each in sys.path if "site-packages" in each]
        (self.site / "others.pth").write_text("\n".join(others))

    def install(self, source: Path, out: Path) -> None:
        """Build a wheel of a folder and unpack it, as an installer does."""
        copy = out / "source"
        shutil.copytree(source, copy, ignore=LEFT_OUT)
        shutil.unpack_archive(build(copy, "wheel", out / "wheel"), self.site, "zip")

    def run(self, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **variables}
        environment.pop("PYTHONPATH", None)
        command = [str(self.python), "-P", "-m", *arguments]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("environment") / "venv")
    made.install(ROOT, tmp_path_factory.mktemp("product"))
    return made


def run_tests(environment: Environment, folder: Path) -> subprocess.CompletedProcess[str]:
    return environment.run("pytest", "-q", "-p", "no:cacheprovider", cwd=folder)


@pytest.mark.parametrize("kind", SAMPLED)
def test_a_new_plugin_is_tested_where_it_is_installed_and_fails_when_it_is_broken(
    kind: str, environment: Environment, tmp_path: Path
) -> None:
    """Made, built, installed, tested: all by commands; then one wrong edit, and its tests fail."""
    name, began = f"my-{kind}", time.monotonic()
    made = environment.run("complaint_llm", "new-plugin", name, "--kind", kind, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    environment.install(tmp_path / name, tmp_path / "out")
    done = run_tests(environment, tmp_path / name)
    assert done.returncode == 0, done.stdout
    if kind not in ("backend", "declared", "task", "command"):
        asked = environment.run("complaint_llm", "generate", "Case 24-CV-01234", cwd=tmp_path / name)
        assert asked.returncode == 0, asked.stderr
        assert asked.stdout.strip() == ("Case [case number]" if kind == "guard" else "Case 24-CV-01234")
    if kind == "command":
        asked = environment.run("complaint_llm", name, "Who writes?", "The landlord.", cwd=tmp_path / name)
        assert (asked.returncode, asked.stdout) == (0, "Who writes?  The landlord.\n"), asked.stderr
    print(f"{kind}: {time.monotonic() - began:.1f} s from new-plugin to the answer")
    old, new = WRONG_EDITS[kind]
    home = environment.site / name.replace("-", "_")
    sources = [file for file in home.rglob("*.*") if file.suffix in (".py", ".json", ".yaml")]
    edited = [file for file in sources if old in file.read_text()]
    assert edited, "the edit changes nothing"
    for file in edited:
        file.write_text(file.read_text().replace(old, new))
    assert run_tests(environment, tmp_path / name).returncode == 1


@pytest.mark.parametrize("name", ["case_numbers", "office_clerk", "llm_bridge"])
def test_an_example_is_tested_where_it_is_installed(name: str, environment: Environment, tmp_path: Path) -> None:
    """The three finished packages, each from its wheel."""
    if name == "llm_bridge":
        need_peer("llm")
    environment.install(EXAMPLES / name, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "source" / "src")
    done = run_tests(environment, tmp_path / "out" / "source")
    assert done.returncode == 0, done.stdout


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_plugins_are_short() -> None:
    """A guard in twenty lines, a bridge to a whole library in less than sixty, a provider in six lines of YAML."""
    assert lines_of(EXAMPLES / "case_numbers" / "src" / "case_numbers" / "plugin.py") <= 20
    assert lines_of(EXAMPLES / "llm_bridge" / "src" / "llm_bridge" / "plugin.py") < 60
    assert lines_of(ROOT / "complaint_llm" / "data" / "new_plugin" / "declared" / "provider.yaml.tmpl") <= 6
    backend = (ROOT / "docs" / "plugins" / "backend.md").read_text(encoding="utf-8")
    code = backend.partition("```python\n")[2].partition("```")[0]
    assert "complaint_llm_backend_types" in code
    assert len(code.splitlines()) <= 25
