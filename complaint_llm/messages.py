"""The values that flow through the library: messages, tools, outputs, usage, stream events.

All of them are immutable named tuples: cheap to define at import and to make per call, picklable, and changed
only by ``value._replace(...)``. Mappings in them are each value's own, never a default that values share.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeAlias

from complaint_llm.answer_sources import Citation as Citation
from complaint_llm.answer_sources import Shown as Shown
from complaint_llm.message_shapes import arguments_text, call_fields, message_fields
from complaint_llm.model_info import ModelInfo as ModelInfo
from complaint_llm.model_info import Price as Price
from complaint_llm.model_info import TokenUsage as TokenUsage
from complaint_llm.named_tuples import NamedTuple, with_changes

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from complaint_llm.checks.check import Finding
    from complaint_llm.checks.quote import Quote

    Parsed = TypeVar("Parsed", default=Any)
else:
    from typing import TypeVar

    Parsed = TypeVar("Parsed")

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "paused"]


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


class Document(NamedTuple):
    """A document inside a message: exactly one of ``path`` (a file read when sent), ``data`` (raw bytes) and ``cid``
    (evidence that is stored).

    ``media_type`` and ``name`` are found from the file where they are not given. ``pages`` chooses some of a document
    that has pages: ``"1-3,7"``. A backend that reads such files itself gets the file, with its bytes, kind, name and
    CID; any other the text in it.
    """

    path: str | None = None
    data: bytes | None = None
    cid: str | None = None
    media_type: str | None = None
    name: str | None = None
    pages: str | None = None
    type: Literal["document"] = "document"


Part: TypeAlias = TextPart | ImagePart | Document


class ToolCall(NamedTuple):
    """A call of a tool that the model asks for.

    ``arguments`` is the parsed JSON object, or ``None`` if the model's argument text was no JSON object;
    ``arguments_raw`` is that text as it came.
    """

    id: str
    name: str
    arguments: Mapping[str, Any] | None
    arguments_raw: str = ""

    @property
    def arguments_text(self) -> str:
        """The argument text that goes to a model: the one that came, unless ``arguments`` were changed since."""
        return arguments_text(self.arguments, self.arguments_raw)

    def to_dict(self) -> dict[str, Any]:
        """This call for ``json``, in OpenAI's shape."""
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments_text},
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> ToolCall:
        """The call of ``to_dict``; flat dicts of the fields are read, too. Raises ValueError."""
        return cls(*call_fields(given))


