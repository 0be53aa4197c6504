"""An office behind a guard, for planted identifiers: a config with one wire through a tap, logs at DEBUG that are kept,
and the search for identifiers in all that was sent or written."""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm import Mediator
from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.testing import Reply
from complaint_llm.testing.server import Received
from tests.guards.identifiers import CASE_PATTERN, Planted, latin_digits, leaks, squeeze, write_lists
from tests.meeting_server import MeetingServer
from tests.wire_tap import WireTap

OF_A_CALL = 60
# Wider than what is between the parts of an identifier.
BETWEEN = "\n\n-----\n\n"
STOP = "the detector fails here"

BACKENDS: dict[str, dict[str, Any]] = {
    "chat": {"type": "openai", "base_url": "/v1", "api": "chat"},
    "responses": {"type": "openai", "base_url": "/v1", "api": "responses"},
    "anthropic": {"type": "anthropic", "base_url": ""},
    "gemini": {"type": "google", "base_url": "/v1beta"},
    "openrouter": {"type": "openrouter", "base_url": "/api/v1"},
    "http": {
        "type": "http",
        "base_url": "/v1",
        "endpoint": "/chat/completions",
        "body": {"messages": "{messages}", "model": "{model}", "max_tokens": "{max_tokens}"},
        "text": "/choices/0/message/content",
    },
}

PLUGIN = '''
"""Keeps all logs of its process at DEBUG in a file; the guard ``failing`` has a detector that fails at some words."""

import logging
import os
import signal
import time
from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.guards.detector import DetectedSpan
from complaint_llm.guards.pseudonyms import Pseudonyms

HERE = Path(__file__).parents[1]
logging.basicConfig(filename=HERE / f"log-{os.getpid()}.txt", level=logging.DEBUG)


class Failing:
    def __init__(self, fault):
        self.fault = fault

    def __call__(self, text):
        if "STOP" not in text:
            return []
        (HERE / "failed").touch()
        if self.fault == "raises":
            raise RuntimeError(f"cannot read {text}")
        if self.fault == "ends":
            raise SystemExit(1)
        if self.fault == "nonsense":
            return [DetectedSpan(5, 10**9, "NAME")]
        if self.fault == "slow":
            time.sleep(2)
            return []
        os.kill(os.getpid(), signal.SIGKILL)


@hookimpl
def complaint_llm_guards():
    return {"failing": lambda fault, names: Pseudonyms(detector=Failing(fault), names=str(HERE / names))}
'''


class Clerk(MeetingServer):
    """Says what it was asked again; ``as_json``: as the string ``said`` of a JSON object."""

    as_json = False

    def take(self, received: Received) -> Reply:
        reply = super().take(received)
        wire = self.wire_of(received.path)
        if not self.as_json or wire is None or reply is not self.reply:
            return reply
        return reply._replace(text=json.dumps({"said": wire.prompt(received.body)}, ensure_ascii=False))


class Office(NamedTuple):
    """A config with one wire behind a tap, in a folder of its own. ``own`` is for what only the caller gets."""

    mediator: Mediator
    tap: WireTap
    folder: Path
    path: Path
    wire: str

    @property
    def own(self) -> Path:
        path = self.folder / "own"
        path.mkdir(exist_ok=True)
        return path

    def other_config(self, name: str, **sections: Any) -> Path:
        """The same config, but for some sections."""
        document = json.loads(self.path.read_text(encoding="utf-8")) | sections
        path = self.folder / name
        path.write_text(json.dumps(document), encoding="utf-8")
        return path


