"""The file that results are written to: whose it is, and how it is replaced.

The journal beside it keeps the digest of what was last written. A file that has another one was edited since, and one
that has no journal is read: what it answers needs no asking.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from complaint_llm.batch.journal.codec import encode_output
from complaint_llm.batch.journal.entries import ANSWERED, JournalEntry
from complaint_llm.batch.journal.journal import Journal
from complaint_llm.batch.output.export import RESULT_COLUMNS, CsvForm, as_written
from complaint_llm.checks.check import Finding
from complaint_llm.checks.quote import Quote
from complaint_llm.exceptions import BatchError
from complaint_llm.messages import Attempt, InferenceOutput, TokenUsage, ToolCall

_WRITTEN, _TO_BE_WRITTEN = "out", "next_out"
_FIRST_NAMES = {"id", "text", "finish_reason", "backend", "model", "usage", "cost", "attempts", "demo", "error"}
"""What every line of ours has had since the first version."""


class OutFileError(BatchError):
    """A file that may not be replaced: it is not ours, or was edited since we wrote it."""


def claim(out: Path, journal: Path, *, fresh: bool = False, raw_csv: bool = False) -> int:
    """Make sure that ``out`` may be replaced by what ``journal`` will hold. Writes nothing to ``out``.

    Where the journal is gone and ``out`` is ours, a new journal gets its answers: returns how many.
    Raises OutFileError.
    """
    if not out.exists() or out.stat().st_size == 0:
        return 0
    if journal.exists():
        with Journal(journal) as book:
            written = {book.metadata(_WRITTEN), book.metadata(_TO_BE_WRITTEN)} - {None}
            if _digest(out) in written or (not written and _agrees(out, book, raw_csv=raw_csv)):
                return 0
        raise OutFileError(
            f"{out}: was changed since it was written, and is left as it is; nothing was asked. Move it away, give "
            "another -o, or replace it with --force"
        )
    lines = _read(out, raw_csv=raw_csv)
    if lines is None:
        raise OutFileError(
            f"{out}: was not written by this command, and is left as it is; nothing was asked. Give another -o, or "
            "replace it with --force"
        )
    return 0 if fresh else _adopt(lines, out, journal)


def write(out: Path, pieces: Iterable[str], journal: Journal) -> None:
    """Write ``out`` so that it is either as before or complete, whatever happens meanwhile, for its owner's eyes only.

    A file that was there keeps its mode. Raises BatchError.
    """
    target = Path(os.path.realpath(out))  # where a link leads: the link stays
    part = target.with_name(f".{target.name}.part")
    try:
        mode = 0o600
        if target.exists():
            mode = stat.S_IMODE(target.stat().st_mode)
            if not target.is_file():
                raise BatchError(f"{out}: is no file, and was left as it is; the journal has the results")
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        hashed = hashlib.sha256()
        with os.fdopen(number, "wb") as file:
            os.fchmod(number, mode)
            for piece in pieces:
                data = piece.encode("utf-8", "backslashreplace")
                hashed.update(data)
                file.write(data)
            file.flush()
            os.fsync(number)
        journal.set_metadata(_TO_BE_WRITTEN, hashed.hexdigest())
        part.replace(target)
        journal.set_metadata(_WRITTEN, hashed.hexdigest())
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BatchError(f"{out}: cannot be written: {error.strerror}; the journal has the results") from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _agrees(out: Path, journal: Journal, *, raw_csv: bool) -> bool:
    """Whether every answer in ``out`` is one of the journal's: for journals that have no digest of their file."""
    lines = _read(out, raw_csv=raw_csv)
    if lines is None:
        return False
    recorded = Counter(
        (each.id, hash(each.output.content)) for each in journal.recorded_items(earlier=True) if each.output is not None
    )
    given = Counter((line["id"], hash(line["text"])) for line in lines if line["text"] is not None)
    return given <= recorded


def _read(out: Path, *, raw_csv: bool) -> list[Mapping[str, Any]] | None:
    """The lines of a file of ours, None if it is not ours."""
    try:
        lines = list(_table_lines(out, raw=raw_csv) if out.suffix.lower() == ".csv" else _json_lines(out))
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return None
    return lines


