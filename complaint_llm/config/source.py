"""The config file: found, read, parsed; the places of its values are looked up only when something is wrong."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from complaint_llm.config.problems import Place, Problem, TextFault, json_pointer
from complaint_llm.exceptions import ConfigError
from complaint_llm.json_schema.problems import kind_of

DEFAULT_NAMES = tuple(f"{stem}.{end}" for stem in ("complaint-llm", "config") for end in ("json", "yaml", "yml"))
"""In the order in which they are looked for."""
MAX_BYTES = 16 * 1024 * 1024


class Source:
    """A parsed file. Immutable; any thread may use it. Its content never shows in a repr: keys may be written in it."""

    __slots__ = ("document", "name", "path", "text")

    def __init__(self, path: Path, name: str, text: str, document: Any) -> None:
        self.path = path
        self.name = name
        self.text = text
        self.document = document

    def __repr__(self) -> str:
        return f"<Source {self.name}>"

    def lines(self, found: Iterable[Problem]) -> list[str]:
        """``file:line:column: /pointer: what`` for each problem, in the order of the file."""
        places = _syntax(self.path).places(self.text)
        placed: list[tuple[tuple[int, int], str]] = []
        for problem in found:
            # A key that is missing, or came in by an alias, is placed at what should hold it.
            known = next((problem.path[:n] for n in range(len(problem.path), 0, -1) if problem.path[:n] in places), ())
            value_at, key_at = places.get(known, ((1, 1), (1, 1)))
            at = key_at if problem.at_key and known == problem.path else value_at
            where = f"{json_pointer(problem.path)}: " if problem.path else ""
            placed.append((at, f"{self.name}:{at[0]}:{at[1]}: {where}{problem.text}"))
        return [line for _, line in sorted(dict.fromkeys(placed))]


def find(given: str | Path | None, named: str | None) -> Path:
    """The file to read: the one given, the one that the environment names, else the first default name here.

    Raises ConfigError.
    """
    wanted = given if given is not None else named or None
    if wanted is not None:
        return _path(wanted)
    here = default_files()
    if here:
        return here[0]
    raise ConfigError(
        f"no config: neither complaint-llm nor config with .json, .yaml or .yml in {Path.cwd()}; "
        "`complaint-llm init` makes one, -c or $COMPLAINT_LLM_CONFIG name another"
    )


def _path(wanted: object) -> Path:
    """As a path. Raises ConfigError for what a config holds, and shows nothing of it: keys may stand there."""
    text = os.fspath(wanted) if isinstance(wanted, (str, os.PathLike)) else ""
    if not text or "\n" in text or text.lstrip().startswith("{"):
        raise ConfigError(f"a config is a file: give its path, not what is in it (got a {type(wanted).__name__})")
    return Path(text)


def default_files() -> list[Path]:
    """The files with default names in the working directory; the first is the one that is read."""
    return [Path(name) for name in DEFAULT_NAMES if Path(name).is_file()]


def is_yaml(path: Path) -> bool:
    """Whether the extension says YAML; everything else is JSON."""
    return path.suffix.lower() in {".yaml", ".yml"}


class Syntax(Protocol):
    """A module that reads texts of one kind."""

    def parse(self, text: str) -> Any: ...
    def places(self, text: str) -> Mapping[Place, tuple[tuple[int, int], tuple[int, int]]]: ...


def _syntax(path: Path) -> Syntax:
    """JSON's or YAML's."""
    if is_yaml(path):
        from complaint_llm.config import yaml_text  # cold start: YAML

        return yaml_text
    from complaint_llm.config import json_text  # cold start: JSON

    return json_text


def read(path: Path) -> Source | list[str]:
    """The parsed file, or the one line that says why there is none."""
    name = os.path.relpath(path) if path.is_absolute() and path.is_relative_to(Path.cwd()) else str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            return [f"{name}:1:1: larger than {MAX_BYTES // 2**20} MiB: this is no config"]
        data = path.read_bytes()
    except OSError as error:
        return [f"{name}: cannot be read: {error.strerror or error}"]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        start = data.rfind(b"\n", 0, error.start) + 1
        column = len(data[start : error.start].decode("utf-8", "replace")) + 1
        return [f"{name}:{line}:{column}: not UTF-8: save the file as UTF-8"]
    parsed = _syntax(path).parse(text)
    if isinstance(parsed, TextFault):
        return [f"{name}:{parsed.line}:{parsed.column}: {parsed.text}"]
    if not isinstance(parsed, dict):
        return [f"{name}:1:1: a config is a mapping with BACKENDS, not {kind_of(parsed)}"]
    return Source(path, name, text, parsed)


def text_digest(text: str) -> str:
    """Tells one state of a file from another, without holding what is written in it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_on_disk(path: Path) -> str | None:
    """``text_digest`` of the file as it is now; None where there is none that can be read."""
    try:
        return text_digest(path.read_bytes().decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        return None