class Message(NamedTuple):
    """One turn of a conversation.

    ``content`` is a text or a tuple of parts. An assistant's message may carry ``tool_calls``; a ``tool`` message
    answers the call named by ``tool_call_id``. ``extra`` is what the service that made the message wants back unchanged
    with the next turn (thinking signatures, encrypted reasoning), sealed with that service's name and with a digest of
    what the message says: no other service gets it, nor does its own once the message was changed. It is JSON, and
    never shown or logged.
    """

    role: Role
    content: str | tuple[Part, ...] = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    extra: Mapping[str, Any] | None = None

    @property
    def text(self) -> str:
        """The text of the message without its images and documents."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))

    def to_dict(self) -> dict[str, Any]:
        """This message for ``json``, everything in it: ``Message.from_dict(json.loads(json.dumps(m.to_dict()))) == m``.

        The keys are ``role``, ``content`` and those of ``tool_calls`` (in OpenAI's shape), ``tool_call_id``, ``name``
        and ``extra`` that are set; bytes of an image or a document are base64.
        """
        content: Any = self.content
        if not isinstance(content, str):
            content = [_part_dict(part) for part in content]
        found: dict[str, Any] = {"role": self.role, "content": content}
        if self.tool_calls:
            found["tool_calls"] = [call.to_dict() for call in self.tool_calls]
        extra = None if self.extra is None else dict(self.extra)
        rest = {"tool_call_id": self.tool_call_id, "name": self.name, "extra": extra}
        return {**found, **{name: value for name, value in rest.items() if value is not None}}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Message:
        """The message of ``to_dict``, of OpenAI's shape, or of the list that ``json.dumps(message)`` writes.

        Raises ValueError in one line, without a subject: "has no content".
        """
        fields = message_fields(given)
        content = fields["content"]
        if not isinstance(content, str):
            fields["content"] = tuple(_PARTS[part.get("type", "text")](**part) for part in content)
        fields["tool_calls"] = tuple(ToolCall(*call) for call in fields["tool_calls"])
        return cls(**fields)


_PARTS: Mapping[str, Callable[..., Part]] = {"text": TextPart, "image": ImagePart, "document": Document}


def _part_dict(part: Part) -> dict[str, Any]:
    found = {"type": part.type, **{name: value for name, value in part._asdict().items() if value is not None}}
    if not isinstance(part, TextPart) and part.data is not None:
        from base64 import b64encode  # cold start: base64

        found["data"] = b64encode(part.data).decode("ascii")
    return found


class _Tool(NamedTuple):
    name: str
    description: str
    parameters: Mapping[str, Any]


class Tool(_Tool):
    """A function that a model may ask to be called; ``parameters`` is a JSON Schema of type object.

    Without ``parameters`` it takes none.
    """

    __slots__ = ()

    def __new__(cls, name: str, description: str = "", parameters: Mapping[str, Any] | None = None) -> Self:
        own = {"type": "object", "properties": {}} if parameters is None else parameters
        return super().__new__(cls, name, description, own)


MessageLike: TypeAlias = Message | Mapping[str, Any]
Prompt: TypeAlias = str | Sequence[MessageLike]
ToolLike: TypeAlias = Tool | Mapping[str, Any] | Callable[..., Any]


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


class _AnswerFields(typing.NamedTuple, Generic[Parsed]):
    content: str
    tool_calls: tuple[ToolCall, ...]
    reasoning: str | None
    confidence: float | None
    token_usage: TokenUsage
    finish_reason: FinishReason | None
    parsed: Parsed
    cost: float | None
    backend: str
    model: str
    attempts: tuple[Attempt, ...]
    provenance: str | Callable[[], str] | None
    metadata: Mapping[str, Any]
    extra: Mapping[str, Any] | None
    quotes: tuple[Quote, ...]
    findings: tuple[Finding, ...]
    citations: tuple[Citation, ...]
    shown: tuple[Shown, ...]


class InferenceOutput(_AnswerFields[Parsed]):
    """An answer.

    ``confidence`` is exp(mean token log-probability) where ``logprobs=True`` asked for it. ``cost`` is in US dollars,
    ``None`` where the price is unknown. ``provenance`` is the CID of the answer's provenance record, a text; it may be
    given as a function that makes it, which is called when the CID is read. ``metadata`` is this answer's own, for
    whoever has it to write on. ``extra`` is the provider's own state to be sent back with the next turn (see
    ``Message.extra``).

    ``finish_reason`` says why the answer ended, the same on every wire: "stop", "length" (cut at the longest allowed),
    "tool_calls", "content_filter", "paused" (the provider waits for the message to be sent back), None where it does
    not say or says something else. Its own word is ``metadata["finish_reason"]``. ``metadata["commentary"]`` is what
    the model said it was about to do, beside the answer.

    ``quotes`` are the strings of ``parsed`` that its schema marks ``"x-quote": true``, looked up in what the model was
    shown; ``findings`` is what the checks of its task found wrong. ``citations`` are what the provider says that the
    answer rests on; ``shown`` are the documents and the evidence of the call, and how the model was shown each.
    """

    __slots__ = ()
    _places: ClassVar[Mapping[str, int]] = {field: place for place, field in enumerate(_AnswerFields._fields)}
    _replace = with_changes

    def __new__(
        cls,
        content: str,
        tool_calls: tuple[ToolCall, ...] = (),
        reasoning: str | None = None,
        confidence: float | None = None,
        token_usage: TokenUsage = TokenUsage(),  # noqa: B008 - immutable
        finish_reason: FinishReason | None = None,
        parsed: Parsed | None = None,
        cost: float | None = None,
        backend: str = "",
        model: str = "",
        attempts: tuple[Attempt, ...] = (),
        provenance: str | Callable[[], str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        extra: Mapping[str, Any] | None = None,
        quotes: tuple[Quote, ...] = (),
        findings: tuple[Finding, ...] = (),
        citations: tuple[Citation, ...] = (),
        shown: tuple[Shown, ...] = (),
    ) -> Self:
        fields = (
            content,
            tool_calls,
            reasoning,
            confidence,
            token_usage,
            finish_reason,
            parsed,
            cost,
            backend,
            model,
            attempts,
            provenance,
            {} if metadata is None else metadata,
            extra,
            quotes,
            findings,
            citations,
            shown,
        )
        return tuple.__new__(cls, fields)

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


_given_provenance = itemgetter(_AnswerFields._fields.index("provenance"))


class EmbeddingOutput(NamedTuple):
    """Vectors in the order of the texts that were asked for."""

    vectors: tuple[tuple[float, ...], ...]
    token_usage: TokenUsage = TokenUsage()
    cost: float | None = None
    backend: str = ""
    model: str = ""
    attempts: tuple[Attempt, ...] = ()


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
