"""``complaint-llm schema``: the composed JSON Schema, for editors."""

from __future__ import annotations

import json

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.terminal import write
from complaint_llm.config import composed_schema


@click.command()
@click.pass_obj
def schema(app: App) -> None:
    """Print the JSON Schema (2020-12) of config files, with all backend types that are installed, and with those that
    the config's own plugins offer.

    Example: complaint-llm schema > config.schema.json
    """
    write(json.dumps(composed_schema(app.open_host()), ensure_ascii=False, indent=2))
