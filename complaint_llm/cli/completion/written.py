"""What stands in files, read in a few milliseconds and taken as it stands: for suggestions, never for work.

The packages that read configs and evidence check what they read, and to import them takes longer than a person waits
between two keys.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from complaint_llm.cli.app import App

NAMES = tuple(f"{stem}.{end}" for stem in ("complaint-llm", "config") for end in ("json", "yaml", "yml"))
"""As ``complaint_llm.config.source.DEFAULT_NAMES``."""
EVIDENCE = Path(".complaint_llm/evidence")
"""As ``complaint_llm.assembly.EVIDENCE_PATH``."""
_LARGEST = 16 * 1024 * 1024


def config_path(app: App) -> Path | None:
    """The file that a command would read; None where there is none."""
    named = app.config_path or os.environ.get("COMPLAINT_LLM_CONFIG")
    places = (Path(named),) if named else map(Path, NAMES)
    return next((path for path in places if path.is_file()), None)


def read_config(app: App) -> Mapping[str, Any]:
    """The config as it is written, empty where there is none that can be parsed."""
    path = config_path(app)
    try:
        if path is None or path.stat().st_size > _LARGEST:
            return {}
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() in (".yaml", ".yml"):
            import yaml  # cold start: most configs are JSON

            document = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
        else:
            document = json.loads(text)
    except Exception:  # noqa: BLE001 - what is wrong in it is for the command to say
        return {}
    return document if isinstance(document, dict) else {}


def entries(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The backends of a config that are mappings."""
    given = document.get("BACKENDS")
    return (entry for entry in (given if isinstance(given, list) else ()) if isinstance(entry, dict))


def evidence_folder(app: App) -> Path:
    """Where a config, or the working directory without one, has its evidence."""
    given = read_config(app).get("EVIDENCE")
    written = given.get("path") if isinstance(given, dict) else None
    config = config_path(app)
    return (Path() if config is None else config.parent) / (written if isinstance(written, str) else EVIDENCE)


def newest_cids(folder: Path, most: int) -> Iterator[tuple[str, str]]:
    """CIDs of the newest records, each with whose it is; none where the store is not there, locked or damaged."""
    path = folder / "store.db"
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True, timeout=0.1)) as store:
            rows = store.execute("SELECT cid, user_id FROM records ORDER BY seq DESC LIMIT ?", (most,)).fetchall()
    except sqlite3.Error:
        return
    for cid, user in rows:
        yield str(cid), str(user or "")
