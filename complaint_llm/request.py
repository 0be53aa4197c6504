"""One request, normalised: what users may pass in, made into the immutable value that policies and backends read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol
from weakref import WeakKeyDictionary

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.generation_keys import GENERATION_KEYS as GENERATION_KEYS
from complaint_llm.generation_keys import GenerationKeys as GenerationKeys
from complaint_llm.generation_keys import SamplingKeys as SamplingKeys
from complaint_llm.handling import Requirements
from complaint_llm.message_shapes import parse_arguments as parse_arguments  # a name of the toolkit for authors
from complaint_llm.messages import InferenceOutput, Message, Prompt, Shown, Tool, ToolLike
from complaint_llm.named_tuples import NamedTuple

if TYPE_CHECKING:
    from complaint_llm.checks.answer_checks import AnswerChecks


CALL_KEYS: frozenset[str] = frozenset(
    (
        *("model", "backend", "system", "timeout", "response_format", "privacy", "extra_body", "task"),
        *("evidence", "cite", "documents", "names", "matter", "requires"),
    )
)
"""Parameters of one call that are not sent as sampling parameters."""

EMPTY: Mapping[str, Any] = MappingProxyType({})


class _Number(NamedTuple):
    """A kind of number: in words, and what a value of it has."""

    words: str
    ability: str


_INTEGER, _REAL = _Number("a whole number", "__index__"), _Number("a number", "__float__")
_NUMBERS: Mapping[str, _Number] = {
    **dict.fromkeys(("max_tokens", "top_k", "seed"), _INTEGER),
    **dict.fromkeys(("temperature", "top_p", "frequency_penalty", "presence_penalty"), _REAL),
}

Privacy = Literal["local"]

DOCUMENT_MODES = ("auto", "native", "text")
DocumentMode = Literal["auto", "native", "text"]
"""How documents are given: as files to whoever reads them and as text to any other, only as files, or as text."""


class ResponseFormat(NamedTuple):
    """The shape that an answer must have: any JSON object, or JSON that fits ``schema``.

    ``model`` is the pydantic class that ``schema`` was made from, if any: ``output.parsed`` is then an instance of it.
    ``native`` is False once a provider refused to hold the answer to the schema: then it is asked for in words.
    """

    kind: Literal["json_object", "json_schema"]
    schema: Mapping[str, Any] | None = None
    name: str = "answer"
    strict: bool = True
    model: Any = None
    native: bool = True


class Request(NamedTuple):
    """One question to a model: what an author's ``answer(request)`` receives.

    ``params`` has only what was set, by neutral name, the backend's own defaults included once it is bound to one.
    ``deadline`` and ``cancel`` are those of this attempt; ``model`` is None only if neither call nor backend names one.
    """

    messages: tuple[Message, ...]
    deadline: Deadline
    cancel: CancelToken
    model: str | None = None
    params: Mapping[str, Any] = EMPTY
    tools: tuple[Tool, ...] = ()
    response_format: ResponseFormat | None = None
    extra_body: Mapping[str, Any] = EMPTY
    privacy: Privacy | None = None
    evidence: tuple[str, ...] = ()
    stream: bool = False
    checks: AnswerChecks | None = None
    """What is checked of the answer beside its shape; nothing that is sent."""
    shape_in_words: bool = False
    """Whether the messages ask for an answer of a given shape, since the provider does not hold it to one."""
    attaches: bool = False
    """Whether any message has a document, or evidence is to be shown."""
    documents: DocumentMode | None = None
    """How documents are given, where the call says so."""
    shown: tuple[Shown, ...] = ()
    """How the documents and the evidence of the call are shown in ``messages``."""
    file_tokens: int = 0
    """Tokens, by estimate, of the documents that are given as files."""
    names: tuple[str, ...] = ()
    """Names that the caller says are in it, for guards."""
    matter: str | None = None
    """The matter that the call belongs to; nothing that is sent."""
    requires: Requirements | None = None
    """What is required of how whoever is asked handles data."""
    forms: Forms | None = None
    """Where what is asked depends on who is asked: what each target is asked in the place of this request."""


class Forms(Protocol):
    """What each target is asked, where that depends on the target: documents as files or as text, evidence only here.

    Made once for a call, before anything is looked up, admitted or sent. Any thread may call it.
    """

    def prepare(self, routes: Any) -> Request:
        """Make what the targets on ``routes`` are asked, where that must be done before anything is looked up or sent.

        What all of them are asked, where that is the same for all; else the call's request with its forms. Raises
        GuardError.
        """
        ...

    def hand_out(self, target: FormTarget, output: InferenceOutput) -> InferenceOutput:
        """The answer of this target as the caller gets it."""
        ...

    def lacks(self, target: FormTarget) -> str | None:
        """Why this target must not or cannot be shown it, as a phrase, or None."""
        ...

    def request_to(self, target: FormTarget, request: Request) -> Request:
        """What this target is asked in the place of ``request``, which keeps its deadline and token; without forms."""
        ...

    def guard_report(self, target: FormTarget) -> Sequence[Mapping[str, Any]]:
        """Which guards stand before this target, and what they counted so far."""
        ...

    def restored_stream(self, target: FormTarget, stream: Any) -> Any:
        """This target's stream, its pieces as the caller gets them; its last event is as the target gave it."""
        ...

    def length_in_words(self) -> str:
        """How long the documents are, and what to do where they are too long."""
        ...


