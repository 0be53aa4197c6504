"""``complaint-llm init``: its options, and what a shell needs to complete them; the work is in ``files``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from complaint_llm.cli.app import App

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _variable(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _VARIABLE.fullmatch(value):
        raise click.BadParameter("the name of an environment variable, such as OPENAI_API_KEY; never the key itself")
    return value


@click.command()
@click.option("--type", "type_name", help="The service: a type that `complaint-llm plugins` lists. Nothing is asked.")
@click.option("-m", "--model", default="", help="The model, as the service spells it; for workstation the GGUF file.")
@click.option("--base-url", default="", help="The service's address, where it is not the type's own.")
@click.option("--key-env", callback=_variable, help="The variable that holds the key; otherwise the type's usual one.")
@click.option("-p", "--param", nargs=2, multiple=True, metavar="KEY VALUE", help="A further key of the backend.")
@click.option("--budget", type=click.FloatRange(min=0), help="US dollars a month that nothing is sent beyond.")
@click.option("--evidence", default="", help="The folder for evidence; otherwise .complaint_llm/evidence.")
@click.option("--id", "id", default="", help="The backend's name; otherwise its type.")
@click.option("--yaml", is_flag=True, help="Write config.yaml, with comments, instead of config.json.")
@click.option("--force", is_flag=True, help="Write over a config that is there.")
@click.pass_obj
def init(
    app: App,
    type_name: str | None,
    model: str,
    base_url: str,
    key_env: str | None,
    param: Sequence[tuple[str, str]],
    budget: float | None,
    evidence: str,
    id: str,
    yaml: bool,
    force: bool,
) -> None:
    """Make a config in this folder (or where -c says), a .env for the key, and a schema for editors beside it.

    On a terminal it asks; servers that answer on this machine and keys that are set are offered. With --type it takes
    options instead. A key is typed without being shown, or read from a variable; it is never an option.

    Example: complaint-llm init --type ollama --model llama3.2
    """
    # cold start: what a config is made with
    from complaint_llm.cli.init.files import make_files
    from complaint_llm.cli.init.plan import Plan
    from complaint_llm.cli.init.service_types import json_or_text

    given = Plan(
        type=type_name or "",
        id=id,
        model=model,
        base_url=base_url,
        key_variable=key_env or "",
        budget=budget,
        evidence=evidence,
        keys={key: json_or_text(value) for key, value in param},
    )
    make_files(app, given, yaml=yaml, force=force)
