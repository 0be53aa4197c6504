"""``complaint-llm config``: show and change the config file, keeping everything else in it as it is."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from complaint_llm.backends.options import backend_schema
from complaint_llm.cli.app import App
from complaint_llm.cli.terminal import tell, write
from complaint_llm.config.defaults import default_places
from complaint_llm.config.problems import json_pointer
from complaint_llm.json_schema.files import read_schema

if TYPE_CHECKING:
    from complaint_llm.config import Config

_KEYS_OF_BACKENDS = f"Keys of every backend: {', '.join(backend_schema()['properties'])}."
_KEYS_OF_MEDIATOR = f"Of MEDIATOR: {', '.join(read_schema('config')['properties']['MEDIATOR']['properties'])}."


@click.group()
def config() -> None:
    """Show or change the config file. Comments, order and formatting stay as they are.

    Example: complaint-llm config set MEDIATOR timeout 120
    """


@config.command()
@click.argument("where", required=False)
@click.pass_obj
def show(app: App, where: str | None) -> None:
    """Print the config as JSON, as it is written, without secrets; WHERE is a backend's id or a section.

    What plugins of PLUGINS.enable add where the file says nothing stands in "x-defaults", by plugin.

    Example: complaint-llm config show gpt
    """
    loaded = app.load_config()
    document = loaded.as_written()
    if loaded.defaults:
        document["x-defaults"] = dict(loaded.defaults)
    parts = {**document, **{entry["id"]: entry for entry in document["BACKENDS"]}}
    if where is not None and where not in parts:
        raise click.BadParameter(f"no backend and no section {where!r}; there are: {', '.join(parts)}")
    write(json.dumps(document if where is None else parts[where], ensure_ascii=False, indent=2))
    for place, value, name in default_places(loaded.defaults):
        if where == place[0]:
            tell(f"{json_pointer(place)} is {json.dumps(value, ensure_ascii=False)} by the plugin {name!r}")


@config.command(context_settings={"ignore_unknown_options": True}, epilog=_KEYS_OF_BACKENDS)
@click.argument("id")
@click.argument("type")
@click.argument("pairs", nargs=-1, metavar="[KEY VALUE]...")
@click.option("--by-id-only", is_flag=True, help="Do not put it into MEDIATOR.backends: it is asked only by its id.")
@click.pass_obj
def add(app: App, id: str, type: str, pairs: tuple[str, ...], by_id_only: bool) -> None:
    """Add a backend at the end. VALUE is JSON, or a text as it is; give keys as references: '$OPENAI_API_KEY'.

    Example: complaint-llm config add local ollama model llama3.2 optional true
    """
    if len(pairs) % 2:
        raise click.UsageError(f"{pairs[-1]!r} has no value: give KEY VALUE pairs")
    keys = {key: _value(text) for key, text in zip(pairs[::2], pairs[1::2], strict=True)}
    with _config_to_save(app) as loaded:
        loaded.add_backend(id=id, type=type, **keys)
        chosen = loaded.as_written().get("MEDIATOR", {}).get("backends")
        if chosen is not None and not by_id_only:
            loaded.set_key("MEDIATOR", "backends", [*chosen, id])


@config.command()
@click.argument("id")
@click.pass_obj
def remove(app: App, id: str) -> None:
    """Take a backend out, of MEDIATOR.backends too.

    Example: complaint-llm config remove local
    """
    with _config_to_save(app) as loaded:
        loaded.remove_backend(id)


@config.command(
    "set", context_settings={"ignore_unknown_options": True}, epilog=f"{_KEYS_OF_BACKENDS} {_KEYS_OF_MEDIATOR}"
)
@click.argument("where")
@click.argument("key")
@click.argument("value")
@click.pass_obj
def set_value(app: App, where: str, key: str, value: str) -> None:
    """Set a KEY of a backend (WHERE is its id) or of a section; dots lead inside, null takes the key out.

    VALUE is JSON, or a text as it is.

    Example: complaint-llm config set gpt temperature 0.2
    """
    with _config_to_save(app) as loaded:
        loaded.set_key(where, key, _value(value))


@contextmanager
def _config_to_save(app: App) -> Iterator[Config]:
    """The config, saved afterwards; what saving warns of is told in a line each."""
    loaded = app.load_config()
    yield loaded
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded.save()
    for each in caught:
        tell(str(each.message))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
