"""What ``new-plugin`` makes, and the examples, are packages: built, installed and tested where nothing else is."""

from __future__ import annotations

import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from complaint_llm.cli.new_plugin import KINDS
from complaint_llm.testing import FaultyServer
from tests.asking_service import AskingService
from tests.docs.pages import Block, blocks, commands
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


@pytest.fixture
def service() -> Iterator[FaultyServer]:
    """What says the prompt again, on the made-up wire and on OpenAI's."""
    with FaultyServer(wires=[AskingService()]) as server:
        yield server


class Reader:
    """Somebody who does what a page says, in a folder and an environment of their own; ``port`` is the service's."""

    def __init__(self, environment: Environment, folder: Path, port: int) -> None:
        self.folder = folder
        self._environment = environment
        self._port = port

    def follow(self, block: Block) -> None:
        """Do each command of a block, or its Python. Raises AssertionError where it ends or says otherwise."""
        if block.language == "python":
            self._see(self.do([str(self._environment.python), "-c", block.code]), "...", block)
        for line, shown in () if block.language == "python" else commands(block):
            words = shlex.split(line.replace("8091", str(self._port)))
            if words[0] == "cd":
                self.folder /= words[1]
                continue
            variables = {}
            while "=" in words[0]:
                name, _, variables[name] = words.pop(0).partition("=")
            self._see(self.do(words, **variables), shown or "...", block)

    def do(self, words: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment."""
        own = self._environment.python.parent
        program = own / words[0]
        if not program.exists() and "/" not in words[0]:
            module = {"complaint-llm": "complaint_llm"}.get(words[0], words[0])
            program.write_text(f'#!/bin/sh\nexec "{own}/python" -P -m {module} "$@"\n')
            program.chmod(0o755)
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        given = {
            "PATH": f"{own}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "MYPY_CACHE_DIR": str(self._environment.site.parent / "mypy"),
        }  # fmt: skip
        return subprocess.run(
            words, cwd=self.folder, env={**inherited, **given, **variables}, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip

    def _see(self, done: subprocess.CompletedProcess[str], shown: str, block: Block) -> None:
        said = f"{done.args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == int(block.first("exit") or 0), said
        wanted = ".*".join(re.escape(part) for part in shown.strip().split("..."))
        assert re.fullmatch(wanted, f"{done.stdout}{done.stderr}".strip(), re.S), said


def seconds_of_programs() -> float:
    """Of processor time, of all that ended until now: the clock depends on what else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def blocks_of_page(kind: str) -> list[Block]:
    """Those of a kind's page that are run here, in their order."""
    page = ROOT / "docs" / "plugins" / f"{kind}.md"
    return [block for block in blocks(page) if block.first("run by") is not None]


@pytest.mark.parametrize("kind", SAMPLED)
def test_the_page_of_a_kind_leads_from_nothing_to_a_wheel_by_its_commands(
    kind: str, environment: Environment, service: FaultyServer, tmp_path: Path
) -> None:
    """Made, installed, tested, asked through a Mediator, strictly typed, built; then one wrong edit, and its
    tests fail. What is made stays installed for nobody else."""
    need_peer("mypy")
    reader = Reader(environment, tmp_path, int(service.url.rpartition(":")[2]))
    *begin, publish = blocks_of_page(kind)
    began = seconds_of_programs()
    for block in begin:
        reader.follow(block)
    answered = seconds_of_programs() - began
    reader.follow(publish)
    whole = seconds_of_programs() - began
    print(f"{kind}: {answered:.1f} s of processor time to the answer, {whole:.1f} s with types and wheel")
    name = f"my-{kind}"
    assert list((reader.folder / "dist").glob(f"my_{kind}-0.1.0-*.whl"))
    assert (kind in ("backend", "declared")) == bool(service.requests)
    break_it(reader.folder / "src" / f"my_{kind}", *WRONG_EDITS[kind])
    assert reader.do(["python", "-m", "pytest"]).returncode == 1
    assert reader.do(["pip", "uninstall", "-y", name]).returncode == 0


def break_it(source: Path, old: str, new: str) -> None:
    """One wrong edit."""
    files = [file for file in source.rglob("*.*") if file.suffix in (".py", ".json", ".yaml")]
    edited = [file for file in files if old in file.read_text()]
    assert edited, "the edit changes nothing"
    for file in edited:
        file.write_text(file.read_text().replace(old, new))


@pytest.mark.rows(1)
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