def _json_lines(out: Path) -> Iterator[Mapping[str, Any]]:
    with out.open(encoding="utf-8") as file:
        for text in file:
            line = json.loads(text)
            if not isinstance(line, dict) or not line.keys() >= _FIRST_NAMES:
                raise ValueError("no line of ours")
            yield line


def _table_lines(out: Path, *, raw: bool) -> Iterator[Mapping[str, Any]]:
    with out.open(encoding="utf-8-sig", newline="") as file:
        first = re.match(r'"(?:[^"]|"")*"(.)', file.readline())
        if first is None:
            raise ValueError("no table of ours")
        file.seek(0)
        csv.field_size_limit(2**31 - 1)  # an answer may be longer than the usual 128 KiB
        rows = csv.reader(file, delimiter=first[1])
        header = next(rows)
        columns = tuple(header[: len(header) - len(RESULT_COLUMNS)])
        if CsvForm(columns, raw=raw).header != header:
            raise ValueError("no table of ours")
        for row in rows:
            own = dict(zip(RESULT_COLUMNS, row[len(columns) :], strict=True))
            given = dict(zip(columns, row, strict=False))
            text = own["text"] if raw else as_written(own["text"])
            answered = own["state"] in ("answered", "cut", "refused") and not own["error"]
            yield {
                "id": as_written(given.get("id", "")) or None,
                "text": text if answered else None,
                "finish_reason": own["finish_reason"] or None,
                "backend": own["backend"],
                "model": own["model"],
                "cost": float(own["cost"]) if own["cost"] else None,
                "demo": own["demo"] == "yes",
                "digest": own["digest"] or None,
            }


def _adopt(lines: list[Mapping[str, Any]], out: Path, journal: Path) -> int:
    answers = [(place, line) for place, line in enumerate(lines) if line["text"] is not None]
    unknown = sum(line["id"] is None and not line.get("digest") for _, line in answers)
    if unknown:
        raise OutFileError(
            f"{out}: has {unknown:,} answers without an id, and its journal {journal.name} is gone: which prompts they "
            "answer cannot be told; nothing was asked. Give another -o, or ask all again with --fresh --force"
        )
    copies: Counter[str] = Counter()
    with Journal(journal) as book:
        book.begin_run()
        entries = []
        for place, line in answers:
            digest = line.get("digest") or ""
            copies[digest] += line["id"] is None
            entries.append(
                JournalEntry(
                    book.new_row(),
                    f"i:{line['id']}" if line["id"] is not None else _unnamed_key(digest, copies[digest]),
                    digest=digest if line["id"] is not None else "",
                    run_number=book.run_number,
                    position=place,
                    sends=1,
                    settled=1,
                    kind=ANSWERED,
                    matter=line.get("matter"),
                    record=encode_output(_output(line)),
                )
            )
        book.write(entries)
        book.set_metadata(_WRITTEN, _digest(out))
    return len(answers)


def _unnamed_key(digest: str, copy: int) -> str:
    return f"d:{digest}" if copy == 1 else f"d:{digest}#{copy}"


def _output(line: Mapping[str, Any]) -> InferenceOutput:
    calls = line.get("tool_calls") or ()
    usage = line.get("usage")
    return InferenceOutput(
        line["text"],
        tool_calls=tuple(ToolCall(call["id"], call["name"], None, call["arguments"]) for call in calls),
        token_usage=TokenUsage(**usage) if usage else TokenUsage(),
        finish_reason=line["finish_reason"],
        parsed=line.get("parsed"),
        quotes=tuple(Quote(**quote) for quote in line.get("quotes") or ()),
        findings=tuple(Finding(**finding) for finding in line.get("findings") or ()),
        cost=line["cost"],
        backend=line["backend"] or "",
        model=line["model"] or "",
        attempts=tuple(Attempt(**attempt) for attempt in line.get("attempts") or ()),
        provenance=line.get("provenance"),
        metadata={"demo": True} if line["demo"] else {},
    )
