"""``complaint-llm forget``: where something of a matter is kept, and its deletion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.terminal import tell, write
from complaint_llm.exceptions import ComplaintLLMError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from complaint_llm.config import Config
    from complaint_llm.matters.holder import MatterPlaces


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(exists=True, path_type=Path))
@click.option("--matter", required=True, metavar="NUMBER", help="The matter, as it was given to --matter.")
@click.option("--yes", is_flag=True, help="Delete it, for good.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def forget(app: App, paths: tuple[Path, ...], matter: str, yes: bool, as_json: bool) -> None:
    """List every place where something of a matter is kept; with --yes, delete it.

    Looked through are results of batches, their journals and pages in PATH (files, or folders without those below
    them; otherwise the working directory), conversations that are kept, the cache, the evidence and the provenance of
    answers. What cannot be reached is named. What other matters have too stays. Run again after an interruption, it
    finishes.

    Exit code 1 if something could not be looked through or deleted.

    Example: complaint-llm forget --matter 2026-0417 --yes
    """
    # cold start: a shell that completes options needs none of this
    from complaint_llm.matters.holder import find_matter, forget_matter
    from complaint_llm.matters.holders import holders_of

    if not matter.strip():
        raise click.UsageError("--matter is empty")
    config = None if app.find_config() is None else app.load_config()
    places = paths or (Path(),)
    holders = holders_of(config, places, app.open_store)
    outcome = forget_matter(holders, matter) if yes else find_matter(holders, matter)
    beyond = _out_of_reach(app, config, places)
    if as_json:
        said = {"matter": matter, "deleted": yes, **outcome.as_json(), "out_of_reach": beyond}
        write(json.dumps(said, ensure_ascii=False, indent=2))
    else:
        _print(outcome, beyond, deleted=yes)
    if outcome.problems:
        raise click.exceptions.Exit(1)


def _print(outcome: MatterPlaces, beyond: Sequence[str], *, deleted: bool) -> None:
    for place in outcome.places:
        write(f"{'deleted: ' if deleted else ''}{place.line()}")
    if not outcome.places and not outcome.problems:
        write("nothing of this matter is left" if deleted else "nothing of this matter was found")
    for line in beyond:
        tell(f"not reached: {line}")
    for line in outcome.problems:
        tell(f"{'not deleted' if deleted else 'not looked through'}: {line}")
    if outcome.places and not deleted:
        tell("nothing was deleted: --yes deletes it for good")


def _out_of_reach(app: App, config: Config | None, paths: Sequence[Path]) -> list[str]:
    from complaint_llm.matters.holders import out_of_reach  # cold start: matters

    if config is None:
        return out_of_reach(None, paths, None)
    try:
        with app.open_backends() as mediator:
            return out_of_reach(config, paths, mediator)
    except ComplaintLLMError as error:
        return [f"providers, of which the config says too little: {error}", *out_of_reach(config, paths, None)]
