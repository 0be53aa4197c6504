"""Writes docs/llms.txt, the documentation in short for programs that read: ``python scripts/make_llms.py``.

What the product is comes from README.md, the pages from docs/index.md, the Python API from the docstrings.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import complaint_llm
from complaint_llm import Mediator
from complaint_llm.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "llms.txt"
COMMAND = "python scripts/make_llms.py"
FURTHER = ("complaint_llm.backends", "complaint_llm.testing")


def paragraphs(text: str) -> list[str]:
    """The paragraphs below the first heading, each in one line."""
    return [" ".join(each.split()) for each in text.split("\n\n")[1:]]


def pages() -> Iterator[str]:
    """The index without its first paragraph, with the path of each page from the repository's top."""
    _, _, groups = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").partition("\n## ")
    for line in f"## {groups}".splitlines():
        yield re.sub(r"^\* \[(.+?)\]\((\S+?)\)", r"- [\1](docs/\2)", line)


def api() -> Iterator[str]:
    """A line for each public name, and for each method of the Mediator."""
    reference = runpy.run_path(str(ROOT / "scripts" / "make_api.py"))
    meaning, signature = reference["meaning"], reference["signature"]
    for name in complaint_llm.__all__:
        yield f"- `{name}`: {_first(meaning(getattr(complaint_llm, name)))}"
    others = {value for _, _, value in reference["documented"]() if isinstance(value, type)} - {Mediator}
    for name, value, sort in reference["members"](Mediator, others):
        if sort == "method" and name != "after_fork":
            call = " ".join(signature(getattr(Mediator, name), name).split()).replace("( ", "(").replace(", )", ")")
            yield f"- `Mediator.{call}`: {_first(meaning(value))}"
    for module in FURTHER:
        yield f"- `{module}`: {', '.join(f'`{name}`' for name in reference['public_names'](module))}"


def _first(text: str) -> str:
    return re.split(r"(?<=[.:]) (?=[A-Z`])|\n", text, maxsplit=1)[0]


def text() -> str:
    """The whole file."""
    said = paragraphs((ROOT / "README.md").read_text(encoding="utf-8"))
    promise = next(each for each in said if each.startswith("**What it promises"))
    lines = ["# complaint_llm", "", f"> {said[0]}", "", promise, "", "Python 3.11 or newer. MIT licence.", ""]
    lines += pages()
    lines += ["", "## Commands of `complaint-llm`", ""]
    lines += [f"- `{name}`: {said}" for name, (_, said) in COMMANDS.items()]
    lines += ["", "## Python API in short", "", *api()]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    DOCUMENT.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
