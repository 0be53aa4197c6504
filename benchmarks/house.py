"""The house in numbers: ``python -m benchmarks.house``. Counts alone; nothing is timed.

Public names, circles among imports, imports inside functions, Python calls of one request, files from an entry of a
config to its backend.
"""

from __future__ import annotations

import ast
import json
import socket
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from complaint_llm import Mediator, load_config
from complaint_llm.backends import OpenAIBackend

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "complaint_llm"
REASONS = ("cold start", "extra", "optional")
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "an answer"}, "finish_reason": "stop"}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
ANSWER = json.dumps({"id": "1", "model": "any", "choices": [CHOICE], "usage": USAGE}).encode()


class LateImport(NamedTuple):
    """An import inside a function; ``reason`` is what its line, or the one above it, says of it."""

    path: str
    line: int
    reason: str | None


def public_names(kind: type) -> list[str]:
    """The names that a class shows to its users."""
    return [name for name in dir(kind) if not name.startswith("_")]


def imports(*, types: bool = False) -> Mapping[str, set[str]]:
    """Each module of the package with those that it imports when it runs, inside functions too; with ``types`` also
    those that it names for type checkers alone (but for packages' faces, which hand names on)."""
    found: dict[str, set[str]] = defaultdict(set)
    modules = {_name(path): path for path in PACKAGE.rglob("*.py") if not types or path.stem != "__init__"}
    for name, path in modules.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree) if types else _running(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    found[name].add(full if full in modules else node.module)
            elif isinstance(node, ast.Import):
                found[name].update(alias.name for alias in node.names)
    return {name: {each for each in found[name] if each in modules and each != name} for name in modules}


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Modules that import one another round in a circle, each circle once (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def late_imports() -> list[LateImport]:
    """The imports inside functions of the package, with their reasons."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef):
                reason = None
                for node in _imports_of(function):
                    said = _reason(lines[node.lineno - 1]) or _reason(lines[node.lineno - 2])
                    # Imports that follow one another have one reason.
                    reason = said or (reason if _is_import(lines[node.lineno - 2]) else None)
                    found.append(LateImport(str(path.relative_to(ROOT)), node.lineno, reason))
    return found


def calls_of_a_request() -> int:
    """Calls of Python functions of one mediated request over an open connection, the fewest of several."""
    with _server() as port, tempfile.TemporaryDirectory() as folder:
        entry = {"id": "a", "type": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "api_key": "k", "model": "m"}
        path = Path(folder) / "config.json"
        path.write_text(json.dumps({"BACKENDS": [entry]}), encoding="utf-8")
        with Mediator.from_config(path) as mediator:
            for _ in range(20):
                mediator.generate("a prompt")
            return min(len(_frames(lambda: mediator.generate("a prompt"))) for _ in range(5))


def files_to_a_backend() -> list[str]:
    """The files of the package that run between one entry of a config and its backend, in the order of first use."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps({"BACKENDS": [{"id": "m", "type": "mock", "echo": True}]}), encoding="utf-8")

        def make() -> None:
            load_config(path).make_backend("m")

        make()
        frames = _frames(make)
    inside = [str(Path(name).relative_to(ROOT)) for name in frames if name.startswith(f"{PACKAGE}/config/")]
    return list(dict.fromkeys(inside))


def main() -> None:
    graph = imports()
    late = late_imports()
    print(f"public names: Mediator {len(public_names(Mediator))}, backend {len(public_names(OpenAIBackend))}")
    print(f"import circles: {len(circles(graph))}")
    print(f"import circles, with what type checkers read: {len(circles(imports(types=True)))}")
    print(f"imports inside functions: {len(late)}, without a reason {sum(each.reason is None for each in late)}")
    print(f"Python calls of one request: {calls_of_a_request()}")
    print(f"files of config/ from an entry to its backend: {len(files_to_a_backend())}")
    for circle in circles(graph):
        print("circle:", " ".join(circle))


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a tree without what only type checkers read."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _running(child)


def _imports_of(function: ast.FunctionDef) -> list[ast.Import | ast.ImportFrom]:
    """Those of the function itself, not of functions inside it."""
    found: list[ast.Import | ast.ImportFrom] = []

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.Import, ast.ImportFrom)):
                found.append(child)
            elif not isinstance(child, ast.FunctionDef):
                visit(child)

    visit(function)
    return found


def _reason(line: str) -> str | None:
    _, _, comment = line.partition("#")
    return next((reason for reason in REASONS if comment.strip().startswith(reason)), None)


def _is_import(line: str) -> bool:
    return line.strip().startswith(("from ", "import "))


def _frames(work: Callable[[], object]) -> list[str]:
    """The file of each Python function that is called."""
    frames: list[str] = []

    def record(frame: FrameType, what: str, argument: object) -> None:
        if what == "call":
            frames.append(frame.f_code.co_filename)

    sys.setprofile(record)
    try:
        work()
    finally:
        sys.setprofile(None)
    return frames


@contextmanager
def _server() -> Iterator[int]:
    """A server that answers every request of its first connection in one piece."""

    def serve() -> None:
        connection, _ = listener.accept()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(ANSWER)}\r\n\r\n".encode()
        with connection:
            while connection.recv(1 << 20):
                connection.sendall(head + ANSWER)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]


if __name__ == "__main__":
    main()