class EmbeddingForms(Protocol):
    """What each target is to embed, where that depends on the target. Any thread may call it."""

    def texts_to(self, target: FormTarget) -> tuple[str, ...]:
        """The texts that this target is to embed in the place of the request's. Raises GuardError."""
        ...


class FormTarget(Protocol):
    """A target as far as a form depends on it."""

    @property
    def local(self) -> bool:
        """Whether what it is asked stays on this machine."""
        ...

    @property
    def sees_images(self) -> bool: ...
    @property
    def host(self) -> str | None:
        """Where it sends to, for people."""
        ...

    @property
    def document_mode(self) -> DocumentMode:
        """How its config wants documents to be given."""
        ...

    def reads(self, media_type: str) -> bool:
        """Whether it takes such files as they are."""
        ...


class EmbeddingRequest(NamedTuple):
    """Texts to be embedded, in order."""

    texts: tuple[str, ...]
    deadline: Deadline
    cancel: CancelToken
    model: str | None = None
    extra_body: Mapping[str, Any] = EMPTY
    privacy: Privacy | None = None
    matter: str | None = None
    requires: Requirements | None = None
    forms: EmbeddingForms | None = None
    """Where what is embedded depends on who is asked: what each target is to embed in the place of ``texts``."""


def as_messages(prompt: Prompt, system: str | None = None) -> tuple[Message, ...]:
    """Messages from a text or a list of messages; ``system`` is put first.

    Raises InvalidRequestError naming the place.
    """
    messages: tuple[Message, ...]
    if isinstance(prompt, str):
        messages = (Message("user", prompt),)
    elif isinstance(prompt, Message):
        messages = (prompt,)
    elif isinstance(prompt, (list, tuple)):
        messages = tuple(
            item if isinstance(item, Message) else _message(item, place) for place, item in enumerate(prompt)
        )
    else:
        raise _bad(f"a prompt is a text or a list of messages, not {type(prompt).__name__}")
    if system is not None:
        if not isinstance(system, str):
            raise _bad(f"system is a text, not {type(system).__name__}")
        messages = (Message("system", system), *messages)
    if not messages:
        raise _bad("no messages: give at least one")
    return messages


