"""What the package itself has passes the suites that it gives to others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from complaint_llm import hookimpl
from complaint_llm.batch import Ask, BatchExecutor
from complaint_llm.batch.executors import ThreadExecutor
from complaint_llm.observers.otel import OtelObserver
from complaint_llm.testing import ExecutorConformance, ObserverConformance


def make_threads(url: str, open_ask: Callable[[], Ask], most: int) -> BatchExecutor:
    return ThreadExecutor(open_ask(), most)


@hookimpl
def complaint_llm_batch_executors() -> Any:
    return {"threads": make_threads}


@hookimpl
def complaint_llm_observers() -> Any:
    return {"otel": OtelObserver}


class TestThreads(ExecutorConformance):
    plugin = __name__
    name = "threads"
    url = "threads://here"


class TestOtel(ObserverConformance):
    plugin = __name__
    name = "otel"

    @pytest.fixture(autouse=True)
    def _libraries(self) -> None:
        pytest.importorskip("opentelemetry.sdk.trace", reason="the OpenTelemetry SDK is not installed")
