"""What several processes share through Redis, and how we live without it.

Only numbers, names of backends, and (where a shared cache is wanted) answers go there; nothing of a private request.
Needs the extra ``redis``.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from complaint_llm.exceptions import ConfigError
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import Waiter
from complaint_llm.secrets import Redactor, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import redis

TIMEOUT = 0.5
"""Seconds to connect to Redis and to wait for its answer: after that it counts as gone."""
SHARE = 0.25
"""The part of each limit for one process while Redis is gone, unless another is configured: right for up to four."""
LOOK_AGAIN = 1.0
"""Seconds between two attempts to reach a Redis that is gone."""
LEASE = 3000
"""Milliseconds after which a lease of a process that died ends."""
LINGER = 0.25
"""Seconds that what nobody waits for may wait for a command that takes it along."""
_IDLE = 1.0
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end"


class SharedStateLostError(Exception):
    """Redis cannot be reached or refuses to work; what it was to do has not been done, or not for certain."""


class Member(Protocol):
    """Something that was counted without Redis while it was gone."""

    def came_back(self) -> None:
        """Tell Redis of it. Raises SharedStateLostError."""
        ...


class SharedState:
    """One connection pool to Redis, and whether it is there. Any thread may call it.

    ``share`` is the most of each limit that this process may use on its own while Redis is gone. Nothing tells
    processes without Redis how many they are, so it is for the user to set it to 1 / their number; None is SHARE. A
    process that Redis has told of more others keeps to one part of as many. Losing Redis and finding it again are one
    warning each. ``_lock`` guards the fields and is never held while Redis is asked. Two threads may run: one looks for
    a lost Redis, one does what need not be waited for; both end when they have nothing to do, and at ``close``.
    """

    def __init__(self, url: Secret, *, share: float | None = None, prefix: str = "complaint_llm") -> None:
        if share is not None and not 0 < share <= 1:
            raise ConfigError(f"shared: share is above 0 and at most 1, not {share}")
        self._url = url
        self._share = SHARE if share is None else share
        self._prefix = prefix
        self._redact = Redactor([url, Secret(url.reveal().partition("://")[2].rpartition("@")[0].rpartition(":")[2])])
        self._lock = threading.Lock()
        self._client: redis.Redis | None = None
        self._scripts: dict[str, Any] = {}
        self._lost = False
        self._closed = self._ended = False
        self._jobs: deque[Callable[[], None]] = deque()
        self._lingering: deque[tuple[float, Callable[[], None]]] = deque()
        self._leases: dict[str, str] = {}
        self._members: WeakSet[Member] = WeakSet()
        self._worker: threading.Thread | None = None
        self._watch: threading.Thread | None = None
        self._wake = Waiter()
        self._stop = Waiter()
        self.process = uuid.uuid4().hex
        self.processes = 0
        reset_in_child(self)

    @property
    def available(self) -> bool:
        """Whether Redis answered when it was last asked, and may be asked."""
        return not (self._lost or self._ended)

    @property
    def local_share(self) -> float:
        """The part of each limit that this process may use on its own."""
        return min(self._share, 1.0 / max(1, self.processes))

    def key(self, *parts: str) -> str:
        """A key of ours in Redis."""
        return ":".join((self._prefix, *parts))

    def run_script(self, script: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """What a Lua script returns (texts as str). Raises SharedStateLostError, at once while Redis is gone."""
        if not self.available:
            raise SharedStateLostError
        return self._translate(lambda: self._script(script)(keys=list(keys), args=list(args)))

    def join(self, member: Member) -> None:
        """Have ``member`` told when Redis is back, on a thread of its own, for as long as ``member`` lives."""
        with self._lock:
            self._members.add(member)

    def hold(self, name: str, token: str) -> None:
        """Renew the lease that a script took (``SET name token NX PX LEASE``) until ``let_go`` or the end of this
        process."""
        with self._lock:
            self._leases[name] = token
        self.later(lambda: None)

    def let_go(self, name: str) -> None:
        """Renew it no more: a script is to delete it, or it ends by itself."""
        with self._lock:
            self._leases.pop(name, None)

    def later(self, job: Callable[[], None], *, linger: bool = False) -> None:
        """Do something that nobody waits for, in order; a job that finds Redis gone is dropped.

        ``linger``: in LINGER seconds, or at ``close``; another command may have taken it along by then.
        """
        with self._lock:
            if self._closed:
                return
            if linger:
                self._lingering.append((time.monotonic() + LINGER, job))
            else:
                self._jobs.append(job)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="redis writer", daemon=True)
                self._worker.start()
        self._wake.wake()

    def close(self) -> None:
        """Do what waits, end the threads and close the connections; from then on Redis counts as gone."""
        with self._lock:
            self._closed = True
            threads = (self._worker, self._watch)
        self._wake.wake()
        self._stop.wake()
        for thread in threads:
            if thread is not None:
                thread.join(5.0)
        with self._lock:
            self._ended = True
            client, self._client = self._client, None
            self._scripts = {}
        if client is not None:
            client.close()

    def after_fork(self) -> None:
        """The child is another process with connections of its own."""
        self._lock = threading.Lock()
        self._client = None
        self._scripts = {}
        self._jobs.clear()
        self._lingering.clear()
        self._leases.clear()
        self._worker = self._watch = None
        self._wake, self._stop = Waiter(), Waiter()
        self._lost = False
        self.process = uuid.uuid4().hex

    def _translate(self, work: Callable[[], Any]) -> Any:
        import redis  # extra

        try:
            return work()
        except (redis.RedisError, OSError) as error:
            self._lose(error)
            raise SharedStateLostError from error
        except (ValueError, AttributeError) as error:
            if not self._ended:
                raise
            # So the client fails when ``close`` ends a connection that is in use.
            raise SharedStateLostError from error

    def _open_client(self) -> redis.Redis:
        with self._lock:
            if self._ended:
                raise SharedStateLostError
            client = self._client
            if client is None:
                client = self._client = self._open()
        return client

    def _execute(self, *command: Any) -> Any:
        client: Any = self._open_client()  # its execute_command has no types
        return client.execute_command(*command)

    def _script(self, source: str) -> Any:
        client = self._open_client()
        script = self._scripts.get(source)
        if script is None:
            script = self._scripts[source] = client.register_script(source)
        return script

    def _open(self) -> redis.Redis:
        try:
            import redis  # extra
            from redis.backoff import NoBackoff  # extra
            from redis.retry import Retry  # extra
        except ImportError as cause:
            raise ConfigError("shared state needs Redis' client: pip install 'complaint-llm[redis]'") from cause
        return redis.Redis.from_url(
            self._url.reveal(),
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )

    def _lose(self, error: BaseException) -> None:
        with self._lock:
            if self._lost:
                return
            self._lost = True
            if self._closed:
                return
            share = self.local_share
            self._watch = threading.Thread(target=self._look_for_it, name="redis watch", daemon=True)
            self._watch.start()
        _log(
            "Redis is gone (%s: %s): until it is back this process keeps limits alone, at %g %% of each (shared.share)",
            type(error).__name__,
            self._redact(str(error)),
            share * 100,
        )

    def _look_for_it(self) -> None:
        while True:
            self._stop.wait(LOOK_AGAIN)
            if self._closed:
                return
            try:
                # A write: one that answers and takes nothing (full, a replica) is as good as gone.
                self._translate(lambda: self._execute("SET", self.key("probe"), "1", "PX", 1000))
            except SharedStateLostError:
                continue
            break
        with self._lock:
            self._lost = False
            members = tuple(self._members)
        _log("Redis is back: limits are shared again")
        try:
            for member in members:
                member.came_back()
        except SharedStateLostError:
            pass  # lost again, which is logged; another thread looks for it

    def _work(self) -> None:
        renewed = time.monotonic()
        while True:
            while self._jobs:
                job = self._jobs.popleft()
                try:
                    job()
                except SharedStateLostError:
                    pass  # the loss is logged; whoever made the job knows how to live without it
            if not self._closed:
                self._wake.wait(self._until_next())
            with self._lock:
                while self._lingering and (self._closed or self._lingering[0][0] <= time.monotonic()):
                    self._jobs.append(self._lingering.popleft()[1])
                leases = dict(self._leases)
                if not self._jobs and not self._lingering and (self._closed or not leases):
                    self._worker = None
                    return
            if time.monotonic() - renewed >= _IDLE:  # not at each wake-up: a lease is good for three times that
                renewed = time.monotonic()
                self._renew(leases)

    def _until_next(self) -> float:
        """Seconds until something is to be done at the latest."""
        with self._lock:
            if not self._lingering:
                return _IDLE
            return min(_IDLE, max(0.0, self._lingering[0][0] - time.monotonic()))

    def _renew(self, leases: dict[str, str]) -> None:
        for name, token in leases.items():
            try:
                self.run_script(_RENEW, [name], (token, LEASE))
            except SharedStateLostError:
                return  # logged


def _log(message: str, *args: object) -> None:
    logging.getLogger("complaint_llm.routing").warning(message, *args)
