"""Makes ``peers`` (programs that others wrote, to test against) and Redis known everywhere; keeps tests apart."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from complaint_llm.backends.registered import temporary_registrations
from complaint_llm.testing.steady_clock import SteadyClock, running_clock
from tests.peers import aimock, aimock_process  # noqa: F401
from tests.sampled import ALL, drawn_rows

if TYPE_CHECKING:
    from tests.routing.redis_peer import RedisPeer


# Hundreds of processes are started: none compiles what another one has compiled, whatever the shell says of that.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("suite", max_examples=25, deadline=None)
settings.register_profile("long runs", deadline=None)
settings.load_profile("long runs" if ALL else "suite")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of tables that are marked ``rows`` the suite runs some rows; the long runs all."""
    kept, left_out = drawn_rows(items)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)


def pytest_collection_finish() -> None:
    """What was collected stays until the end: the garbage collector need not look at it after each test."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisPeer]:
    """A running Redis of the test's own."""
    from tests.routing.redis_peer import RedisPeer, require

    require()
    peer = RedisPeer(tmp_path)
    peer.start()
    yield peer
    peer.kill()


@pytest.fixture
def steady_clock() -> Iterator[SteadyClock]:
    """For what must end in time, at any load."""
    with running_clock() as clock:
        yield clock


@pytest.fixture(autouse=True)
def what_the_process_remembers() -> Iterator[None]:
    """The logger's settings (the command line sets them) and the registered types are as they were after each test."""
    logger = logging.getLogger("complaint_llm")
    level, handlers, propagate = logger.level, list(logger.handlers), logger.propagate
    with temporary_registrations():
        yield
    logger.setLevel(level)
    logger.handlers[:] = handlers
    logger.propagate = propagate