def open_office(
    folder: Path, wire: str, tap: WireTap, identifiers: Sequence[Planted], *, fault: str = "", **more: Any
) -> Office:
    """The Mediator of a config whose guard is told of the identifiers; with ``fault`` its detector fails so at STOP."""
    names = write_lists(identifiers, folder)
    entry = {"id": wire, "model": "m", "api_key": "sk-none", "location": "local", "max_retries": 0, "max_tokens": 9_000}
    entry |= {**BACKENDS[wire], "base_url": tap.url + BACKENDS[wire]["base_url"], "cache_enabled": True}
    guard: dict[str, Any] = {"type": "pseudonyms", "patterns": [CASE_PATTERN], "timeout": 60}
    if fault:
        guard = {"type": "failing", "fault": fault, "timeout": 0.5 if fault == "slow" else 60}
    (folder / "plugins").mkdir(mode=0o755, exist_ok=True)
    plugin = f"office_{folder.name}"
    (folder / "plugins" / f"{plugin}.py").write_text(PLUGIN.replace("STOP", STOP), encoding="utf-8")
    document = {
        "PLUGINS": {"paths": ["plugins"], "enable": [plugin]},
        "BACKENDS": [entry | {"verbose": True}],
        "GUARDS": [{**guard, "for": "all", "names": names.name}],
        "MEDIATOR": {
            "provenance": "full",
            "cache": {"path": "cache"},
            "ledger": {"path": "ledger.sqlite"},
            "timeout": 120,
        },
        "EVIDENCE": {"path": "evidence"},
    } | more
    path = folder / "config.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return Office(Mediator.from_config(path), tap, folder, path, wire)


def groups(identifiers: Sequence[Planted], of: int = OF_A_CALL) -> Iterator[Sequence[Planted]]:
    for start in range(0, len(identifiers), of):
        yield identifiers[start : start + of]


def failure(ask: Callable[[], object]) -> ComplaintLLMError | None:
    """The error that it ends with, None where it is answered."""
    try:
        ask()
    except ComplaintLLMError as error:
        return error
    return None


def text_of(some: Sequence[Planted]) -> str:
    """One text with each of them, as JSON does not have it."""
    return "\n".join(each.sentence for each in some)


def kept_files(folder: Path) -> str:
    """All that was written beside the config, the list of names and what the caller got: bytes, and rows of SQLite."""
    kept = []
    for each in folder.rglob("*"):
        if each.is_file() and each.suffix != ".json" and each.name != "names.csv" and "own" not in each.parts:
            kept.append(each.read_bytes().decode("utf-8", "replace"))
            kept += rows(each)
    return BETWEEN.join(kept)


def rows(path: Path) -> Iterator[str]:
    """Each text of a file of SQLite: its pages may cut one. Its numbers are no texts: they are times, sizes and counts.
    Nothing of other files."""
    with path.open("rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            return
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            with suppress(sqlite3.OperationalError):  # a table of SQLite's own
                for row in database.execute(f'SELECT * FROM "{table}"'):
                    yield from (each for each in row if isinstance(each, str))
                    yield from (each.decode("utf-8", "replace") for each in row if isinstance(each, bytes))


def in_clear(text: str, identifiers: Sequence[Planted]) -> list[Planted]:
    """Those that stand in what was sent or written. Times, lengths and digests have any few digits by chance: an
    identifier that is digits alone must stand apart from other letters and digits."""
    plain = _plain(text)
    return [each for each in leaks(plain, identifiers) if not _digits_of(each) or _stands_apart(each, plain)]


def _plain(text: str) -> str:
    """Without the escapes of JSON, marks that have no width, and other forms of letters and digits."""
    letters = re.sub(r"\\+(?:u([0-9a-fA-F]{4})|[nrt])", lambda found: chr(int(found[1] or "20", 16)), text)
    whole = letters.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    normal = latin_digits(unicodedata.normalize("NFKD", whole))
    return "".join(each for each in normal if unicodedata.category(each) != "Cf")


def _digits_of(identifier: Planted) -> str:
    """Empty where it has letters."""
    squeezed = squeeze(identifier.written)
    return squeezed if squeezed.isdecimal() else ""


def _stands_apart(identifier: Planted, plain: str) -> bool:
    """A short one only with what is between its parts."""
    digits = _digits_of(identifier)
    parts = digits if len(digits) >= 8 else filter(None, re.split(r"[\W_]+", _plain(identifier.written)))
    between = r"[\W_]{0,4}" if len(digits) >= 8 else r"[\W_]{1,4}"
    return re.search(rf"(?<!\w){between.join(parts)}(?!\w)", plain) is not None
