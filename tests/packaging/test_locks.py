"""The lock files hold what setup.cfg asks for, with hashes; the bill of materials in the wheel says the same."""

from __future__ import annotations

import configparser
import hashlib
import json
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = {
    "run": ("cli", "report"),
    "test": ("cli", "report", "test"),
    "lint": ("cli", "report", "lint"),
    "docs": ("cli", "report", "docs"),
    "peers": ("cli", "report", "test", "peers"),
    "lowest": ("cli", "report", "test", "redis", "prices"),
}
BUILDS_ONLY = {"build", "packaging", "pyproject-hooks", "setuptools", "wheel"}


def locked(name: str) -> dict[str, set[str]]:
    """The versions of each package in a lock file: more than one where they depend on the interpreter."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line[:1].isalpha():
            pinned = Requirement(line.rstrip(" \\"))
            found.setdefault(canonicalize_name(pinned.name), set()).add(str(pinned.specifier).removeprefix("=="))
    return found


def wanted(extras: tuple[str, ...]) -> list[Requirement]:
    config = configparser.ConfigParser(delimiters=("=",))
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    texts = [config["options"]["install_requires"], *(config["options.extras_require"][extra] for extra in extras)]
    build = (ROOT / "requirements" / "build.in").read_text(encoding="utf-8")
    return [
        Requirement(line) for text in (*texts, build) for line in text.splitlines() if line.strip() and line[0] != "#"
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_setup_cfg_asks_for(name: str) -> None:
    """A requirement that is added or raised, and a lock that was not renewed, do not go together: run `make lock`."""
    versions = locked(name)
    missing = [
        str(each)
        for each in wanted(LOCKS[name])
        if not any(each.specifier.contains(version) for version in versions.get(canonicalize_name(each.name), ()))
    ]
    assert missing == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash(name: str) -> None:
    """pip refuses a file that is not the one that was resolved, and names no host to fetch it from."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    entries = re.split(r"(?m)^(?=[A-Za-z])", text)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text


def test_the_environments_agree() -> None:
    """A test runs with the versions that a user runs with."""
    everything = locked("peers")
    for name in ("run", "test", "lint", "docs"):
        assert {
            package: versions
            for package, versions in locked(name).items()
            if package in everything and versions != everything[package]
        } == {}


def test_the_bill_of_materials_is_the_lock() -> None:
    """What the wheel says it is made of is what `make run` installs."""
    bill = json.loads((ROOT / "complaint_llm" / "data" / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    installed = [each for each in bill["components"] if each["purl"].startswith("pkg:pypi/")]
    told = {(canonicalize_name(each["name"]), each["version"]) for each in installed}
    run = {(name, version) for name, versions in locked("run").items() for version in versions}
    assert told == {(name, version) for name, version in run if name not in BUILDS_ONLY}


def test_the_bill_of_materials_names_what_lies_in_the_tree() -> None:
    """A library that is kept beside the source has its licence and is, byte for byte, what it says that it is."""
    bill = json.loads((ROOT / "complaint_llm" / "data" / "sbom.cdx.json").read_text(encoding="utf-8"))
    kept = {each["purl"]: each for each in bill["components"] if not each["purl"].startswith("pkg:pypi/")}
    told = list((ROOT / "complaint_llm").rglob("component.json"))
    assert len(told) == len(kept) > 0
    for path in told:
        component = json.loads(path.read_text(encoding="utf-8"))
        files = {each.name for each in path.parent.iterdir()} - {path.name}
        assert {"LICENSE"} <= files == set(component["files"])
        for name, digest in component["files"].items():
            assert hashlib.sha256((path.parent / name).read_bytes()).hexdigest() == digest
        named = kept[component["purl"]]
        assert (named["name"], named["version"]) == (component["name"], component["version"])


def test_the_tests_that_other_versions_run_are_there() -> None:
    """A list that names a file which is gone would fail, or show nothing."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (listed,) = re.findall(r"^DEPENDENT := (.*)$", text, re.M)
    spelled = re.sub(
        r"\$\(addprefix ([^,]*),([^)]*)\)", lambda found: " ".join(found[1] + name for name in found[2].split()), listed
    )
    forge = ROOT / ".github" / "workflows" / "ci.yml"
    workflow = forge.read_text(encoding="utf-8") if forge.is_file() else ""
    named = [*spelled.split(), *re.findall(r"tests/\S+\.py", workflow)]
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []
