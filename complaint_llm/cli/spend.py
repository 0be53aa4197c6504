"""``complaint-llm report --ledger``: what the calls cost, as a page or as data."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from complaint_llm.cli.terminal import tell, write
from complaint_llm.cli.time_spans import TimeSpan
from complaint_llm.exceptions import ConfigError
from complaint_llm.ledger.file import LEDGER_PATH
from complaint_llm.ledger.summary import summarise
from complaint_llm.report.page_frame import write_text
from complaint_llm.report.spend import render_spend

if TYPE_CHECKING:
    from complaint_llm.config import Config

PAGE = "spend.html"


class ReadsConfig(Protocol):
    """What this needs of the program."""

    def find_config(self) -> Path | None: ...
    def load_config(self) -> Config: ...


def report_spend(
    app: ReadsConfig,
    path: str,
    output: str | None,
    title: str | None,
    since: TimeSpan | None,
    until: TimeSpan | None,
    matter: str | None,
    as_json: bool,
) -> None:
    """Write the page, or print the numbers, of the ledger at ``path``, that of the config if it is empty."""
    ledger = Path(path) if path else config_ledger(app)
    summary = summarise(ledger, since and since.began, until and until.ended, matter)
    if as_json:
        write(json.dumps({"ledger": str(ledger), **summary.as_json()}, ensure_ascii=False, allow_nan=False))
    if as_json and output is None:
        return
    page = Path(output or PAGE)
    write_text(page, render_spend(summary, title or "What the calls cost", time.time()))
    tell(str(page))


def config_ledger(app: ReadsConfig) -> Path:
    """Where the config keeps its ledger; without a config that of the working directory. Raises ConfigError."""
    if app.find_config() is None:
        if not LEDGER_PATH.exists():
            raise ConfigError(f"there is no config and no {LEDGER_PATH} here: give the ledger's path after --ledger")
        return LEDGER_PATH
    config = app.load_config()
    settings = config.mediator.get("ledger", False)
    if settings is False:
        raise ConfigError(
            f'{config.path} keeps no ledger: set MEDIATOR "ledger" to true, or give a path after --ledger'
        )
    path = settings.get("path") if isinstance(settings, dict) else None
    return Path(path) if path else config.path.parent / LEDGER_PATH
