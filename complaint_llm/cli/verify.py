"""``complaint-llm verify``: what an answer rests on, each part verified or named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from complaint_llm.cli.evidence import OpensStore
from complaint_llm.cli.evidence_output import say

if TYPE_CHECKING:
    from complaint_llm.evidence import Step

STATE_WORDS = {
    "verified": "ok",
    "digest only": "--",
    "missing": "MISSING",
    "damaged": "DAMAGED",
    "forgotten": "FORGOTTEN",
}


@click.command()
@click.argument("cid")
@click.option("--depth", type=click.IntRange(1, 200), default=1, show_default=True, help="Records to show whole.")
@click.option("--after", metavar="CID", help="Go on before this record, the oldest one of the page before.")
@click.option("--all", "all_of_it", is_flag=True, help="Look again at what was verified before.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def verify(app: OpensStore, cid: str, depth: int, after: str | None, all_of_it: bool, as_json: bool) -> None:
    """Show the tree behind an answer's provenance CID, or behind evidence, and verify all of it.

    Of an answer: its text and prompt (or their digests), model, backend, parameters, config, plugins, price, the
    evidence that it cites, and the records before it. Exit code 1 if anything is missing or not as it was written, or
    if CID itself was forgotten with its matter; what rests on something that was forgotten is verified all the same. Of
    those records, what the last verification found whole is looked at again only if it was changed, or with --all.

    The records show every change made after the CID was noted elsewhere; they are not signed, and a CID that was
    only ever kept here proves nothing. A long chain comes in pages: --depth 100, then --after the oldest one shown.

    Example: complaint-llm verify bafyrei...
    """
    from complaint_llm.evidence import trace  # cold start: evidence

    with app.open_store() as store:
        tree = trace(store, cid, depth, after=after, all_of_it=all_of_it)
    fault = tree.fault
    if as_json:
        say(json.dumps({**_data(tree), "ok": tree.ok}, ensure_ascii=False, indent=2))
    else:
        for line in _lines(tree, "", ""):
            say(line)
    if fault is not None:
        say(f"not verified: {fault.what} {fault.cid}: {fault.detail}", err=True)
        raise click.exceptions.Exit(1)
    if tree.state == "forgotten":
        say(f"not verified: {tree.what} {tree.cid} was forgotten: {tree.detail}", err=True)
        raise click.exceptions.Exit(1)
    if not as_json:
        say("verified; shows changes against this CID kept elsewhere, and is not signed", err=True)


def _lines(step: Step, first: str, rest: str) -> Iterator[str]:
    mark = STATE_WORDS[step.state]
    named = step.what if step.cid is None else f"{step.what} {step.cid}"
    yield f"{first}{named}: {mark} {step.detail}".rstrip()
    for place, part in enumerate(step.parts):
        last = place == len(step.parts) - 1
        yield from _lines(part, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))


def _data(step: Step) -> dict[str, Any]:
    return {**step._asdict(), "parts": [_data(part) for part in step.parts]}
