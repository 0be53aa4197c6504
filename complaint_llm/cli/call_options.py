"""The options that generate and batch share, and the parameters that they stand for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from complaint_llm.cli.attached_files import NAMES as ATTACHED
from complaint_llm.cli.attached_files import attachment_options, attachment_params
from complaint_llm.request import CALL_KEYS, GENERATION_KEYS

if TYPE_CHECKING:
    from complaint_llm.messages import InferenceOutput

F = TypeVar("F", bound=Callable[..., Any])

NAMES = ("system", "model", "backend", "param", "schema", "task", "privacy", "matter", "usage", *ATTACHED)
"""What the options hand over, by name; ``call_params`` takes these."""

_TEXTS = frozenset(("model", "backend", "system", "privacy", "reasoning_effort", "task", "matter"))
_KINDS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def call_options(command: F) -> F:
    """The options, for a command's decorators."""
    for option in reversed(
        (
            click.option("-s", "--system", metavar="TEXT", help="The system prompt."),
            click.option("-m", "--model", metavar="NAME", help="The model."),
            click.option("-b", "--backend", metavar="ID", help="Ask this backend alone."),
            click.option(
                *("-p", "--param"),
                nargs=2,
                multiple=True,
                metavar="KEY VALUE",
                help="Any parameter: -p temperature 0.2, -p stop '[\"END\"]'; the value is JSON, else a text.",
            ),
            click.option(
                "--schema",
                metavar="SCHEMA",
                help='The shape of the answer: a file, JSON, or fields such as "name, age int".',
            ),
            click.option("--task", metavar="ID", help="claims, summary, chronology, or one of the config's TASKS."),
            click.option("--privacy", type=click.Choice(["local"]), help="Nothing may leave this machine."),
            click.option("--matter", metavar="NUMBER", help="The matter that it belongs to."),
            click.option(
                "-u", "--usage", is_flag=True, help="Say backend, model, tokens and price of each answer, on stderr."
            ),
        )
    ):
        command = option(command)
    return attachment_options(command)


def call_params(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a call that the options say. Raises UsageError."""
    params: dict[str, Any] = {}
    for key, text in given.get("param") or ():
        name = key.replace("-", "_")
        if name not in GENERATION_KEYS | CALL_KEYS:
            raise click.UsageError(f"-p {key}: no such parameter{_nearest(name)}")
        params[name] = text if name in _TEXTS else _value(text)
    for name in ("system", "model", "backend", "task", "privacy", "matter"):
        if given.get(name) is not None:
            params[name] = given[name]
    params |= attachment_params(given)
    if given.get("schema") is not None:
        params["response_format"] = read_schema(given["schema"])
    return params


def read_schema(given: str) -> dict[str, Any]:
    """A JSON Schema from a file's name, from JSON, or from fields: ``name, age int, why: the reason``.

    A field is a name, then its type (str, int, float or bool; str where there is none), then what it means behind a
    colon. Raises UsageError.
    """
    text = given
    if not given.lstrip().startswith("{"):
        path = Path(given)
        if "\n" not in given and (path.suffix == ".json" or path.is_file()):
            try:
                text = path.read_text(encoding="utf-8-sig")
            except (OSError, ValueError) as error:
                raise click.UsageError(f"--schema {given}: cannot be read: {error}") from error
        else:
            return _from_fields(given)
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"--schema: no JSON: {error}") from error
    if not isinstance(schema, dict):
        raise click.UsageError("--schema: a schema is a JSON object")
    return schema


def usage_line(output: InferenceOutput) -> str:
    """Backend, model, tokens and price of an answer, in a line."""
    usage = output.token_usage
    cost = "price unknown" if output.cost is None else f"${output.cost:.6f}"
    by = f"{output.backend} ({output.model})" if output.model else output.backend
    return f"{by}: {usage.prompt_tokens:,} tokens in, {usage.completion_tokens:,} out, {cost}"


def _from_fields(given: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for each in re.split(r"\n" if "\n" in given.strip() else ",", given.strip()):
        field, _, meaning = (part.strip() for part in each.partition(":"))
        name, _, kind = field.partition(" ")
        if not name.isidentifier() or (kind.strip() or "str") not in _KINDS:
            raise click.UsageError(
                f"--schema: {each.strip()!r} is no field: give a name and perhaps one of {', '.join(_KINDS)}; "
                "or a file, or JSON"
            )
        properties[name] = {"type": _KINDS[kind.strip() or "str"], **({"description": meaning} if meaning else {})}
    return {"type": "object", "additionalProperties": False, "required": list(properties), "properties": properties}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _nearest(name: str) -> str:
    from difflib import get_close_matches  # cold start

    near = get_close_matches(name, sorted(GENERATION_KEYS | CALL_KEYS), 1)
    return f"; did you mean {near[0]}?" if near else ""
