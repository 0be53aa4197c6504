"""``complaint-llm schema``: the composed JSON Schema, for editors."""

from __future__ import annotations

import json

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.terminal import write

SCHEMA_NAME = "config.schema.json"
"""As ``complaint_llm.config.schema_file.SCHEMA_NAME``."""


@click.command()
@click.option(
    "--write",
    "target",
    is_flag=False,
    flag_value="",
    metavar="[PATH]",
    help=f"Write it into a file: PATH, or {SCHEMA_NAME} beside the config.",
)
@click.option("--link", is_flag=True, help="With --write: also name it in the config, so that editors find it.")
@click.pass_obj
def schema(app: App, target: str | None, link: bool) -> None:
    """Print the JSON Schema (2020-12) of config files, with all backend types that are installed, with those that the
    config's own plugins offer, and with the ids of the config.

    Editors find it by a key of a JSON config ("$schema") or by a comment at the top of a YAML config; --link writes
    that line. `config add`, `remove` and `set` write the one beside the
    config again; do so yourself when plugins have changed.

    Example: complaint-llm schema --write
    """
    if link and target is None:
        raise click.UsageError("--link goes with --write")
    from complaint_llm.cli.editor_schema import compose_schema, write_for_editors  # cold start: configs

    if target is None:
        write(json.dumps(compose_schema(app), ensure_ascii=False, indent=2))
    else:
        write_for_editors(app, target, link)
