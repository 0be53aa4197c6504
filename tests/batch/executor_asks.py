"""Configs for batches whose asking is done in other processes, and what shows where and when each answer was made."""

from __future__ import annotations

import json
import os
import threading
from functools import partial
from pathlib import Path
from typing import Any

from complaint_llm import Mediator
from complaint_llm.batch import Ask
from complaint_llm.batch.remote import ConfigText, open_worker_ask
from complaint_llm.messages import InferenceOutput

PLUGIN = '''
"""Answers after ``seconds`` with the process and the moment; ten tokens each. ``notes`` is a folder for their names."""

import os
import time
from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import Backend, BackendType
from complaint_llm.messages import InferenceOutput, TokenUsage
from complaint_llm.routing.redis import connection

connection.TIMEOUT = 30.0  # a busy machine's Redis is slow, not gone


class Noting(Backend):
    interruptible = True

    def __init__(self, *, seconds: float = 0.02, notes: str = "", **keys):
        super().__init__(**keys)
        self.seconds = seconds
        self.notes = notes

    def answer(self, request):
        seen = {"pid": os.getpid(), "at": time.time()}
        time.sleep(self.seconds)
        if self.notes:
            Path(self.notes, request.messages[-1].text).touch()
        return InferenceOutput(request.messages[-1].text, token_usage=TokenUsage(0, 10, 10), metadata=seen)


@hookimpl
def complaint_llm_backend_types():
    return [BackendType("noting", Noting)]
'''


def write_config(folder: Path, mediator: dict[str, Any], **keys: Any) -> ConfigText:
    """A config with one backend ``a`` of the plugin above, as it travels."""
    plugins = folder / "plugins"
    plugins.mkdir()
    (plugins / "noting.py").write_text(PLUGIN)
    path = folder / "config.json"
    backend = {"id": "a", "type": "noting", "model": "m", "max_tokens": 10, **keys}
    sections = {"PLUGINS": {"paths": [str(plugins)]}, "BACKENDS": [backend], "MEDIATOR": mediator}
    path.write_text(json.dumps(sections))
    return ConfigText.read(path)


def elsewhere(config: ConfigText) -> ConfigText:
    """The same config on a machine that does not have the file: each process keeps its own state beside its copy."""
    return ConfigText("/nowhere/config.json", config.data)


def process_that_opened(config: ConfigText) -> int:
    """The process that this is called in, once it can ask."""
    open_worker_ask(Mediator.from_config, config)
    return os.getpid()


class WorkerAsker:
    """Asks over the Mediator of the process that it is called in; pickled as the config's text."""

    def __init__(self, config: ConfigText) -> None:
        self._open = partial(open_worker_ask, Mediator.from_config, config)

    def __call__(self, prompt: Any, params: Any) -> InferenceOutput:
        ask: Ask = self._open()
        return ask(prompt, params)


class Admissions:
    """Every admission that Redis grants, by its own clock, as it tells those who monitor it."""

    def __init__(self, port: int) -> None:
        import redis

        self._client = redis.Redis(port=port, socket_timeout=None)  # nothing may come for long
        self._ready = threading.Event()
        self._times: list[float] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        assert self._ready.wait(10)

    def _read(self) -> None:
        with self._client.monitor() as monitor:
            self._ready.set()
            for told in monitor.listen():
                words = told["command"].split()
                if words[0] == "ZADD" and words[1].endswith(":a:requests"):
                    self._times.append(float(words[2]) / 1e6)
                elif words == ["SET", "the", "end"]:
                    return

    def close(self) -> list[float]:
        """Stop listening; the moments, in seconds."""
        self._client.set("the", "end")
        self._thread.join(10)
        self._client.close()
        return sorted(self._times)


def most_in_any(times: list[float], window: float) -> int:
    """The most within any half-open ``window`` of seconds."""
    times = sorted(times)
    return max(sum(start <= at < start + window for at in times) for start in times)
