"""The options of commands that ask for one answer at a time, and the parameters that they stand for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from complaint_llm.cli.call_options import call_options, call_params
from complaint_llm.cli.options import SECONDS, generation_option

F = TypeVar("F", bound=Callable[..., Any])

_GENERATION = ("max_tokens", "temperature")
_DATA = ("schema", "schema_multi", "task")
"""Options by which an answer is data: it is printed whole, when it has passed its checks."""


def answer_options(command: F) -> F:
    """The options, for a command's decorators: those of every call, and how long, how warm and how shown."""
    command = click.option(
        "--stream/--no-stream",
        default=None,
        help="Print answers as they come. On a terminal that is so by itself, but for data (--schema, --task).",
    )(command)
    command = click.option("--timeout", type=SECONDS, help="Seconds for each answer.")(command)
    for name in reversed(_GENERATION):
        command = generation_option(name)(command)
    return call_options(command)


def answer_params(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a call that the options say. Raises UsageError."""
    named = {name: given[name] for name in (*_GENERATION, "timeout") if given[name] is not None}
    return {**call_params(given), **named}


def streams(given: Mapping[str, Any]) -> bool:
    """Whether answers are shown as they come: as ``--stream`` says, otherwise to somebody who looks on, and where they
    are text and no data."""
    if given["stream"] is not None:
        return bool(given["stream"])
    return sys.stdout.isatty() and all(given[name] is None for name in _DATA)
