"""The composed schema beside the config, where editors find it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from complaint_llm.cli.app import App


def compose_schema(app: App) -> dict[str, Any]:
    """The schema for the config that is read, or for any where there is none."""
    return _schema_of(app, _source(app.find_config()))


def write_for_editors(app: App, target: str, link: bool) -> None:
    """Write it to ``target``, or beside the config where that is empty; ``link`` names it in the config. Raises
    ConfigError."""
    config = app.find_config()
    source = _source(config)
    composed = _schema_of(app, source)
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
    composed = _schema_of(app, read(path))
    try:
        write_schema(file, composed)
    except ConfigError as error:
        tell(f"the config is saved, and editors go by an older schema: {error}")


def _source(config: Path | None) -> Source | list[str] | None:
    return None if config is None else read(config)


def _schema_of(app: App, source: Source | list[str] | None) -> dict[str, Any]:
    return composed_schema(app.open_host(), source.document if isinstance(source, Source) else None)
