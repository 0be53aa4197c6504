"""``complaint-llm evidence``: what clients hand in, stored, found again, checked and handed on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from complaint_llm.cli.options import OutputFile
from complaint_llm.exceptions import EvidenceError

if TYPE_CHECKING:
    from complaint_llm.evidence import EvidenceStore

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class OpensStore(Protocol):
    """What these commands need of ``ctx.obj``."""

    def open_store(self) -> EvidenceStore:
        """The store that the config names; the command closes it. Raises ConfigError or EvidenceError."""


@click.group()
def evidence() -> None:
    """Store evidence under the CID that IPFS tools give it, and prove later that it is what was handed in.

    Example: complaint-llm evidence add letters/ --user client-17 --claim-type wrongful_termination
    """


@evidence.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, allow_dash=True))
@click.option("--type", "evidence_type", default="document", show_default=True, help="What it is.")
@click.option("--description", default="", help="In words.")
@click.option("--claim-type", help="The claim that it supports.")
@click.option("--claim-element", help="The element of that claim.")
@click.option("--user", "user_id", help="Whose it is.")
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="Further facts; may be given several times.")
@click.option("--mime-type", help="The type that it is declared to have; otherwise by the file's name.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@click.pass_obj
def add(app: OpensStore, /, paths: tuple[str, ...], metadata: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Store files, every file of folders, or standard input ("-"), and print the CID of each.

    What cannot be read is reported and the rest stored; the exit code is 1 then. Adding again changes nothing.

    Example: complaint-llm evidence add review.pdf --type letter --description "Performance review"
    """
    given["metadata"] = _pairs(metadata)
    failed = 0
    with app.open_store() as store:
        found = [(path, size) for given_path in paths for path, size in _files(given_path)]
        with _progress(sum(size for _, size in found), "adding") as advance:
            files = [path for path, _ in found if path != "-"]
            try:
                outcomes = chain(
                    (("-", _from_stdin(store, given)) for path in paths if path == "-"),
                    store.submit_evidence_files(files, progress=advance, **given),
                )
                for path, outcome in outcomes:
                    if isinstance(outcome, EvidenceError):
                        failed += 1
                        click.echo(str(outcome), err=True)
                    else:
                        text = f"{outcome['cid']}  {path}"
                        click.echo(json.dumps(outcome, ensure_ascii=False) if as_json else text)
            except ValueError as error:
                raise click.UsageError(str(error)) from error
    if failed:
        click.echo(f"{failed} of {len(found)} files were not stored", err=True)
        raise click.exceptions.Exit(1)


@evidence.command()
@click.argument("cid")
@click.option("-o", "--output", type=OutputFile(allow_dash=True), help='Write the content here ("-").')
@JSON
@click.pass_obj
def get(app: OpensStore, cid: str, output: str | None, as_json: bool) -> None:
    """Show the newest record of CID, or write its content, every block verified.

    A file under OUTPUT appears when the content is whole. Without a record here, only the content can be had, from the
    IPFS node.

    Example: complaint-llm evidence get bafkrei... -o review.pdf
    """
    with app.open_store() as store:
        if output is None:
            record = store.get_evidence_by_cid(cid)
            click.echo(json.dumps(record, ensure_ascii=False, indent=2) if as_json else _shown(record))
        elif output == "-":
            for piece in store.iter_evidence(cid):
                sys.stdout.buffer.write(piece)
        else:
            _write(Path(output), store.iter_evidence(cid))


@evidence.command("list")
@click.option("--user", "user_id", help="Only what this user handed in.")
@click.option("--claim-type", help="Only what supports this claim.")
@JSON
@click.pass_obj
def list_records(app: OpensStore, user_id: str | None, claim_type: str | None, as_json: bool) -> None:
    """List the records, oldest first.

    Example: complaint-llm evidence list --user client-17
    """
    from complaint_llm.cli.table import print_table

    with app.open_store() as store:
        records = store.list_evidence() if user_id is None else store.get_user_evidence(user_id)
    records = [record for record in records if claim_type in (None, record["claim_type"])]
    if as_json:
        click.echo(json.dumps(records, ensure_ascii=False, indent=2))
        return
    rows = [
        (r["cid"], r["created"][:19], f"{r['size']:,}", r["evidence_type"], r["claim_type"] or "", r["file_name"] or "")
        for r in records
    ]
    print_table(("CID", "created (UTC)", "bytes", "type", "claim", "file"), rows)


@evidence.command()
@click.argument("cids", nargs=-1, required=True, metavar="CID...")
@JSON
@click.pass_obj
def delete(app: OpensStore, cids: tuple[str, ...], as_json: bool) -> None:
    """Delete all records of each CID, and its content unless other evidence has parts of it too.

    Example: complaint-llm evidence delete bafkrei...
    """
    failed = False
    with app.open_store() as store:
        for cid in cids:
            try:
                done = store.delete_evidence(cid)
            except EvidenceError as error:
                failed = True
                click.echo(str(error), err=True)
                continue
            what = f"{done['records']} records, {done['blocks']} blocks"
            if done["blocks"] is None:
                what = f"{done['records']} records; its blocks go with `complaint-llm evidence gc`"
            click.echo(json.dumps(done) if as_json else f"{done['cid']}  {what}")
    if failed:
        raise click.exceptions.Exit(1)


