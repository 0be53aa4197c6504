"""What every command gets: which config to read, and how to open what it names."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from complaint_llm.exceptions import ConfigError

if TYPE_CHECKING:
    from complaint_llm.batch import Ask, ExecutorFactory
    from complaint_llm.config import Config
    from complaint_llm.evidence import EvidenceStore
    from complaint_llm.host import PluginHost
    from complaint_llm.mediator import Mediator
    from complaint_llm.tasks.task import Task


class App:
    """What the commands get as ``ctx.obj``: which config to read, and how to open it."""

    def __init__(self, config_path: Path | None = None, debug: bool = False) -> None:
        self.config_path = config_path
        self.debug = debug
        self._config: Config | None = None

    def load_config(self) -> Config:
        """The config that ``-c``, the environment or the working directory names. Raises ConfigError."""
        if self._config is None:
            from complaint_llm.config import load_config  # cold start

            self._config = load_config(self.config_path)
            if not self.debug:
                logging.getLogger("complaint_llm").setLevel(self._config.log.get("level", "WARNING"))
        return self._config

    def find_config(self) -> Path | None:
        """The config file's path, None where none is named and none is in the working directory."""
        from complaint_llm.config.source import find  # cold start

        try:
            return find(self.config_path, os.environ.get("COMPLAINT_LLM_CONFIG"))
        except ConfigError:
            return None

    def passed_over(self) -> Sequence[str]:
        """A line where several configs with default names lie in the working directory: which one is read."""
        from complaint_llm.config.source import default_files  # cold start

        files = default_files()
        if self.config_path or os.environ.get("COMPLAINT_LLM_CONFIG") or len(files) < 2:
            return ()
        others = " and ".join(map(str, files[1:]))
        return (f"WARNING {files[0]} is read and {others} is not: take one away, or name one by -c",)

    def open_host(self) -> PluginHost:
        """The plugins of the config, whatever else is wrong in it; without a config those that are installed."""
        from complaint_llm.config import load_host  # cold start
        from complaint_llm.host import PluginHost  # cold start

        path = self.find_config()
        return PluginHost() if path is None else load_host(path)

    def survey_host(self) -> tuple[PluginHost, Sequence[str]]:
        """The same as far as the config can be read, and a line for each fault in what it says of plugins."""
        from complaint_llm.config import survey_host  # cold start
        from complaint_llm.host import PluginHost  # cold start

        path = self.find_config()
        return (PluginHost(), ()) if path is None else survey_host(path)

    def max_workers(self) -> int:
        """The width of batches that the config says."""
        width: int = self.load_config().mediator.get("max_workers", 8)
        return width

    def find_task(self, id: str) -> Task:
        """The task of this id: of TASKS, the package's own or a plugin's. Raises ConfigError, PluginError."""
        return self.load_config().find_task(id)

    def open_mediator(self) -> Mediator:
        """A Mediator over that config; the command closes it."""
        from complaint_llm.mediator import Mediator  # cold start

        return Mediator.from_loaded(self.load_config())

    def open_backends(self) -> Mediator:
        """The same, whatever is wrong with its guards, observers and strategy: its backends may be looked at, and every
        call is refused."""
        from complaint_llm.cli.no_calls import open_for_no_call  # cold start

        return open_for_no_call(self.load_config())

    def open_store(self) -> EvidenceStore:
        """The store of evidence that the config names, or that of the working directory without a config."""
        from complaint_llm.assembly import open_evidence  # cold start

        return open_evidence(None if self.find_config() is None else self.load_config(), Path())

    def batch_executors(self, url: str) -> Mapping[str, ExecutorFactory]:
        """The executors that plugins offer, by URL scheme, to open ``url`` with.

        Raises ConfigError where nothing may leave this machine and the URL may lead away from it.
        """
        here = url == "dask://local" or url.startswith("dask://local/")
        if self.load_config().mediator.get("privacy") == "local" and not here:
            raise ConfigError(f'MEDIATOR "privacy" is "local", and {url} may be another machine: use dask://local/N')
        scheme, host = url.partition("://")[0], self.load_config().host
        if scheme in ("threads", "dask"):
            return {}
        found = host.offer("complaint_llm_batch_executors", scheme)
        # Only where nobody has it are all asked, to name what there is.
        return host.all_offers("complaint_llm_batch_executors") if found is None else {scheme: found}

    def ask_factory(self, batch: str | None = None) -> Callable[[], Ask]:
        """What another process opens its own Mediator with: the config as it was written, secrets unresolved; ``batch``
        is the batch's name for observers."""
        # cold start
        from complaint_llm.batch.remote import ConfigText, open_worker_ask
        from complaint_llm.mediator import Mediator

        return partial(open_worker_ask, Mediator.from_config, ConfigText.read(self.load_config().path), batch)
