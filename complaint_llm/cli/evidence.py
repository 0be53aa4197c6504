"""``complaint-llm evidence``: what clients hand in, stored, found again, checked and handed on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from complaint_llm.cli.evidence_output import (
    deletion_text,
    fail_if,
    name_of,
    print_records,
    print_verification,
    record_text,
    say,
    write_file,
)
from complaint_llm.cli.evidence_progress import bytes_in, progress
from complaint_llm.cli.options import OutputFile
from complaint_llm.cli.terminal import write_bytes
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
@click.option("--matter", metavar="NUMBER", help="The matter that it belongs to.")
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="Further facts; may be given several times.")
@click.option("--mime-type", help="The type that it is declared to have; otherwise by the file's name.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@click.pass_obj
def add(app: OpensStore, /, paths: tuple[str, ...], metadata: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Store files, folders with every file in them, or standard input ("-"), and print the CID of each.

    A folder's own CID, the last of its lines, is that of `ipfs add -r --cid-version=1`. What cannot be read, is a link
    in a folder, or was changed while it was read is reported and the rest stored; the exit code is 1 then. Adding
    again changes nothing.

    Example: complaint-llm evidence add review.pdf --type letter --description "Performance review"
    """
    given["metadata"] = _pairs(metadata)
    failed = count = 0
    with app.open_store() as store, progress(bytes_in(paths), "adding") as advance:
        try:
            for path, outcome in _outcomes(store, paths, given, advance):
                count += 1
                if isinstance(outcome, EvidenceError):
                    failed += 1
                    say(str(outcome), err=True)
                else:
                    say(json.dumps(outcome, ensure_ascii=False) if as_json else f"{outcome['cid']}  {path}")
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    if failed:
        say(f"{failed} of {count} were not stored", err=True)
        raise click.exceptions.Exit(1)


@evidence.command()
@click.argument("cid")
@click.option("-o", "--output", type=OutputFile(allow_dash=True), help='Write the content here ("-").')
@JSON
@click.pass_obj
def get(app: OpensStore, cid: str, output: str | None, as_json: bool) -> None:
    """Show the newest record of CID, or write its content, every block verified.

    A file under OUTPUT appears when the content is whole; of a folder that was stored, a folder. Without a record here,
    only the content can be had, from the IPFS node. CID may be a link as it was pasted.

    Example: complaint-llm evidence get bafkrei... -o review.pdf
    """
    with app.open_store() as store:
        if output is None:
            record = store.get_evidence_by_cid(cid)
            say(json.dumps(record, ensure_ascii=False, indent=2) if as_json else record_text(record))
        elif output != "-" and store.is_folder(cid):
            fail_if(store.write_folder(cid, output), "not in the folder")
        elif output == "-":
            write_bytes(store.iter_evidence(cid))
        else:
            write_file(Path(output), store.iter_evidence(cid))


@evidence.command("list")
@click.option("--user", "user_id", help="Only what this user handed in.")
@click.option("--claim-type", help="Only what supports this claim.")
@click.option("--matter", metavar="NUMBER", help="Only what belongs to this matter.")
@click.option("-n", "--limit", type=click.IntRange(0), help="How many at most; 0 is all.  [default: 0]")
@click.option("--after", metavar="RECORD", help="Go on after this record, the last one of the list before.")
@JSON
@click.pass_obj
def list_records(
    app: OpensStore,
    user_id: str | None,
    claim_type: str | None,
    matter: str | None,
    limit: int | None,
    after: str | None,
    as_json: bool,
) -> None:
    """List the records, oldest first.

    A long list comes in pages: --limit 100, then --after the record_id (in --json) of the last one.

    Example: complaint-llm evidence list --matter 2026-0417
    """
    damaged: list[str] = []

    def note(error: EvidenceError) -> None:
        damaged.append(str(error))

    with app.open_store() as store:
        every = store.iter_records(user_id, after=after, damaged=note)
        wanted = (r for r in every if claim_type in (None, r["claim_type"]) and matter in (None, r["matter"]))
        records = list(islice(wanted, limit or None))
    print_records(records, as_json)
    fail_if(damaged, "not in this list")


@evidence.command()
@click.argument("cids", nargs=-1, metavar="[CID...]")
@click.option("--user", "user_id", help="All that this user handed in, in one go.")
@JSON
@click.pass_obj
def delete(app: OpensStore, cids: tuple[str, ...], user_id: str | None, as_json: bool) -> None:
    """Delete all records of each CID, and its content unless other evidence has parts of it too; for good.

    With --user only that user's records go, and what others handed in too stays.

    Example: complaint-llm evidence delete bafkrei...
    """
    if bool(cids) == (user_id is not None):
        raise click.UsageError("give CIDs, or --user")
    failed = False
    with app.open_store() as store:
        for named in cids if user_id is None else (user_id,):
            try:
                done = store.delete_evidence(named) if user_id is None else store.delete_user_evidence(named)
            except EvidenceError as error:
                failed = True
                say(str(error), err=True)
            else:
                say(json.dumps(done) if as_json else deletion_text(done))
    if failed:
        raise click.exceptions.Exit(1)


@evidence.command()
@click.option("--all", "all_of_it", is_flag=True, help="Read again what was read before and did not change since.")
@JSON
@click.pass_obj
def verify(app: OpensStore, all_of_it: bool, as_json: bool) -> None:
    """Check every bit of every block, record and provenance record; name what is not as it was written.

    Files that were read before and nobody wrote to since are read again with --all alone, which shows what a failing
    disk changed. One answer or one piece of evidence: complaint-llm verify CID. Exit code 1 if anything is wrong.

    Example: complaint-llm evidence verify
    """
    with app.open_store() as store, progress(None, "verifying") as advance:
        print_verification(found := store.verify(advance, all_of_it=all_of_it), as_json)
    if not found.ok:
        raise click.exceptions.Exit(1)


