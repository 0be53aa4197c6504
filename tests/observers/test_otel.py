"""Spans and metrics of the observer ``otel``: by the conventions' names, without texts, by the program's own SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator, TokenUsage
from complaint_llm.backends import Backend, EmbeddingRequest, Request
from complaint_llm.config.listed import event_queue
from complaint_llm.exceptions import ConfigError, ServerError
from complaint_llm.messages import Done, EmbeddingOutput, InferenceOutput, StreamEvent, TextDelta
from complaint_llm.observers import genai_conventions as names
from complaint_llm.observers.otel import OtelObserver
from complaint_llm.testing import FaultyServer, Reply
from tests.wire_tap import WireTap

sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="the OpenTelemetry SDK is not installed")

SECRET = "the client's words"
MATTER = "2026-0417"


class Answers(Backend):
    """Answers whole, in pieces and with vectors."""

    interruptible: ClassVar[bool] = True
    capabilities: ClassVar[Any] = frozenset(("stream", "embeddings"))

    def answer(self, request: Request) -> InferenceOutput:
        usage = TokenUsage(30, 4, 34, cached_tokens=10, reasoning_tokens=2)
        return InferenceOutput(SECRET, model="m-1", token_usage=usage, cost=0.5, finish_reason="stop")

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        output = self.answer(request)
        yield TextDelta(output.content)
        yield Done(output.token_usage, output)

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        return EmbeddingOutput(((0.5,),), TokenUsage(3, 0, 3))


class Fails(Backend):
    """Never answers, and says the client's words."""

    interruptible: ClassVar[bool] = True

    def answer(self, request: Request) -> InferenceOutput:
        raise ServerError(SECRET, status=500)


class Collected:
    """An SDK in memory, and the observer that hands to it."""

    def __init__(self) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self._spans = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self._metrics = InMemoryMetricReader()
        self._meters = MeterProvider([self._metrics])
        self.observer = OtelObserver(tracer_provider=tracers, meter_provider=self._meters)

    def spans(self) -> list[Any]:
        """Those that ended."""
        return list(self._spans.get_finished_spans())

    def points(self) -> dict[str, list[Any]]:
        """The points of each metric."""
        data = self._metrics.get_metrics_data()
        found = data.resource_metrics[0].scope_metrics[0].metrics if data is not None else []
        return {each.name: list(each.data.data_points) for each in found}

    def everything(self) -> str:
        """All that was handed to the SDK."""
        return "".join(each.to_json() for each in self.spans()) + repr(self.points())


@pytest.fixture
def collected() -> Collected:
    return Collected()


def test_a_call_is_one_client_span_with_its_attempts_as_events(collected: Collected) -> None:
    """By the names of the conventions, from its beginning to its end."""
    backends = [Fails(id="first", max_retries=0), Answers(id="second", model="m")]
    with Mediator(backends, observers=[collected.observer]) as mediator:
        mediator.generate(SECRET, matter=MATTER)
    [span] = collected.spans()
    assert (span.name, span.kind.name, span.status.status_code.name) == ("chat m-1", "CLIENT", "UNSET")
    assert span.end_time > span.start_time
    found = dict(span.attributes)
    assert {key: found[key] for key in found if key.startswith("gen_ai.")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "second",
        "gen_ai.request.model": "m-1",
        "gen_ai.response.model": "m-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 2,
    }
    assert found[names.COST] == 0.5
    tried = [(event.attributes[names.BACKEND], event.attributes.get(names.ERROR_TYPE)) for event in span.events]
    assert tried == [("first", "ServerError"), ("second", None)]


def test_a_call_that_fails_is_a_span_with_its_class_of_error(collected: Collected) -> None:
    """Its status is ERROR, without a description; its duration is measured, no tokens are."""
    backend = Fails(id="only", max_retries=0)
    with Mediator([backend], observers=[collected.observer]) as mediator, pytest.raises(ServerError):
        mediator.generate("x", model="wanted")
    [span] = collected.spans()
    assert (span.name, span.status.status_code.name, span.status.description) == ("chat wanted", "ERROR", None)
    assert span.attributes[names.ERROR_TYPE] == "ServerError"
    points = collected.points()
    assert list(points) == [names.DURATION]
    assert points[names.DURATION][0].attributes[names.ERROR_TYPE] == "ServerError"


def test_a_stream_and_vectors_are_operations_of_their_own(collected: Collected) -> None:
    """A stream is a chat with the time to its first piece."""
    with Mediator([Answers(id="a", embedding_model="e")], observers=[collected.observer]) as mediator:
        list(mediator.infer_stream("x"))
        mediator.embed("x")
    stream, vectors = collected.spans()
    assert stream.attributes[names.REQUEST_STREAM] is True
    assert 0 <= stream.attributes[names.FIRST_CHUNK] <= (stream.end_time - stream.start_time) / 1e9 + 0.001
    assert vectors.attributes[names.OPERATION] == "embeddings"
    assert names.OUTPUT_TOKENS not in vectors.attributes