def as_generation(params: Mapping[str, Any], temperature: float | None = None) -> Mapping[str, Any]:
    """The generation parameters among a call's, without those that are None. Raises InvalidRequestError, and TypeError
    for a name that no call has.
    """
    made: dict[str, Any] = {}
    for key, value in params.items():
        if key in GENERATION_KEYS:
            if value is not None:
                made[key] = value
        elif key not in CALL_KEYS:
            known = ", ".join(sorted(GENERATION_KEYS | CALL_KEYS))
            raise TypeError(f"unexpected parameter {key!r}; known are {known}")
    if temperature is not None:
        made["temperature"] = temperature
    for key, value in made.items():
        wanted = _NUMBERS.get(key)
        # By what it can do, not by its class: numbers of other libraries count.
        if wanted is not None and (isinstance(value, bool) or not hasattr(value, wanted.ability)):
            raise _bad(f"{key} is {wanted.words}, not {value!r:.60}")
    stop = made.get("stop", ())
    if not isinstance(stop, (str, list, tuple)) or not all(isinstance(each, str) for each in stop):
        raise _bad("stop is a text or a list of texts: write each in quotes")
    if made.get("max_tokens", 1) < 1:
        raise _bad(f"max_tokens is at least 1, not {made['max_tokens']!r}")
    return made or EMPTY


def as_tools(tools: Sequence[ToolLike]) -> tuple[Tool, ...]:
    """Neutral tools from tools, dicts of their fields (OpenAI's ``{"function": ...}`` too) or typed functions."""
    if isinstance(tools, (str, Mapping)) or not isinstance(tools, Iterable):
        raise _bad(f"tools are a list, not {type(tools).__name__}")
    made = tuple(_tool(item, place) for place, item in enumerate(tools))
    names = [tool.name for tool in made]
    if len(set(names)) != len(names):
        raise _bad(f"two tools are named {next(n for n in names if names.count(n) > 1)!r}")
    return made


def as_response_format(given: Any) -> ResponseFormat:
    """A response format from a JSON Schema, a pydantic class, ``{"type": "json_object"}`` or OpenAI's wrapper."""
    if isinstance(given, ResponseFormat):
        return given
    if isinstance(given, type) and hasattr(given, "model_json_schema"):
        return ResponseFormat("json_schema", _schema_of_model(given), given.__name__, model=given)
    if not isinstance(given, Mapping):
        raise _bad(f"response_format is a JSON Schema, a pydantic class or a type, not {type(given).__name__}")
    kind = given.get("type")
    if kind == "json_object":
        return ResponseFormat("json_object")
    if kind == "json_schema":
        inner = given.get("json_schema")
        if not isinstance(inner, Mapping) or not isinstance(inner.get("schema"), Mapping):
            raise _bad('response_format of type json_schema needs {"json_schema": {"name": ..., "schema": {...}}}')
        return ResponseFormat(
            "json_schema", inner["schema"], str(inner.get("name", "answer")), bool(inner.get("strict", True))
        )
    return ResponseFormat("json_schema", given, str(given.get("title", "answer")))


_MODEL_SCHEMAS: WeakKeyDictionary[Any, tuple[Any, str]] = WeakKeyDictionary()


def _schema_of_model(model: Any) -> dict[str, Any]:
    """The class' JSON Schema, made once and copied: making it takes longer than all else of a call. Any thread may ask.

    ``model_rebuild`` replaces the core schema by which pydantic validates, so that tells whether it is still right.
    """
    import json  # cold start: json

    core = getattr(model, "__pydantic_core_schema__", None)
    known = _MODEL_SCHEMAS.get(model)
    if known is None or known[0] is not core:
        known = _MODEL_SCHEMAS[model] = (core, json.dumps(model.model_json_schema(), ensure_ascii=False))
    copied: dict[str, Any] = json.loads(known[1])
    return copied


def _message(item: Any, place: int) -> Message:
    try:
        return Message.from_dict(item)
    except ValueError as cause:
        says = str(cause)
        between = " " if says.startswith(("has ", "is ")) else ": "
        raise _bad(f"message {place}{between}{says}") from cause


def _tool(item: ToolLike, place: int) -> Tool:
    if isinstance(item, Tool):
        return item
    if isinstance(item, Mapping):
        inner = item.get("function", item)
        if isinstance(inner, Mapping) and isinstance(inner.get("name"), str):
            return Tool(inner["name"], str(inner.get("description", "")), inner.get("parameters"))
        raise _bad(f"tool {place} has no name")
    if callable(item):
        from complaint_llm.json_schema.from_function import tool_from_function  # cold start: inspect

        return tool_from_function(item)
    raise _bad(f"tool {place} is a {type(item).__name__}, not a Tool, a dict or a function")


def _bad(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, sent=False)
