"""``complaint-llm schema``: the composed JSON Schema, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.terminal import tell, write
from complaint_llm.config import composed_schema
from complaint_llm.config.saving import write as write_file
from complaint_llm.config.schema_file import (
    SCHEMA_NAME,
    schema_address,
    schema_line,
    with_schema_line,
    write_schema,
    written_schema,
)
from complaint_llm.config.source import Source, read
from complaint_llm.exceptions import ConfigError


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
    config = app.find_config()
    source = None if config is None else read(config)
    document = source.document if isinstance(source, Source) else None
    composed = composed_schema(app.open_host(), document)
    if target is None:
        write(json.dumps(composed, ensure_ascii=False, indent=2))
        return
    _write_file(composed, target, config, source, link)


def _write_file(
    composed: dict[str, Any], target: str, config: Path | None, source: Source | list[str] | None, link: bool
) -> None:
    folder = Path() if config is None else config.parent
    file = Path(target) if target else folder / SCHEMA_NAME
    if link and not isinstance(source, Source):
        raise ConfigError(source[0] if source else "--link: there is no config here: `complaint-llm init` makes one")
    write_schema(file, composed)
    write(str(file))
    if config is None:
        return
    address = schema_address(config, file)
    if link and isinstance(source, Source):
        write_file(config, with_schema_line(source, address))
        tell(f"{config} names it: {schema_line(config, address)}")
        return
    where = "at its top" if config.suffix.lower() in (".yaml", ".yml") else "as its first key"
    tell(f"editors find it if {config} has {where}: {schema_line(config, address)}  (--link writes that)")


def renew_schema(app: App) -> None:
    """Write the schema beside the config again, where one was written: it holds the config's ids."""
    path = app.find_config()
    file = None if path is None else written_schema(path)
    if path is None or file is None:
        return
    source = read(path)
    composed = composed_schema(app.open_host(), source.document if isinstance(source, Source) else None)
    try:
        write_schema(file, composed)
    except ConfigError as error:
        tell(f"the config is saved, and editors go by an older schema: {error}")
