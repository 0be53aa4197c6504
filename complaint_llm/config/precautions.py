"""What ``check`` warns of: a config that works, and yet puts a key or the program at risk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from complaint_llm.config.problems import json_pointer

if TYPE_CHECKING:
    from complaint_llm.config.model import Config

_WRITABLE = stat.S_IWGRP | stat.S_IWOTH
_READABLE = stat.S_IRGRP | stat.S_IROTH
_QUOTES = "\"'“”‘’«»"


def precautions(config: Config) -> list[str]:
    """A line for each thing that should be changed, with what to do. No line holds anything of a secret.

    Modes of files say nothing on Windows, and nothing is said of them there.
    """
    lines = [*_keys(config)]
    if os.name == "posix":
        lines += [*_dotenv(config.path.parent / ".env"), *_changeable(config)]
    return lines


def _dotenv(file: Path) -> Iterator[str]:
    if _mode(file) & _READABLE:
        yield f"{file}: others on this machine can read it, and keys stand in it: chmod 600 {file}"


def _changeable(config: Config) -> Iterator[str]:
    # Folders of plugins that others can change are refused by the host.
    if _mode(config.path) & _WRITABLE:
        yield f"{config.path}: others on this machine can change it, and with it what is run: chmod go-w {config.path}"


def _keys(config: Config) -> Iterator[str]:
    for path, value, is_reference in config.secret_places():
        where = json_pointer(path)
        if not is_reference:
            yield f"{where}: a key is written into the file: put it into a variable and write $NAME here"
        text = value.reveal()
        if text[:1] in _QUOTES or text[-1:] in _QUOTES:
            yield f"{where}: the key begins or ends with a quotation mark: is it quoted twice?"
        if text[:7].lower() == "bearer " and path[-1] == "api_key":
            yield f'{where}: the key begins with "Bearer ": give the key alone, the word is added'
        if text != text.strip():
            yield f"{where}: the key begins or ends with a blank: is it copied with one?"


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0
