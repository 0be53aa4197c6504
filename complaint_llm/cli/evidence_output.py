"""What ``complaint-llm evidence`` and ``verify`` print and write."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from complaint_llm.cli.table import print_table
from complaint_llm.cli.terminal import tell, write
from complaint_llm.exceptions import EvidenceError

if TYPE_CHECKING:
    from complaint_llm.evidence.maintenance.verification import Verification


def say(text: str, *, err: bool = False) -> None:
    """Print a line."""
    (tell if err else write)(text)


def print_records(records: list[dict[str, Any]], as_json: bool) -> None:
    """Print records as a table, or as JSON."""
    if as_json:
        say(json.dumps(records, ensure_ascii=False, indent=2))
        return
    rows = [
        (r["cid"], r["created"][:19], f"{r['size']:,}", r["evidence_type"], r["claim_type"] or "", name_of(r))
        for r in records
    ]
    print_table(("CID", "created (UTC)", "bytes", "type", "claim", "file"), rows)


def record_text(record: dict[str, Any]) -> str:
    """A record, a line for each thing that it says."""
    width = max(map(len, record))
    filled = ((key, value) for key, value in record.items() if value not in (None, "", {}))
    return "\n".join(
        f"{key.ljust(width)}  {json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value}"
        for key, value in filled
    )


def print_verification(found: Verification, as_json: bool) -> None:
    """Print each fault, what was looked at, and what of it was not read now."""
    if as_json:
        faults = [fault._asdict() for fault in found.faults]
        say(json.dumps({**found._asdict(), "faults": faults, "ok": found.ok}, ensure_ascii=False, indent=2))
        return
    for fault in found.faults:
        say(f"{fault.kind} {fault.name}: {fault.reason}")
    wrong = f"{len(found.faults)} faults" if found.faults else "all as written"
    say(
        f"{found.blocks:,} blocks ({found.bytes:,} bytes), {found.records:,} records, "
        f"{found.provenance:,} provenance records: {wrong}"
    )
    if found.since is not None:
        say(
            f"of these {found.unread_blocks:,} blocks ({found.unread_bytes:,} bytes) were not read now: their files "
            f"did not change since they were read, from {found.since} on; --all reads them again"
        )


def deletion_text(done: Mapping[str, Any]) -> str:
    """What was deleted, in a line."""
    named = done["cid"] if "cid" in done else f"{len(done['cids'])} contents of {done['user_id']}"
    what = f"{done['records']} records, {done['blocks']} blocks"
    if done["blocks"] is None:
        what = f"{done['records']} records; the blocks go with `complaint-llm evidence gc`"
    kept = f"; still in folder {', '.join(done['kept_by'])}" if "kept_by" in done else ""
    return f"{named}  {what}{kept}"


def name_of(record: Mapping[str, Any]) -> str:
    """A record's file name, with "/" after a folder's; empty without one."""
    name: str = record["file_name"] or ""
    return f"{name}/" if record["detected_type"] == "inode/directory" else name


def fail_if(left_out: Sequence[str], what: str) -> None:
    """Name what is missing, and end with exit code 1 if anything is."""
    for line in left_out:
        say(f"{what}: {line}", err=True)
    if left_out:
        raise click.exceptions.Exit(1)


def write_file(path: Path, pieces: Iterator[bytes]) -> None:
    """Write a file, for its owner alone, that appears when it is whole. Raises EvidenceError."""
    from complaint_llm.private_folder import open_private  # cold start: evidence

    path = Path(os.path.realpath(path))  # where a link leads: the link stays
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with open(temporary, "xb", opener=open_private) as file:
                for piece in pieces:
                    file.write(piece)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EvidenceError(f"{path} cannot be written: {error.strerror or error}") from error