@evidence.command()
@JSON
@click.pass_obj
def verify(app: OpensStore, as_json: bool) -> None:
    """Check every bit of every block, record and provenance record; name what is not as it was written.

    One answer or one piece of evidence: complaint-llm verify CID. Exit code 1 if anything is wrong.

    Example: complaint-llm evidence verify
    """
    with app.open_store() as store, _progress(None, "verifying") as advance:
        found = store.verify(advance)
    if as_json:
        faults = [fault._asdict() for fault in found.faults]
        click.echo(json.dumps({**found._asdict(), "faults": faults, "ok": found.ok}, ensure_ascii=False, indent=2))
    else:
        for fault in found.faults:
            click.echo(f"{fault.kind} {fault.name}: {fault.reason}")
        wrong = f"{len(found.faults)} faults" if found.faults else "all as written"
        click.echo(
            f"{found.blocks:,} blocks ({found.bytes:,} bytes), {found.records:,} records, "
            f"{found.provenance:,} provenance records: {wrong}"
        )
    if not found.ok:
        raise click.exceptions.Exit(1)


@evidence.command()
@click.argument("cids", nargs=-1, metavar="[CID...]")
@click.option("-o", "--output", required=True, type=OutputFile(), help="The CAR file to write.")
@click.option("--all", "everything", is_flag=True, help="Everything in the store.")
@click.option("--content-only", is_flag=True, help="Leave out what was said about it.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@JSON
@click.pass_obj
def export(
    app: OpensStore,
    cids: tuple[str, ...],
    output: str,
    everything: bool,
    content_only: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write evidence and its records as a CAR v1 file, which IPFS tools read.

    Example: complaint-llm evidence export bafkrei... -o case-17.car
    """
    if bool(cids) == everything:
        raise click.UsageError("give CIDs, or --all")
    if Path(output).exists() and not force:
        raise click.UsageError(f"{output} is there already; --force replaces it")
    with app.open_store() as store:
        wanted = [record["cid"] for record in store.list_evidence()] if everything else list(cids)
        counts = store.export_car(wanted, output, with_records=not content_only)
    text = f"{output}  {counts['roots']} contents, {counts['records']} records, {counts['blocks']} blocks"
    click.echo(json.dumps({"output": output, **counts}) if as_json else text)


@evidence.command("import")
@click.argument("source", metavar="CAR", type=click.Path(exists=True, dir_okay=False))
@click.option("--type", "evidence_type", default="imported", show_default=True, help="Of contents without a record.")
@click.option("--description", default="", help="Of contents without a record.")
@click.option("--user", "user_id", help="Whose contents without a record are.")
@click.option("--max-size", type=click.IntRange(1), help="Bytes of the largest content; 64 GiB otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@click.pass_obj
def import_(app: OpensStore, /, source: str, max_size: int | None, as_json: bool, **given: Any) -> None:
    """Take in a CAR v1 file: every block verified, every content whole, or nothing.

    Example: complaint-llm evidence import case-17.car
    """
    with app.open_store() as store:
        for record in store.import_car(source, max_size=max_size, **given):
            new = "new" if record["record_created"] else "there already"
            click.echo(json.dumps(record, ensure_ascii=False) if as_json else f"{record['cid']}  {new}")


@evidence.command()
@JSON
@click.pass_obj
def sync(app: OpensStore, as_json: bool) -> None:
    """Give the IPFS node what it missed while it was away.

    Example: complaint-llm evidence sync
    """
    with app.open_store() as store:
        done = store.sync()
    click.echo(json.dumps(done) if as_json else f"{done['pinned']} pinned, {done['unpinned']} unpinned")


@evidence.command()
@JSON
@click.pass_obj
def gc(app: OpensStore, as_json: bool) -> None:
    """Remove blocks that no evidence has any more, and what interrupted writes left.

    Example: complaint-llm evidence gc
    """
    with app.open_store() as store:
        done = store.gc()
    text = f"{done['blocks']} blocks and {done['unfinished']} unfinished files removed"
    click.echo(json.dumps(done) if as_json else text)


def _from_stdin(store: EvidenceStore, given: Mapping[str, Any]) -> dict[str, Any] | EvidenceError:
    try:
        return store.submit_evidence_stream(sys.stdin.buffer, **given)
    except EvidenceError as error:
        return error


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for item in given:
        key, separator, value = item.partition("=")
        if not separator or not key:
            raise click.UsageError(f"--metadata {item!r}: write it as KEY=VALUE")
        pairs[key] = value
    return pairs


def _files(given: str) -> Iterator[tuple[str, int]]:
    """The files of a path with their sizes, folders in order of names. Links inside folders are not followed."""
    if given == "-":
        yield "-", 0
    elif not Path(given).is_dir():
        yield given, Path(given).stat().st_size
    else:
        for folder, below, names in os.walk(given):
            below.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_symlink():
                    click.echo(f"{path} is a link and was left out; give it by itself if it is meant", err=True)
                else:
                    yield str(path), path.stat().st_size


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    path = Path(os.path.realpath(path))  # where a link leads: the link stays
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with temporary.open("xb") as file:
                for piece in pieces:
                    file.write(piece)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise EvidenceError(f"{path} cannot be written: {error.strerror or error}") from error


def _shown(record: dict[str, Any]) -> str:
    width = max(map(len, record))
    filled = ((key, value) for key, value in record.items() if value not in (None, "", {}))
    return "\n".join(
        f"{key.ljust(width)}  {json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value}"
        for key, value in filled
    )


@contextmanager
def _progress(total: int | None, what: str) -> Iterator[Callable[[int], object] | None]:
    """A bar of bytes on a terminal; None elsewhere, so that nothing is counted for no one."""
    if not _is_terminal():
        yield None
        return
    with click.progressbar(length=total or 0, label=what, file=sys.stderr, show_pos=False) as bar:
        yield bar.update if total else None


def _is_terminal() -> bool:
    return sys.stderr.isatty()
