"""The observer ``otel``: a span for each call and batch, and the metrics of the conventions for generative AI.

Times, counts, names and prices go to the OpenTelemetry SDK that the program has set up; no prompt, no answer, no matter
and no message of an error does. Extra ``[otel]``.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from complaint_llm.exceptions import ConfigError
from complaint_llm.observers import genai_conventions as names
from complaint_llm.observers.observer import AnswerEvent, AttemptEvent, BatchEvent, Observer, RequestEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

MOST_UNDER_WAY = 10_000
"""Calls under way that are kept in mind; of older ones the end alone is told."""
_HERE = ("localhost", "127.0.0.1", "::1")
_MISSING = "observer 'otel' needs the extra: pip install 'complaint-llm[otel]'"


class OtelObserver(Observer):
    """Hands spans and metrics to the program's own providers, the global ones without any here.

    ``endpoint`` is the OTLP address (HTTP) of a collector on this machine, such as "http://localhost:4318", for a
    program that sets up no SDK of its own. Raises ConfigError for another one and where the libraries are missing.
    A call's span has no parent: it is made when the call has ended, on the observers' thread.
    """

    version: ClassVar[str] = "1"

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        try:
            # extra
            from opentelemetry import metrics, trace
        except ImportError as error:
            raise ConfigError(_MISSING) from error
        self._own: list[Any] = []
        if endpoint is not None:
            tracer_provider, meter_provider = self._own = list(_providers(endpoint))
        tracers = tracer_provider or trace.get_tracer_provider()
        meters = meter_provider or metrics.get_meter_provider()
        self._trace = trace
        self._tracer = tracers.get_tracer("complaint_llm")
        meter = meters.get_meter("complaint_llm")
        self._tokens = meter.create_histogram(
            names.USAGE,
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=names.USAGE_BUCKETS,
        )
        self._duration = meter.create_histogram(
            names.DURATION,
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=names.DURATION_BUCKETS,
        )
        self._under_way: OrderedDict[str, tuple[RequestEvent, list[AttemptEvent]]] = OrderedDict()

    def request(self, event: RequestEvent) -> None:
        """Keep when it began."""
        self._under_way[event.call] = event, []
        if len(self._under_way) > MOST_UNDER_WAY:
            self._under_way.popitem(last=False)

    def attempt(self, event: AttemptEvent) -> None:
        """Keep it for the span of its call."""
        if event.call in self._under_way:
            self._under_way[event.call][1].append(event)

    def answer(self, event: AnswerEvent) -> None:
        """One span of kind client, and what of the call is measured."""
        request, attempts = self._under_way.pop(event.call, (None, []))
        common = _common(event, request)
        self._measure(event, common)
        span = self._tracer.start_span(
            " ".join(str(common[key]) for key in (names.OPERATION, names.REQUEST_MODEL) if key in common),
            kind=self._trace.SpanKind.CLIENT,
            attributes=common | _attributes(event),
            start_time=_nanoseconds(event.time - event.seconds),
        )
        at = event.time - event.seconds
        for each in attempts:
            at += each.seconds
            span.add_event(names.ATTEMPT, _of_attempt(each), timestamp=_nanoseconds(min(at, event.time)))
        if event.error is not None:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        span.end(end_time=_nanoseconds(event.time))

    def batch(self, event: BatchEvent) -> None:
        """One span for the whole of it."""
        if event.phase == "begin":
            return
        counts = {f"{names.BATCH}.{state}": count for state, count in event.counts.items()}
        span = self._tracer.start_span(
            names.BATCH,
            kind=self._trace.SpanKind.INTERNAL,
            attributes={names.BATCH: event.batch, names.COST: event.cost, **counts},
            start_time=_nanoseconds(event.time - event.seconds),
        )
        span.end(end_time=_nanoseconds(event.time))

    def close(self) -> None:
        """End what was made here; the program's own providers are its own."""
        for provider in self._own:
            provider.shutdown()

    def _measure(self, event: AnswerEvent, common: Mapping[str, Any]) -> None:
        error = {} if event.error is None else {names.ERROR_TYPE: event.error}
        self._duration.record(event.seconds, {**common, **error})
        if event.error is None and not event.cached:  # what was answered from the cache was paid for before
            usage = event.usage
            for kind, count in ((names.INPUT, usage.prompt_tokens), (names.OUTPUT, usage.completion_tokens)):
                if count:
                    self._tokens.record(count, {**common, names.TYPE_OF_TOKENS: kind})


def _common(event: AnswerEvent, request: RequestEvent | None) -> dict[str, Any]:
    """What spans and metrics share. A backend is a provider by the name that the config gives it."""
    asked = request.model if request is not None else None
    found = {
        names.OPERATION: names.EMBEDDINGS if event.kind == "embed" else names.CHAT,
        names.PROVIDER: event.backend or "none",
        names.REQUEST_MODEL: asked or event.model,
        names.RESPONSE_MODEL: event.model,
    }
    return {key: value for key, value in found.items() if value is not None}


def _attributes(event: AnswerEvent) -> dict[str, Any]:
    usage = event.usage
    prompt, completion = usage.known_counts if event.error is None else (None, None)
    found: dict[str, Any] = {
        names.CALL: event.call,
        names.TASK: event.task,
        names.REQUEST_STREAM: True if event.kind == "stream" else None,
        names.FIRST_CHUNK: event.first_piece,
        names.FINISH_REASONS: None if event.finish_reason is None else (event.finish_reason,),
        names.INPUT_TOKENS: prompt,
        names.OUTPUT_TOKENS: completion if event.kind != "embed" else None,
        names.CACHE_READ_TOKENS: usage.cached_tokens,
        names.REASONING_TOKENS: usage.reasoning_tokens,
        names.COST: event.cost,
        names.CACHED: True if event.cached else None,
        names.DEMO: True if event.demo else None,
        names.GUARDS: event.guards or None,
        names.ERROR_TYPE: event.error,
    }
    return {key: value for key, value in found.items() if value is not None}


def _of_attempt(event: AttemptEvent) -> dict[str, Any]:
    found = {
        names.NUMBER: event.number,
        names.BACKEND: event.backend,
        names.SECONDS: event.seconds,
        names.SENT: event.sent,
        names.MAYBE_RECEIVED: event.maybe_received,
        names.ERROR_TYPE: event.error,
    }
    return {key: value for key, value in found.items() if value is not None}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)


def _providers(endpoint: str) -> tuple[Any, Any]:
    """Providers that send to a collector on this machine. Raises ConfigError."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or parts.hostname not in _HERE:
        raise ConfigError(
            f"observer 'otel': endpoint {endpoint!r} is no collector on this machine (http://localhost:4318); for one "
            "elsewhere let the program set up the OpenTelemetry SDK, and give no endpoint"
        )
    try:
        # extra
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError(_MISSING) from error
    base = endpoint.rstrip("/")
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{base}/v1/traces")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{base}/v1/metrics"))
    return tracers, MeterProvider([reader])