@evidence.command()
@click.argument("cids", nargs=-1, metavar="[CID...]")
@click.option("-o", "--output", required=True, type=OutputFile(), help="The CAR file to write.")
@click.option("--all", "everything", is_flag=True, help="Everything in the store.")
@click.option("--matter", metavar="NUMBER", help="All that belongs to this matter, answers too, and no more.")
@click.option("--content-only", is_flag=True, help="Leave out what was said about it.")
@click.option("--chain", "with_chain", is_flag=True, help="Of an answer, also the records before it.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@JSON
@click.pass_obj
def export(
    app: OpensStore,
    cids: tuple[str, ...],
    output: str,
    everything: bool,
    matter: str | None,
    content_only: bool,
    with_chain: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write evidence and its records as a CAR v1 file, which IPFS tools read.

    A CID of an answer's provenance brings its kept texts and the evidence that it cites, so that it can be verified
    elsewhere; the records before it only with --chain, for they are of other people's questions.

    Example: complaint-llm evidence export bafkrei... -o case-17.car
    """
    if bool(cids) + everything + (matter is not None) != 1:
        raise click.UsageError("give CIDs, --all, or --matter")
    if Path(output).exists() and not force:
        raise click.UsageError(f"{output} is there already; --force replaces it")
    with app.open_store() as store:
        if everything:
            done = store.export_all(output, with_records=not content_only)
        elif matter is not None:
            done = store.export_matter(matter, output, with_records=not content_only)
        else:
            done = store.export_car(cids, output, with_records=not content_only, with_chain=with_chain)
    left_out = done.pop("left_out")
    answers = f", {done['provenance']} answers" if done["provenance"] else ""
    text = f"{output}  {done['roots']} roots, {done['records']} records, {done['blocks']} blocks{answers}"
    say(json.dumps({"output": output, **done, "left_out": left_out}) if as_json else text)
    fail_if(left_out, "not in the file")


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

    The files of a folder get records of their own. All is marked as imported from this file; the times that it tells
    are kept apart from ours.

    Example: complaint-llm evidence import case-17.car
    """
    with app.open_store() as store:
        done = store.import_archive(source, max_size=max_size, **given)
    for record in done["records"]:
        new = "new" if record["record_created"] else "there already"
        named = f"{record['cid']}  {new}  {name_of(record)}".rstrip()
        say(json.dumps(record, ensure_ascii=False) if as_json else named)
    for cid in done["provenance"]:
        say(json.dumps({"provenance": cid}) if as_json else f"{cid}  answer")
    fail_if(done["left_out"], "without a record")


@evidence.command()
@JSON
@click.pass_obj
def sync(app: OpensStore, as_json: bool) -> None:
    """Give the IPFS node what it missed while it was away.

    Example: complaint-llm evidence sync
    """
    with app.open_store() as store:
        done = store.sync()
    say(json.dumps(done) if as_json else f"{done['pinned']} pinned, {done['unpinned']} unpinned")


@evidence.command()
@click.option("--force", is_flag=True, help="Also where records were lost.")
@JSON
@click.pass_obj
def gc(app: OpensStore, force: bool, as_json: bool) -> None:
    """Move blocks that no evidence has to the trash, and list them; remove what came there 30 days ago.

    Until then they come back where a record needs them. Nothing is moved where records were lost or damaged.

    Example: complaint-llm evidence gc
    """
    with app.open_store() as store:
        done = store.gc(force=force)
    if as_json:
        say(json.dumps(done))
        return
    for cid in done["moved"]:
        say(f"{cid}  moved to the trash")
    say(
        f"{done['blocks']} blocks moved to the trash for {done['days']} days, {done['restored']} taken back, "
        f"{done['expired'] + done['purged']} removed, {done['unfinished']} unfinished files removed"
    )


@evidence.command()
@JSON
@click.pass_obj
def rebuild(app: OpensStore, as_json: bool) -> None:
    """Make the index again from the log of records, and mend what is damaged as far as it is there twice.

    For a store.db that is lost, damaged or of an older day. Exit code 1 if records stay damaged or lost.

    Example: complaint-llm evidence rebuild
    """
    with app.open_store() as store:
        done = store.rebuild()
    if as_json:
        say(json.dumps(done._asdict()))
    else:
        for line in done.damaged:
            say(line)
        if done.aside is not None:
            say(f"the index could not be read and is now {done.aside}")
        say(
            f"{done.records:,} records, {done.back:,} of them put back, {done.restored:,} blocks taken back from the "
            f"trash, {done.orphans:,} blocks without a record; `complaint-llm evidence verify` checks them all"
        )
    if done.damaged or done.orphans:
        raise click.exceptions.Exit(1)


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


def _outcomes(
    store: EvidenceStore, paths: tuple[str, ...], given: Mapping[str, Any], advance: Callable[[int], object] | None
) -> Iterator[tuple[str | Path, dict[str, Any] | EvidenceError]]:
    """What came of each path: standard input, folders, and files, these together."""
    for kind, together in groupby(paths, _kind):
        if kind == "files":
            yield from store.submit_evidence_files(together, progress=advance, **given)
            continue
        for path in together:
            if kind == "input":
                yield path, _from_stdin(store, given)
            else:
                yield from store.submit_evidence_folder(path, progress=advance, **given)


def _kind(path: str) -> str:
    if path == "-":
        return "input"
    return "folder" if Path(path).is_dir() else "files"
