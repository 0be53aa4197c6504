"""``complaint-llm plugins``: what is installed or dropped in, and what of it does not work."""

from __future__ import annotations

import json

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.table import print_table
from complaint_llm.cli.terminal import write


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def plugins(app: App, as_json: bool) -> None:
    """List the plugins: name, kind, source, and the types that each offers or why it is broken.

    Without a config file only installed plugins are listed. Exit code 1 if one is broken.

    Example: complaint-llm plugins
    """
    host = app.open_host()
    records = host.plugins()
    if as_json:
        write(json.dumps([record._asdict() for record in records], ensure_ascii=False, indent=2, default=str))
    else:
        rows = [(r.name, r.kind, r.source, r.error or ", ".join(r.types)) for r in records]
        print_table(("plugin", "kind", "from", "types"), rows)
    if any(record.error for record in records):
        raise SystemExit(1)