def test_what_is_measured_has_the_units_and_buckets_of_the_conventions(collected: Collected) -> None:
    """Input and output tokens apart; of an answer from the cache none."""
    with Mediator([Answers(id="a", cache_enabled=True)], observers=[collected.observer]) as mediator:
        for _ in range(3):
            mediator.generate("x")
    points = collected.points()
    tokens = {point.attributes[names.TYPE_OF_TOKENS]: (point.sum, point.count) for point in points[names.USAGE]}
    assert tokens == {"input": (30, 1), "output": (4, 1)}
    assert points[names.USAGE][0].explicit_bounds == (
        1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
    )  # fmt: skip
    [duration] = points[names.DURATION]
    assert duration.count == 3
    assert duration.explicit_bounds == pytest.approx(
        (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
    )


def test_a_batch_is_a_span_beside_those_of_its_calls(collected: Collected) -> None:
    """With its results by state and what it cost."""
    with Mediator([Answers(id="a")], observers=[collected.observer]) as mediator:
        list(mediator.batch(["x", "y", " "]))
    *calls, batch = collected.spans()
    assert len(calls) == 2
    assert (batch.name, batch.kind.name) == (names.BATCH, "INTERNAL")
    assert batch.attributes[f"{names.BATCH}.answered"] == 2
    assert batch.attributes[f"{names.BATCH}.not_read"] == 1
    assert batch.attributes[names.COST] == 1.0


def test_nothing_of_the_contents_is_handed_over(collected: Collected) -> None:
    """No prompt, no answer, no message of an error, no matter."""
    with Mediator([Fails(id="f", max_retries=0), Answers(id="a")], observers=[collected.observer]) as mediator:
        mediator.generate(SECRET, matter=MATTER, names=[SECRET])
        list(mediator.infer_stream(SECRET, matter=MATTER))
        list(mediator.batch([SECRET], matter=MATTER))
    everything = collected.everything()
    assert SECRET not in everything
    assert MATTER not in everything
    assert "gen_ai.operation.name" in everything


def test_without_providers_the_global_ones_are_used_and_a_program_without_an_sdk_works() -> None:
    """They do nothing then."""
    queue = event_queue([{"type": "otel"}], folder=__import__("pathlib").Path())
    assert queue is not None
    with Mediator([Answers(id="a")], observers=queue) as mediator:
        assert mediator.generate("x") == SECRET


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://collector.example:4318", "https://otlp.example", "http://10.0.0.1:4318", "http://192.168.1.2",
        "localhost:4318", "ftp://localhost", "", "http://", "http://localhost.example", "http://127.0.0.1.example",
        "http://127.0.0.1@collector.example", "unix:///var/run/otel",
    ],
)  # fmt: skip
def test_an_endpoint_beyond_this_machine_is_refused(endpoint: str) -> None:
    """Nothing of ours opens a connection to elsewhere; the program's own SDK may."""
    with pytest.raises(ConfigError, match="no collector on this machine"):
        OtelObserver(endpoint=endpoint)


def test_an_endpoint_on_this_machine_is_sent_spans_and_metrics() -> None:
    """By OTLP over HTTP, at the latest when the Mediator is closed."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the OTLP exporter is not installed")
    with FaultyServer(Reply.raw(b"")) as server, WireTap(server.url) as tap:
        observer = OtelObserver(endpoint=tap.url)
        with Mediator([Answers(id="a")], observers=[observer]) as mediator:
            mediator.generate(SECRET)
        assert {each.path for each in server.requests} == {"/v1/traces", "/v1/metrics"}
        sent = tap.sent
    assert SECRET.encode() not in sent


def test_nothing_of_opentelemetry_is_imported_without_the_observer() -> None:
    """Neither by the package nor by a call; with a missing library the config says which extra."""
    program = """
import sys
from complaint_llm import Mediator
from complaint_llm.testing import MockBackend
Mediator([MockBackend(id="a", echo=True)]).generate("x")
assert not [each for each in sys.modules if each.startswith("opentelemetry")]
sys.modules["opentelemetry"] = None
from complaint_llm.exceptions import ConfigError
try:
    Mediator([MockBackend(id="a")], observers=[{"type": "otel"}])
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pip install 'complaint-llm[otel]'" in done.stdout


def test_the_names_have_the_commit_that_they_are_of() -> None:
    """The conventions are in development."""
    assert all(len(each) == 40 and int(each, 16) for each in (names.SPANS_COMMIT, names.METRICS_COMMIT))
    assert json.dumps(names.DURATION_BUCKETS)
