"""The parameters of a call, typed: editors list them, type checkers refuse a misspelt one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from complaint_llm.messages import ToolLike
from complaint_llm.request import SamplingKeys


class _Parameters(SamplingKeys, total=False):
    model: str | None
    """Another model than the backend's own."""
    backend: str | None
    """The id of the backend to ask, in place of all of them."""
    system: str | None
    privacy: Literal["local"] | None
    """``"local"``: nothing leaves this machine."""
    evidence: Sequence[str] | None
    """CIDs of evidence that the model is shown."""
    cite: Sequence[str] | None
    """CIDs of evidence that is recorded as what the answer rests on, and not shown to the model."""
    names: Sequence[str] | None
    """Names that are in it, for a guard that hides them."""
    matter: str | None
    """The matter that it belongs to, for journal, provenance and evidence."""
    requires: Mapping[str, Any] | None
    """What is required of how a provider handles data: ``trains``, ``retention_days``, ``region``,
    ``zero_retention``; beside what MEDIATOR and the task require."""
    documents: Literal["auto", "native", "text"] | None
    """Documents as files to whoever reads them (``"auto"``), only as files, or as text."""
    task: str | Mapping[str, Any] | None
    """The id of a task, or ``{"id", "item", "fields"}``."""
    extra_body: Mapping[str, Any] | None
    """Laid over the request's body as it is sent."""


class CallParameters(_Parameters, total=False):
    """What ``infer`` takes by name, beside messages, tools, ``temperature`` and ``response_format``."""

    timeout: float | None
    """Seconds for the whole call, above 0."""


class InferParameters(CallParameters, total=False):
    """The same with the shape of the answer."""

    response_format: Mapping[str, Any] | type[Any] | None
    """A JSON Schema, ``{"type": "json_object"}``, OpenAI's wrapper, or a pydantic class."""


class GenerateParameters(InferParameters, total=False):
    """What ``generate`` and ``stream_generate`` take by name."""

    temperature: float | None
    tools: Sequence[ToolLike]


class BatchParameters(_Parameters, total=False):
    """What every prompt of a batch is asked with; the prompt's own parameters stand above these."""

    response_format: Mapping[str, Any] | type[Any] | None
    temperature: float | None
    tools: Sequence[ToolLike]


class EmbeddingParameters(TypedDict, total=False):
    """What ``embed`` and ``embeddings`` take by name."""

    model: str | None
    backend: str | None
    timeout: float | None
    privacy: Literal["local"] | None
    matter: str | None
    requires: Mapping[str, Any] | None
    extra_body: Mapping[str, Any] | None
