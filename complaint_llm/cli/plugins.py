"""``complaint-llm plugins``: what is installed or dropped in, and what of it does not work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.main import COMMANDS
from complaint_llm.cli.options import SECONDS
from complaint_llm.cli.table import print_table
from complaint_llm.cli.terminal import tell, write

if TYPE_CHECKING:
    from complaint_llm.host import PluginRecord


USUAL_SECONDS = 20.0
"""As ``complaint_llm.host.trial.SECONDS``."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with files, hooks and the whole SHA-256.")
@click.option("--timeout", type=SECONDS, default=USUAL_SECONDS, show_default=True, help="Seconds for one import.")
@click.pass_obj
def plugins(app: App, as_json: bool, timeout: float) -> None:
    """List the plugins: name, how it came in, source, the beginning of its SHA-256, and what it offers or why it is
    broken.

    Each is imported in another process, to see whether it works. What is wrong in the config is told beside. Without a
    config file only installed plugins are listed. Exit code 1 if a plugin is broken, 2 if the config is.

    Example: complaint-llm plugins
    """
    from complaint_llm.host.trial import try_plugins  # cold start: plugins

    host, problems = app.survey_host()
    records = [_without_shadow(each) for each in try_plugins(host, timeout)]
    if as_json:
        write(json.dumps([record._asdict() for record in records], ensure_ascii=False, indent=2, default=str))
    else:
        rows = [(r.name, r.origin, r.source, (r.sha256 or "-")[:12], _summary(r)) for r in records]
        print_table(("plugin", "came by", "from", "sha256", "types"), rows)
    for line in problems:
        tell(line)
    if problems:
        raise SystemExit(2)
    if any(record.error for record in records):
        raise SystemExit(1)


def _summary(record: PluginRecord) -> str:
    if record.error is not None:
        return record.error
    others = [f"{hook}: {', '.join(names)}" for hook, names in record.offered_names.items()]
    others += [hook for hook in record.hooks if hook not in ("backend_types", *record.offered_names)]
    return "; ".join(filter(None, (", ".join(record.types), *others, record.note)))


def _without_shadow(record: PluginRecord) -> PluginRecord:
    """A command that has the name of a built-in one is never run."""
    hidden = [name for name in record.offered_names.get("commands", ()) if name in COMMANDS]
    if not hidden or record.error is not None:
        return record
    return record._replace(state="error", error=f"its command {hidden[0]!r} is never run: there is a built-in one")
