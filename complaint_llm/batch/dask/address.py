"""What a ``dask://`` URL says."""

from __future__ import annotations

import math
from typing import NamedTuple, Self
from urllib.parse import SplitResult, parse_qsl, urlsplit

from complaint_llm.exceptions import ConfigError

WORKER_TIMEOUT = 300.0
"""Seconds without any worker of a cluster elsewhere after which a batch ends, if its URL says nothing else."""


class DaskAddress(NamedTuple):
    """``target`` is the number of processes of this machine, or the address of a scheduler; ``worker_timeout`` for how
    many seconds that may have no worker."""

    target: int | str
    worker_timeout: float = WORKER_TIMEOUT

    @classmethod
    def of(cls, url: str) -> Self:
        """That of ``dask://host:port``, ``dask://host:port?worker_timeout=SECONDS`` or ``dask://local/4``. Raises
        ConfigError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"{url}: {error}; give dask://host:port, or dask://local/4") from error
        if parts.netloc == "local" and not (parts.query or parts.fragment):
            processes = parts.path.strip("/") or "1"
            if not processes.isdecimal() or int(processes) < 1:
                raise ConfigError(f"{url}: after dask://local/ stands the number of processes")
            return cls(int(processes))
        if not parts.hostname or not port or parts.path.strip("/") or parts.fragment or parts.username is not None:
            raise ConfigError(f"{url}: give dask://host:port, or dask://local/4")
        # Without a scheme: whether it is TCP or TLS, Dask's own configuration says.
        return cls(parts.netloc, _worker_timeout(url, parts))


def _worker_timeout(url: str, parts: SplitResult) -> float:
    if not parts.query:
        return WORKER_TIMEOUT
    try:
        ((name, text),) = parse_qsl(parts.query, keep_blank_values=True)
        seconds = float(text)
    except ValueError:
        name, seconds = "", 0.0
    if name != "worker_timeout" or not 0 < seconds < math.inf:
        raise ConfigError(f"{url}: after ? stands worker_timeout=SECONDS, how long it may have no worker")
    return seconds
