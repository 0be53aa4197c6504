"""The repository speaks of the product alone, and every test file can fail."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("complaint_llm", "plugins", "schemas", "tests", "benchmarks", "docs", "examples", "scripts", ".ci")
TOP = ("README.md", "CHANGELOG.md", "Makefile", "setup.cfg", "pyproject.toml", "config.example.json", "MANIFEST.in")
TEXT = {".py", ".md", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".cfg", ".c", ".sh", ""}
SKIPPED = {"__pycache__", ".venvs", ".build", "node_modules"}

# A home or scratch folder of the machine on which something was written; each has a part that a portable path lacks.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|Users|root|work|opt)/[A-Za-z0-9_]")
LINES = 400
LONGER: dict[str, str] = {}


def files() -> Iterator[Path]:
    yield from (ROOT / name for name in TOP if (ROOT / name).exists())
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in TEXT and not SKIPPED & set(path.relative_to(ROOT).parts):
                yield path


def named(pattern: re.Pattern[str]) -> list[str]:
    """Places where a pattern stands, this file left out."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in files()
        if path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_folder_of_one_machine() -> None:
    """What works only where it was written does not work."""
    assert named(MACHINE_PATH) == []


def test_source_files_are_small() -> None:
    """A source file of more than 400 lines holds two ideas, unless LONGER gives the reason why it is one."""
    long = {
        name: count
        for path in files()
        if path.suffix == ".py"
        and (name := str(path.relative_to(ROOT))) not in LONGER
        and not name.startswith("tests/")
        and (count := len(path.read_text(encoding="utf-8").splitlines())) > LINES
    }
    assert long == {}


# What stands at the top, and what the Makefile, tools and runs of the examples make there (git ignores it).
TOP_ENTRIES = {
    *TOP, *FOLDERS, "LICENSE", "CONTRIBUTING.md", "PKG-INFO", "requirements", ".github", ".git", ".gitignore",
}  # fmt: skip
MADE = re.compile(
    r"\.venv.*|\.\w+_cache|\.hypothesis|\.coverage.*|build|dist|\w+\.egg-info|node_modules|__pycache__"
    r"|(answers|claims|report)\..*|\.env|config\.(json|ya?ml)|\.complaint_llm"
)
# Configs that a strict reader must refuse: control characters and other encodings are what they are about.
EXAMPLE_DOCUMENTS = Path("examples/intakes")
"""Letters as offices get them; scripts/make_example_documents.py makes them, and tests read them back."""
PICTURES = Path("docs/pictures")
"""What pages show; scripts/make_pictures.py makes them."""
BROKEN_ON_PURPOSE = Path("tests/config/broken")


def test_nothing_lies_at_the_top_that_does_not_belong_there() -> None:
    """A file that somebody dropped into the root is seen."""
    assert {each.name for each in ROOT.iterdir() if not MADE.fullmatch(each.name)} <= TOP_ENTRIES


def test_the_tree_holds_no_binary() -> None:
    """Wheels, archives, pictures and databases are made by tests or scripts, never kept beside the source."""
    kept = [each for each in ROOT.iterdir() if not MADE.fullmatch(each.name) and each.name != ".git"]
    everything = [path for each in kept for path in (each.rglob("*") if each.is_dir() else [each])]
    binaries = [
        str(path.relative_to(ROOT))
        for path in everything
        if path.is_file()
        and path.suffix != ".pyc"
        and not SKIPPED & set(path.parts)
        and path.relative_to(ROOT).parent not in (BROKEN_ON_PURPOSE, EXAMPLE_DOCUMENTS, PICTURES)
        and b"\0" in path.read_bytes()
    ]
    assert binaries == []


def test_no_module_is_a_drawer() -> None:
    """utils, helpers and common say nothing of what is inside."""
    assert [
        str(path) for path in files() if path.stem in {"utils", "util", "helpers", "helper", "common", "misc"}
    ] == []


TEST_FILES = [path for path in files() if path.name.startswith("test_") and path.suffix == ".py"]


def inherits_checks(tree: ast.Module) -> bool:
    """Whether a class of the file takes its tests from a suite of ``complaint_llm.testing``."""
    suites = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("complaint_llm.testing")
        for alias in node.names
    }
    bases = (base for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases)
    return any(isinstance(base, ast.Name) and base.id in suites for base in bases)


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_file_checks_something(path: Path) -> None:
    """A file of tests without an assertion, an expected error or an inherited suite shows nothing."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    raising = {"raises", "warns", "fail"}
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    named = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
    asserts = any(isinstance(node, ast.Assert) for node in ast.walk(tree))
    assert asserts or raising & named or inherits_checks(tree)


def test_each_step_of_the_check_is_there_and_the_pages_are_one_of_them() -> None:
    """A warning of Sphinx ends it; what it installs is locked."""
    steps = set(re.findall(r"^make ([a-z]+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.M))
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"docs", "lint", "test", "wheel"} <= steps
    assert {step for step in steps if not re.search(rf"^{step}:", rules, re.M)} == set()
    (built,) = re.findall(r"^docs: \.venv-docs/ready\n\t(.*)$", rules, re.M)
    assert {"--fail-on-warning", "--nitpicky"} <= set(built.split())
    locked = (ROOT / "requirements" / "docs.txt").read_text(encoding="utf-8")
    assert {name for name in ("sphinx", "furo", "myst-parser") if not re.search(rf"^{name}==", locked, re.M)} == set()
