"""The options that generate, chat and batch share, and the parameters that they stand for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from complaint_llm.cli.attached_files import NAMES as ATTACHED
from complaint_llm.cli.attached_files import attachment_options, attachment_params
from complaint_llm.cli.schema_options import response_schema
from complaint_llm.cli.token_words import in_and_out_of
from complaint_llm.request import CALL_KEYS, GENERATION_KEYS

if TYPE_CHECKING:
    from complaint_llm.messages import InferenceOutput

F = TypeVar("F", bound=Callable[..., Any])

_SCHEMA_OPTIONS = ("schema", "schema_multi")
NAMES = ("system", "model", "backend", "param", *_SCHEMA_OPTIONS, "task", "privacy", "matter", "usage", *ATTACHED)
"""What the options hand over, by name; ``call_params`` takes these."""

_TEXTS = frozenset(("model", "backend", "system", "privacy", "reasoning_effort", "task", "matter"))


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
            click.option("--schema-multi", metavar="SCHEMA", help='The same of each of "items": the answer is a list.'),
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
    shape = response_schema(*(given.get(name) for name in _SCHEMA_OPTIONS))
    if shape is not None:
        params["response_format"] = shape
    return params


def usage_line(output: InferenceOutput) -> str:
    """Backend, model, tokens and price of an answer, in a line."""
    cost = "price unknown" if output.cost is None else f"${output.cost:.6f}"
    by = f"{output.backend} ({output.model})" if output.model else output.backend
    return f"{by}: {in_and_out_of(output.token_usage)}, {cost}"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _nearest(name: str) -> str:
    from difflib import get_close_matches  # cold start

    near = get_close_matches(name, sorted(GENERATION_KEYS | CALL_KEYS), 1)
    return f"; did you mean {near[0]}?" if near else ""
