"""The processes of ``dask://local/N``, which are there for one batch: what ends is begun again, but not for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import distributed as untyped

from complaint_llm.exceptions import BatchError

dask: Any = untyped  # its types are incomplete, and it may be missing where types are checked

NO_PROCESS_SECONDS = 120.0
"""Seconds without any process after which the batch ends."""
MOST_DEATHS = 12
"""Deaths for each process, with nothing answered between, after which the batch ends: of three prompts, each of which
Dask gives up after four."""
_LOOK = 0.2
"""Seconds between two looks at how many processes there are, while some are missing."""


def start_cluster(url: str, count: int, threads: int) -> Any:
    """A Dask cluster of ``count`` processes of this machine with so many threads each. Raises BatchError."""
    here = "127.0.0.1:0"
    try:
        return dask.LocalCluster(
            n_workers=count,
            threads_per_worker=threads,
            processes=True,
            host="127.0.0.1",
            dashboard_address=here,
            worker_dashboard_address=here,
        )
    except Exception as error:
        raise BatchError(f"{url}: the processes could not be started: {error}") from error


class LocalProcesses:
    """The ``count`` processes of ``cluster``, which ``close`` closes. All else is used in the cluster's event loop.

    Dask begins a process that ended again, and gives it up where that takes long: then nobody would be left to answer.
    ``seconds`` is for how long a batch waits where there is none.
    """

    def __init__(self, url: str, cluster: Any, count: int, *, seconds: float = NO_PROCESS_SECONDS) -> None:
        self.cluster = cluster
        self._url = url
        self._count = count
        self._seconds = seconds
        self._deaths = 0
        self._is_replacing = False
        self._is_closed = False

    def note_answer(self) -> None:
        """Something was answered."""
        self._deaths = 0

    async def replace_lost(self, give_up: Callable[[str], object]) -> None:
        """One has ended: wait until all are there again. ``give_up`` is told why nobody should wait any more."""
        self._deaths += 1
        if self._deaths >= MOST_DEATHS * self._count:
            give_up(
                f"the processes of {self._url} end again and again ({self._deaths} times, and nothing was answered "
                "between): what they are asked ends them, by a guard, a plugin or too little memory"
            )
        if self._is_replacing:
            return
        self._is_replacing = True
        try:
            last_seen = time.monotonic()
            while not self._is_closed and (here := len(self.cluster.scheduler.workers)) < self._count:
                if here:
                    last_seen = time.monotonic()
                elif time.monotonic() - last_seen > self._seconds:
                    give_up(f"no process of {self._url} came back within {self._seconds:g} s after the last one ended")
                    return
                if len(self.cluster.workers) < self._count:
                    self.cluster.scale(self._count)  # those that Dask has given up
                await asyncio.sleep(_LOOK)
        finally:
            self._is_replacing = False

    def close(self, timeout: float) -> None:
        """End them."""
        self._is_closed = True
        self.cluster.close(timeout=timeout)
