"""``complaint-llm new-plugin``: a package that can be installed, is typed, and whose tests pass."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from string import Template

import click

from complaint_llm.cli.terminal import tell, write

KINDS = ("backend", "declared", "strategy", "guard", "reader", "check", "task", "command", "store")
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_TEMPLATES = Path(__file__).parents[1] / "data" / "new_plugin"


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What the plugin adds.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="The folder to make; otherwise NAME here."
)
def new_plugin(name: str, kind: str, output: Path | None) -> None:
    """Make the plugin NAME: a package with types and tests that pass, to be changed into what you need.

    NAME is what a config calls it: small letters, digits, dashes or underscores.

    Example: complaint-llm new-plugin redact-case-numbers --kind guard
    """
    problem = _name_problem(name)
    if problem is not None:
        raise click.BadParameter(problem, param_hint="NAME")
    folder = Path(name) if output is None else output
    if folder.exists() and any(folder.iterdir()):
        raise click.BadParameter(f"{folder} is not empty: name another folder by -o", param_hint="--output")
    for path, text in plugin_files(name, kind).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
        write(str(folder / path))
    tell(f"next: pip install -e '{folder}[test]' && cd {folder} && python -m pytest")


def plugin_files(name: str, kind: str) -> Mapping[Path, str]:
    """The text of each file of a new plugin, by its path in the plugin's folder."""
    package = name.replace("-", "_")
    words = {
        "name": name,
        "kind": kind,
        "package": package,
        "distribution": name.replace("_", "-"),
        "class_name": "".join(word.capitalize() for word in package.split("_")),
        "variable": package.upper(),
    }
    home = Path("src", package)
    places = {
        "pyproject.toml": Path("pyproject.toml"),
        "README.md": Path("README.md"),
        "init.py": home / "__init__.py",
        "plugin.py": home / "plugin.py",
        "task.json": home / "task.json",
        "provider.yaml": home / "providers" / f"{name}.yaml",
        "test_plugin.py": Path("tests", "test_plugin.py"),
        "config.json": Path("config.json"),
    }
    files = {places[file.stem]: Template(file.read_text(encoding="utf-8")).substitute(words) for file in _files(kind)}
    return {**files, home / "py.typed": ""}


def _files(kind: str) -> Iterator[Path]:
    for folder in ("every", kind):
        yield from sorted((_TEMPLATES / folder).glob("*.tmpl"))


def _name_problem(name: str) -> str | None:
    if not _NAME.fullmatch(name):
        return f"{name!r} is no name: small letters, digits, dashes and underscores, beginning with a letter"
    package = name.replace("-", "_")
    if keyword.iskeyword(package):
        return f"{name!r} is a word of Python: no package can be called so"
    if find_spec(package) is not None:
        return f"a module {package!r} is installed already: choose another name"
    return None
