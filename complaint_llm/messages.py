"""The values that flow through the library: messages, tools, outputs, usage, stream events.

All of them are immutable named tuples: cheap to define at import and to make per call, picklable, and changed
only by ``value._replace(...)``. This module imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from complaint_llm.checks.check import Finding
    from complaint_llm.checks.quotes import Quote

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "error"]

ROLES: frozenset[str] = frozenset(("system", "user", "assistant", "tool"))


class TextPart(NamedTuple):
    """A piece of text inside a message."""

    text: str
    type: Literal["text"] = "text"


class ImagePart(NamedTuple):
    """An image inside a message: exactly one of ``url``, ``path`` (a file read when sent) and ``data`` (raw bytes).

    ``media_type`` (such as ``image/png``) is found from the bytes where it is not given.
    """

    url: str | None = None
    path: str | None = None
    data: bytes | None = None
    media_type: str | None = None
    type: Literal["image"] = "image"


Part: TypeAlias = TextPart | ImagePart


class ToolCall(NamedTuple):
    """A call of a tool that the model asks for.

    ``arguments`` is the parsed JSON object, or ``None`` if the model's argument text was no JSON object;
    ``arguments_raw`` is that text as it came.
    """

    id: str
    name: str
    arguments: Mapping[str, Any] | None
    arguments_raw: str = ""


class Message(NamedTuple):
    """One turn of a conversation.

    ``content`` is a text or a tuple of parts. An assistant's message may carry ``tool_calls``; a ``tool`` message
    answers the call named by ``tool_call_id``. ``extra`` is what a provider wants back unchanged with the next
    turn (thinking signatures); it is never shown or logged.
    """

    role: Role
    content: str | tuple[Part, ...] = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    extra: Mapping[str, Any] | None = None

    @property
    def text(self) -> str:
        """The text of the message without its images."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


class Tool(NamedTuple):
    """A function that a model may ask to be called; ``parameters`` is a JSON Schema of type object."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = {"type": "object", "properties": {}}


MessageLike: TypeAlias = Message | Mapping[str, Any]
Prompt: TypeAlias = str | Sequence[MessageLike]
ToolLike: TypeAlias = Tool | Mapping[str, Any] | Callable[..., Any]


class TokenUsage(NamedTuple):
    """Tokens of one answer.

    ``prompt_tokens`` includes ``cached_tokens``; ``completion_tokens`` includes ``reasoning_tokens``.

    ``cached_tokens`` and ``reasoning_tokens`` are ``None`` where the provider does not say.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class Attempt(NamedTuple):
    """One try at one backend, or the reason why it was passed over.

    ``error`` is ``None`` for the try that answered, else one line. ``maybe_received`` marks a request that was wholly
    sent and got no answer: the provider may have done the work, and its price is unknown.
    ``sent`` is false where nothing left this process (a skip, a refusal, a failed connection).
    """

    backend: str
    error: str | None
    seconds: float
    maybe_received: bool = False
    sent: bool = True


class _Answer(NamedTuple):
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None
    confidence: float | None = None
    token_usage: TokenUsage = TokenUsage()
    finish_reason: FinishReason | None = None
    parsed: Any = None
    cost: float | None = None
    backend: str = ""
    model: str = ""
    attempts: tuple[Attempt, ...] = ()
    provenance: str | Callable[[], str] | None = None
    metadata: Mapping[str, Any] = {}
    extra: Mapping[str, Any] | None = None
    quotes: tuple[Quote, ...] = ()
    findings: tuple[Finding, ...] = ()


class InferenceOutput(_Answer):
    """An answer.

    ``confidence`` is exp(mean token log-probability) where ``logprobs=True`` asked for it. ``cost`` is in US dollars,
    ``None`` where the price is unknown. ``provenance`` is the CID of the answer's provenance record, a text; it may be
    given as a function that makes it, which is called when the CID is read. ``extra`` is the provider's own state to
    be sent back with the next turn (see ``Message.extra``). ``quotes`` are the strings of ``parsed`` that its schema
    marks
    ``"x-quote": true``, looked up in what the model was shown; ``findings`` is what the checks of its task found wrong.
    """

    __slots__ = ()

    @property
    def provenance(self) -> str | None:
        """The CID of the answer's provenance record, None without one. Raises EvidenceError if it cannot be made."""
        given: str | Callable[[], str] | None = _given_provenance(self)
        return given() if callable(given) else given

    def _asdict(self) -> dict[str, Any]:
        """The fields by name, in their order."""
        return {**super()._asdict(), "provenance": self.provenance}

    def message(self) -> Message:
        """This answer as the assistant's message of a further turn."""
        return Message("assistant", self.content, self.tool_calls, extra=self.extra)


_given_provenance = itemgetter(_Answer._fields.index("provenance"))


class EmbeddingOutput(NamedTuple):
    """Vectors in the order of the texts that were asked for."""

    vectors: tuple[tuple[float, ...], ...]
    token_usage: TokenUsage = TokenUsage()
    cost: float | None = None
    backend: str = ""
    model: str = ""
    attempts: tuple[Attempt, ...] = ()


class ModelInfo(NamedTuple):
    """What is known of a model. Prices are US dollars per million tokens; ``None`` is unknown, never free."""

    name: str
    provider: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_input_price: float | None = None
    capabilities: frozenset[str] = frozenset()
    retires: str | None = None
    """The day (ISO date) on which the provider stops or stopped serving it, where known."""
    price_up_to: int | None = None
    """Prompt tokens up to which the prices hold; a longer prompt's price is unknown."""

    def calculate_cost(self, usage: TokenUsage) -> float | None:
        """US dollars for this usage; ``None`` if a price that it needs is unknown."""
        if self.input_price is None or self.output_price is None:
            return None
        if self.price_up_to is not None and usage.prompt_tokens > self.price_up_to:
            return None
        cached = usage.cached_tokens or 0
        cached_price = self.input_price if self.cached_input_price is None else self.cached_input_price
        fresh = usage.prompt_tokens - cached
        return (fresh * self.input_price + cached * cached_price + usage.completion_tokens * self.output_price) / 1e6


class TextDelta(NamedTuple):
    """The next piece of the answer's text."""

    text: str
    type: Literal["text_delta"] = "text_delta"


class ReasoningDelta(NamedTuple):
    """The next piece of the model's reasoning text."""

    text: str
    type: Literal["reasoning_delta"] = "reasoning_delta"


class ToolCallStart(NamedTuple):
    """A tool call begins; its arguments follow."""

    id: str
    name: str
    type: Literal["tool_call_start"] = "tool_call_start"


class ToolCallDelta(NamedTuple):
    """The next piece of a tool call's argument JSON."""

    id: str
    arguments_delta: str
    type: Literal["tool_call_delta"] = "tool_call_delta"


class ToolCallEnd(NamedTuple):
    """A tool call's arguments are complete."""

    id: str
    type: Literal["tool_call_end"] = "tool_call_end"


class Done(NamedTuple):
    """The stream reached its proper end; ``output`` is the whole answer."""

    token_usage: TokenUsage
    output: InferenceOutput
    type: Literal["done"] = "done"


class StreamError(NamedTuple):
    """The stream failed; the same error is raised by the next step of the iteration."""

    error: Exception
    type: Literal["error"] = "error"


StreamEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCallStart | ToolCallDelta | ToolCallEnd | Done | StreamError
