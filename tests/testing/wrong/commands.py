"""Commands that are wrong in one thing each."""

from __future__ import annotations

from typing import Any

import click

from complaint_llm import hookimpl


@click.command("right")
def right() -> None:
    """Say what is right."""
    click.echo("as expected")


@click.command("Loud")
def loud() -> None:
    """Say what is right."""
    click.echo("as expected")


@click.command("generate")
def generates() -> None:
    """Say what is right."""
    click.echo("as expected")


@click.command("helpless")
def helpless() -> None:
    click.echo("as expected")


@click.command("silent")
def silent() -> None:
    """Say nothing."""


@click.command("lenient", context_settings={"ignore_unknown_options": True})
@click.argument("rest", nargs=-1)
def lenient(rest: tuple[str, ...]) -> None:
    """Say what is right."""
    click.echo("as expected")


@hookimpl
def complaint_llm_commands() -> Any:
    return [right, loud, generates, helpless, silent, lenient]
