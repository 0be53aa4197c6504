"""``complaint-llm schema``: the composed JSON Schema, for editors."""

from __future__ import annotations

import json

import click

from complaint_llm.cli.app import App


@click.command()
@click.pass_obj
def schema(app: App) -> None:
    """Print the JSON Schema (2020-12) of config files, all installed backend types included.

    Example: complaint-llm schema > config.schema.json
    """
    from complaint_llm.config import composed_schema
    from complaint_llm.host import PluginHost

    click.echo(json.dumps(composed_schema(PluginHost()), ensure_ascii=False, indent=2))
