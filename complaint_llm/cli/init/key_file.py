"""The ``.env`` beside a config: keys for their owner's eyes, lines that are there kept, and out of repositories."""

from __future__ import annotations

import io
import re
from pathlib import Path

from complaint_llm.exceptions import ConfigError
from complaint_llm.private_folder import FILE_MODE, open_private

ENV_NAME = ".env"
IGNORE_NAME = ".gitignore"
_PLAIN = re.compile(r"[A-Za-z0-9_.:/+=@%,~-]*")


def env_value(file: Path, name: str) -> str | None:
    """What a ``.env`` sets a variable to; None where it does not. Raises ConfigError if it cannot be read."""
    if not file.is_file():
        return None
    from dotenv import dotenv_values  # cold start

    try:
        return dotenv_values(file, encoding="utf-8").get(name) or None
    except (OSError, UnicodeDecodeError) as cause:
        raise ConfigError(f"{file}: cannot be read: {cause}") from cause


def env_line(name: str, value: str) -> str:
    """The line of a ``.env`` that sets a variable. Raises ConfigError for a value that no line can hold."""
    from dotenv import dotenv_values  # cold start

    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    line = f"{name}={value}" if _PLAIN.fullmatch(value) else f"{name}='{quoted}'"
    if "\n" in value or "\r" in value or dotenv_values(stream=io.StringIO(line)).get(name) != value:
        # Not with its cause, and without the value: it is a key.
        raise ConfigError(f"{name}: this value cannot stand in a {ENV_NAME}: set the variable in another way")
    return line


def add_variable(file: Path, name: str, value: str) -> None:
    """Add a line to a ``.env``, which only its owner may read afterwards. What stands in it stays. Raises OSError."""
    line = env_line(name, value)
    before = file.read_bytes() if file.exists() else b""
    gap = "\n" if before and not before.endswith(b"\n") else ""
    with open(file, "a", encoding="utf-8", opener=open_private) as stream:
        file.chmod(FILE_MODE)
        stream.write(f"{gap}{line}\n")


def ignore_key_file(folder: Path) -> Path | None:
    """Name ``.env`` in the folder's ``.gitignore`` where there is one or the folder is in a repository.

    Returns the file if it was changed. Raises OSError.
    """
    file = folder / IGNORE_NAME
    in_repository = any((each / ".git").exists() for each in (folder.absolute(), *folder.absolute().parents))
    if not file.exists() and not in_repository:
        return None
    before = file.read_text(encoding="utf-8", errors="surrogateescape") if file.exists() else ""
    if {line.strip() for line in before.splitlines()} & {ENV_NAME, f"/{ENV_NAME}", f"{ENV_NAME}*", f"*{ENV_NAME}"}:
        return None
    gap = "\n" if before and not before.endswith("\n") else ""
    with file.open("a", encoding="utf-8") as stream:
        stream.write(f"{gap}{ENV_NAME}\n")
    return file
