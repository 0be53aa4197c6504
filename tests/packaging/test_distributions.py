"""What is installed is what is here: the wheel holds every file, and the sdist makes the same wheel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = {"complaint_llm": "complaint_llm", "schemas": "complaint_llm/schemas", "plugins": "complaint_llm_plugins"}
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", "node_modules", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis", ".build"
)

# One worker builds for all of them.
pytestmark = pytest.mark.xdist_group("distributions")


def build(source: Path, kind: str, out: Path) -> Path:
    """Run the build backend in its own process, as pip does, without a network."""
    out.mkdir()
    program = f"import setuptools.build_meta as backend; backend.build_{kind}({str(out)!r})"
    done = subprocess.run([sys.executable, "-c", program], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that a build leaves nothing in the tree and finds nothing left by an earlier one."""
    copy = tmp_path_factory.mktemp("source") / "tree"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    return copy


@pytest.fixture(scope="module")
def sdist(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(source, "sdist", tmp_path_factory.mktemp("sdist") / "out")


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(source, "wheel", tmp_path_factory.mktemp("wheel") / "out")


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def tree_files() -> dict[str, Path]:
    """Every file of the product, under the path at which it is installed."""
    return {
        str(Path(target) / path.relative_to(ROOT / folder)): path
        for folder, target in INSTALLED.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


def test_the_wheel_holds_every_file_of_the_product(wheel: Path) -> None:
    """Schemas, provider files, READMEs, py.typed and modules: nothing is dropped, nothing else comes along."""
    inside = {name for name in contents(wheel) if ".dist-info/" not in name}
    assert inside == set(tree_files())


def test_the_wheel_holds_the_files_unchanged(wheel: Path) -> None:
    """What is installed is byte for byte what is here."""
    inside = contents(wheel)
    assert [name for name, path in tree_files().items() if inside[name] != path.read_bytes()] == []


@pytest.mark.endurance
def test_the_sdist_makes_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    """Who installs from the sdist gets what who installs the wheel gets."""
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    again = build(unpacked, "wheel", tmp_path / "out")
    assert contents(again) == contents(wheel)


def test_the_same_tree_gives_the_same_wheel_byte_for_byte(
    source: Path, wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever builds from a checkout can compare what was built from another: times of files do not count."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764201600")
    one = build(source, "wheel", tmp_path / "one").read_bytes()
    again = tmp_path / "tree"
    shutil.copytree(source, again, ignore=LEFT_OUT, copy_function=shutil.copyfile)
    assert build(again, "wheel", tmp_path / "two").read_bytes() == one


def test_the_sdist_holds_what_a_packager_needs(sdist: Path) -> None:
    """Tests, examples, the licence and the Makefile reach the sdist; machine-made folders do not."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "config.example.json", "setup.cfg", ".ci/run"}
    wanted |= {"requirements/run.txt", "scripts/make_sbom.py"}
    wanted |= {"examples/intakes/emp-001-unpaid-overtime.txt", "tests/packaging/test_distributions.py"}
    assert wanted - names == set()
    assert [name for name in names if "__pycache__" in name or name.startswith(("node_modules", ".venv"))] == []


def test_an_unpacked_wheel_does_the_main_job_in_another_folder(wheel: Path, tmp_path: Path) -> None:
    """Nothing of the product is looked up in the source tree."""
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    shutil.copytree(ROOT / "examples" / "intakes", elsewhere / "intakes")
    config = {"BACKENDS": [{"id": "offline", "type": "mock", "echo": True}]}
    (elsewhere / "config.json").write_text(json.dumps(config), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(site)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], cwd=elsewhere, env=environment, capture_output=True, text=True, check=False
        )

    found = run("-c", "import complaint_llm; print(complaint_llm.__file__)")
    assert found.stdout.startswith(str(site)), found.stderr
    done = run("-m", "complaint_llm", "batch", "intakes", "--task", "claims", "--demo", "-o", "claims.jsonl")
    assert done.returncode == 0, done.stderr
    answered = (elsewhere / "claims.demo.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in answered] == sorted(os.listdir(elsewhere / "intakes"))
