"""``complaint-llm config``: show and change the config file, keeping everything else in it as it is."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.terminal import tell, write
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.json_schema.places import json_pointer
from complaint_llm.json_schema.problems import nearest

if TYPE_CHECKING:
    from complaint_llm.config import Config


class _KeyedCommand(click.Command):
    """A command whose help ends with the keys that there are: of backends, and where it takes sections of MEDIATOR."""

    def __init__(self, *args: Any, of_sections: bool = False, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self._of_sections = of_sections

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The keys, read from the schemas when help is shown."""
        # cold start: a shell that completes options needs none of this
        from complaint_llm.backends.options import backend_schema
        from complaint_llm.json_schema.files import read_schema

        shown = f"Keys of every backend: {', '.join(backend_schema()['properties'])}."
        if self._of_sections:
            mediator = read_schema("config")["properties"]["MEDIATOR"]["properties"]
            shown += f" Of MEDIATOR: {', '.join(mediator)}."
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(shown)


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
    from complaint_llm.config.defaults import default_places  # cold start: configs

    loaded = app.load_config()
    document = loaded.as_written()
    if loaded.defaults:
        document["x-defaults"] = dict(loaded.defaults)
    parts = {**document, **{entry["id"]: entry for entry in document["BACKENDS"]}}
    if where is not None and where not in parts:
        meant = nearest(where, list(parts))
        hint = f"did you mean {meant!r}?" if meant else f"there are: {', '.join(parts)}"
        raise click.BadParameter(f"no backend and no section {where!r}; {hint}")
    write(json.dumps(document if where is None else parts[where], ensure_ascii=False, indent=2))
    for place, value, name in default_places(loaded.defaults):
        if where == place[0]:
            tell(f"{json_pointer(place)} is {json.dumps(value, ensure_ascii=False)} by the plugin {name!r}")


@config.command(cls=_KeyedCommand, context_settings={"ignore_unknown_options": True})
@click.argument("id")
@click.argument("type", required=False)
@click.argument("pairs", nargs=-1, metavar="[KEY VALUE]...")
@click.option("--by-id-only", is_flag=True, help="Do not put it into MEDIATOR.backends: it is asked only by its id.")
@click.pass_obj
def add(app: App, id: str, type: str | None, pairs: tuple[str, ...], by_id_only: bool) -> None:
    """Add a backend at the end. VALUE is JSON, or a text as it is; give keys as references: '$OPENAI_API_KEY'.

    Where TYPE needs keys that were not given, they are listed with what they mean.

    Example: complaint-llm config add local ollama model llama3.2 optional true
    """
    if type is None:
        listed = ", ".join(app.open_host().backend_type_names())
        raise click.UsageError(f"TYPE is missing, one of: {listed}")
    if len(pairs) % 2:
        raise click.UsageError(f"{pairs[-1]!r} has no value: give KEY VALUE pairs")
    keys = {key: _value(text) for key, text in zip(pairs[::2], pairs[1::2], strict=True)}
    with _config_to_save(app) as loaded:
        try:
            loaded.add_backend(id=id, type=type, **keys)
        except ConfigError as error:
            raise ConfigError(str(error), [*error.problems, *_type_in_words(app, type)]) from error
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
        if id not in loaded.order:
            meant = nearest(id, loaded.order)
            hint = f"did you mean {meant!r}?" if meant else f"there are: {', '.join(loaded.order)}"
            raise ConfigError(f"{loaded.path}: no backend {id!r}; {hint}")
        loaded.remove_backend(id)


@config.command("set", cls=_KeyedCommand, of_sections=True, context_settings={"ignore_unknown_options": True})
@click.argument("where")
@click.argument("key", required=False)
@click.argument("value", required=False)
@click.pass_obj
def set_value(app: App, where: str, key: str | None, value: str | None) -> None:
    """Set a KEY of a backend (WHERE is its id) or of a section; dots lead inside, null takes the key out.

    VALUE is JSON, or a text as it is. Without VALUE it says what KEY takes, without KEY which keys there are.

    Example: complaint-llm config set gpt temperature 0.2
    """
    if key is None or value is None:
        _tell_missing(app.load_config(), where, key)
    else:
        with _config_to_save(app) as loaded:
            # Of what is written in capitals the loader says more: a section that is not there yet is made.
            if where not in loaded.order and not where.isupper():
                from complaint_llm.cli.config_keys import unknown_place  # cold start: configs

                raise ConfigError(f"{loaded.path}: {unknown_place(loaded, where)}")
            loaded.set_key(where, key, _value(value))


def _tell_missing(config: Config, where: str, key: str | None) -> None:
    """Say what could be given; there was nothing to do, which is an error of usage."""
    from complaint_llm.cli.config_keys import key_in_words, keys_of, listed_keys, unknown_place  # cold start: configs

    try:
        schema = keys_of(config, where)
    except KeyError:
        raise click.BadParameter(unknown_place(config, where), param_hint="WHERE") from None
    said = None if key is None else key_in_words(schema, key)
    if said is not None:
        raise click.UsageError(f"VALUE is missing. {said}")
    for line in listed_keys(schema):
        tell(line)
    raise click.UsageError("KEY is missing" if key is None else f"{where} has no key {key!r}")


def _type_in_words(app: App, type: str) -> list[str]:
    """What the type needs and takes; nothing of one that is not there."""
    from complaint_llm.cli.config_keys import type_in_words  # cold start: configs

    try:
        return type_in_words(app.load_config().host, type)
    except PluginError:
        return []


@contextmanager
def _config_to_save(app: App) -> Iterator[Config]:
    """The config, saved afterwards; what saving warns of is told in a line each."""
    loaded = app.load_config()
    try:
        yield loaded
    except ConfigError as error:
        lines = [re.sub(r"^(?:add_backend|set_key|remove_backend): ", "", line) for line in error.problems]
        raise ConfigError("\n".join(lines), lines) from error
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loaded.save()
    for each in caught:
        tell(str(each.message))

    from complaint_llm.cli.editor_schema import renew_schema  # cold start: a config is seldom written

    renew_schema(app)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
