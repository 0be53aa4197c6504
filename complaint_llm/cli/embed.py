"""``complaint-llm embed``: the vectors of texts."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from complaint_llm.cli.app import App


@click.command()
@click.argument("texts", nargs=-1, metavar="TEXT...")
@click.option("-b", "--backend", help="Ask only this backend (its id).")
@click.option("-m", "--model", help="The embedding model; otherwise the backend's embedding_model.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds for the whole call.")
@click.pass_obj
def embed(app: App, /, texts: tuple[str, ...], **given: Any) -> None:
    """Print the vector of each TEXT as a JSON array a line, in order; without TEXT each line of standard input is one.

    Example: complaint-llm embed "wrongful termination" "unpaid wages"
    """
    asked = list(texts) or [line.rstrip("\n") for line in sys.stdin]
    params = {key: value for key, value in given.items() if value is not None}
    with app.open_mediator() as mediator:
        vectors = mediator.embed(asked, **params)
    for vector in vectors:
        click.echo(json.dumps(vector))
