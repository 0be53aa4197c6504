"""What authors import is what docs/toolkit.md describes, and what checkers read of it is what is there."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from complaint_llm.messages import Message
from tests.transport.faulty import REQUEST, FaultyServer, ok

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs" / "toolkit.md").read_text(encoding="utf-8")
PACKAGES = ("complaint_llm.backends", "complaint_llm.backends.wire")


def described(package: str) -> list[str]:
    """The names in the table below a package's heading."""
    _, _, rest = DOCUMENT.partition(f"## `{package}`\n")
    return re.findall(r"^\| `(\w+)` \| \S", rest.partition("\n## ")[0], re.MULTILINE)


def stub_names(package: str) -> set[str]:
    """What a package's stub says that it has."""
    text = ROOT.joinpath(*package.split("."), "__init__.pyi").read_text(encoding="utf-8")
    return {alias.asname or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)
            for alias in node.names}  # fmt: skip


@pytest.mark.parametrize("package", PACKAGES)
def test_each_name_is_described_once_and_none_is_made_up(package: str) -> None:
    """``__all__`` is the promise; the page says what each name is for."""
    names = described(package)
    assert sorted(names) == sorted(import_module(package).__all__)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("package", PACKAGES)
def test_each_name_can_be_imported_and_checkers_know_it(package: str) -> None:
    """The stub has every name, with the module from which the package takes it."""
    module = import_module(package)
    assert set(module.__all__) <= stub_names(package)
    for name in stub_names(package):
        assert getattr(module, name) is not None


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package: str) -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no_such_name"):
        import_module(package).no_such_name  # noqa: B018


def test_the_toolkit_is_imported_name_by_name(tmp_path: Path) -> None:
    """Who wants a check of JSON does not pay for reading images and schemas."""
    program = (
        "import sys, complaint_llm.backends.wire as wire\n"
        "wire.as_object\n"
        "print([name for name in ('images', 'schema_subset') if f'{wire.__name__}.{name}' in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_backend_of_the_page_answers() -> None:
    """The example is run as it stands there, against a server that answers as it says."""
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    names: dict[str, type] = {"__name__": "office"}  # type: ignore[dict-item]
    exec(compile(example, "docs/toolkit.md", "exec"), names)
    body = json.dumps({"text": "Yes.", "usage": {"in": 3, "out": 2}}).encode()
    with FaultyServer([REQUEST, ok(body)]) as server, names["Clerk"](base_url=server.url) as backend:
        output = backend.infer([Message("user", "Is it?")], max_tokens=5)
    assert (output.content, output.token_usage.total_tokens) == ("Yes.", 5)
    assert server.requests[0].endswith(b'{"prompt":"Is it?","max_tokens":5}')
