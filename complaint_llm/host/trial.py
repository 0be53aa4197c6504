"""Tries the plugins of a host in a process of its own, so that one that hangs or ends its process is told like another.

Run as a program it is that process: it loads one plugin after the other, says which before it does, and prints what is
to be told of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from complaint_llm.exceptions import PluginError
from complaint_llm.host.allow_list import AllowList
from complaint_llm.host.host import PluginHost
from complaint_llm.host.records import PluginRecord

SECONDS = 20.0
"""For the import of one plugin."""

_CODE = """import json, sys
given = json.loads(sys.argv[1])
sys.path[:] = given["search"]
from complaint_llm.host.trial import main
main(given)
"""


def try_plugins(host: PluginHost, seconds: float = SECONDS) -> list[PluginRecord]:
    """A record of each plugin. One whose import takes longer than ``seconds``, or ends the process, is told as broken.

    What plugins print while they are imported is dropped. Raises PluginError if no process can be started.
    """
    broken: dict[str, str] = {}
    while True:
        trial = _Trial(host, broken)
        try:
            records = trial.records(seconds)
        finally:
            trial.close()
        if records is not None:
            return records
        if trial.key is None or trial.key in broken:
            raise PluginError(f"the plugins cannot be tried: {trial.fault}")
        broken[trial.key] = trial.fault


class _Trial:
    """One process. For one thread, which closes it. ``key`` is the plugin that it was about to load, ``fault`` what
    became of it."""

    def __init__(self, host: PluginHost, broken: Mapping[str, str]) -> None:
        self.key: str | None = None
        self.fault = "no answer"
        given = {
            "search": [str(Path(each).absolute()) for each in sys.path],
            "paths": [str(each.absolute()) for each in host.paths],
            "enable": host.enable,
            "block": sorted(host.block),
            "allow": [each.entries() for each in host.allow_lists],
            "broken": broken,
        }
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
                [sys.executable, "-I", "-B", "-c", _CODE, json.dumps(given)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, ValueError) as cause:
            raise PluginError(f"the plugins cannot be tried: {cause}") from cause
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="complaint_llm plugins", daemon=True)
        self._reader.start()

    def records(self, seconds: float) -> list[PluginRecord] | None:
        """What it tells; None if it did not come to its end: ``fault`` says why."""
        while True:
            try:
                line = self._lines.get(timeout=seconds)
            except Empty:
                self.fault = f"its import took longer than {seconds:g} s"
                return None
            if not line.endswith(b"\n"):
                code = self._process.wait()
                ended = f"signal {-code}" if code < 0 else f"exit code {code}"
                self.fault = f"its import ended the process ({ended})"
                return None
            said = json.loads(line)
            if "records" in said:
                return [_record(each) for each in said["records"]]
            self.key = said["trying"]

    def close(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._lines.put(line)
        self._lines.put(b"")


def main(given: Mapping[str, Any]) -> None:
    """Load each plugin, and print what is to be told of them, as lines of JSON."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    broken: Mapping[str, str] = given["broken"]

    def trial(key: str) -> None:
        print(json.dumps({"trying": key}), file=answers, flush=True)
        if key in broken:
            raise PluginError(broken[key])

    host = PluginHost(
        paths=[Path(each) for each in given["paths"]],
        enable=given["enable"],
        block=given["block"],
        allow_lists=[AllowList(each) for each in given["allow"]],
    )
    records = [{**each._asdict(), "offered_names": dict(each.offered_names)} for each in host.plugins(trial)]
    print(json.dumps({"records": records}), file=answers, flush=True)
    os._exit(0)  # whatever threads a plugin has begun


def _record(said: Mapping[str, Any]) -> PluginRecord:
    lists = {key: tuple(said[key]) for key in ("types", "hooks")}
    names = {hook: tuple(found) for hook, found in said["offered_names"].items()}
    return PluginRecord(**{**said, **lists, "offered_names": names})
