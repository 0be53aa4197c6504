"""``complaint-llm embed``: the vectors of texts."""

from __future__ import annotations

import io
import json
from typing import Any

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.options import SECONDS
from complaint_llm.cli.streams import read_all
from complaint_llm.cli.terminal import write


@click.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("-b", "--backend", help="Ask only this backend (its id).")
@click.option("-m", "--model", help="The embedding model; otherwise the backend's embedding_model.")
@click.option("--timeout", type=SECONDS, help="Seconds for the whole call.")
@click.option("--matter", metavar="NUMBER", help="The matter that it belongs to.")
@click.pass_obj
def embed(app: App, /, texts: tuple[str, ...], **given: Any) -> None:
    """Print the vector of each TEXT as a JSON array a line, in order; without TEXT each line of standard input is one.

    Example: complaint-llm embed "wrongful termination" "unpaid wages"
    """
    asked = list(texts) or [line.rstrip("\n") for line in io.StringIO(read_all())]
    params = {key: value for key, value in given.items() if value is not None}
    with app.open_mediator() as mediator:
        vectors = mediator.embed(asked, **params)
    for vector in vectors:
        write(json.dumps(vector))
