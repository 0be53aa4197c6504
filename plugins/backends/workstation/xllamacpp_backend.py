"""The type ``workstation`` on xllamacpp: several requests at once, tools, log probabilities, reasoning, images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from complaint_llm_plugins.backends.openai import wire_chat, wire_embeddings
from complaint_llm_plugins.backends.openai.stream_chat import ChatDecoder
from complaint_llm_plugins.backends.workstation.backend import REFUSED, WorkstationBackend
from complaint_llm_plugins.backends.workstation.runtimes import import_runtime
from complaint_llm_plugins.backends.workstation.schema import sent_schema
from complaint_llm_plugins.backends.workstation.xllamacpp_server import SlotServer

from complaint_llm.backends import EmbeddingRequest, Request
from complaint_llm.backends.wire import Family, remote_url
from complaint_llm.exceptions import BackendError, ContextLengthError, InvalidRequestError, ServerError
from complaint_llm.messages import Done, EmbeddingOutput, ImagePart, InferenceOutput, StreamEvent

if TYPE_CHECKING:
    from complaint_llm_plugins.backends.workstation.runtimes import Runtime

    from complaint_llm.backends import Capability


class XllamacppBackend(WorkstationBackend):
    """A GGUF model in this process that answers ``n_parallel`` requests at a time. Any thread may call it."""

    runtime: ClassVar[Runtime] = "xllamacpp"
    lacking_keys: ClassVar[frozenset[str]] = frozenset(("chat_format",))
    interruptible: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[Capability]] = WorkstationBackend.capabilities | {"tools"}
    parameters: ClassVar[frozenset[str]] = WorkstationBackend.parameters | {"logprobs"}

    @property
    def _family(self) -> Family:
        return Family({name: name for name in self.parameters})

    def make_model(self, *, embedding: bool, offline: bool) -> SlotServer:
        return SlotServer(self.model_file(offline=offline), self.settings, embedding=embedding)

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        self.unsupported_metadata(request)
        model: SlotServer = self.model()
        if request.tools and not model.takes_tools:
            # The engine would leave them out without a word.
            raise InvalidRequestError("no tools: the model's chat template has no place for them", sent=False)
        name = request.model or self.model_name()
        decoder = ChatDecoder(request._replace(model=name), self._family, _error)
        with _refusals():
            body = self._body(request)
            for chunk in model.chunks(body, request.deadline, request.cancel):
                if "error" in chunk:
                    raise _error(chunk)
                if "prompt_progress" not in chunk:
                    if "grammar" in body:
                        _say_thoughts(chunk)
                    yield from decoder.read({**chunk, "model": name})
            yield from decoder.end_mark()

    def answer(self, request: Request) -> InferenceOutput:
        *_, last = self.answer_stream(request)
        assert isinstance(last, Done)
        return last.output

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        model: SlotServer = self.model(embedding=True)
        with _refusals():
            found = model.embed(request.texts)
            return wire_embeddings.decode(found, _error)._replace(model=self.model_name())

    def _body(self, request: Request) -> dict[str, Any]:
        """The body of a streamed request, with a word after each part of the prompt that was read."""
        wanted = request.response_format
        plain = request._replace(response_format=None, stream=True)
        body = dict(wire_chat.encode(plain, self._family).body or {})
        body.pop("model")
        body["return_progress"] = True
        if wanted is not None:
            schema = (None if wanted.schema is None else sent_schema(wanted.schema)) or {"type": "object"}
            if request.tools:
                body["response_format"] = {"type": "json_object", "schema": schema}
            else:
                # By a grammar alone: what a response_format brings parses the answer once more, and fails where it
                # was cut in the middle of a character.
                body["grammar"] = import_runtime("xllamacpp").json_schema_to_grammar(schema)
        if self._must_repeat(request):
            # What an earlier request left in a slot changes the last bits of the numbers, and so the answer.
            body["cache_prompt"] = False
        return body

    def _must_repeat(self, request: Request) -> bool:
        """Whether the answer is to repeat to the letter, so that the whole prompt is read anew: where a seed is given,
        and at temperature 0 where requests are not computed together anyway."""
        alone = self.settings.n_parallel == 1
        return "seed" in request.params or (alone and request.params.get("temperature") == 0)


class VisionBackend(XllamacppBackend):
    """The same with a projector (``mmproj``), which lets the model see images."""

    capabilities: ClassVar[frozenset[Capability]] = XllamacppBackend.capabilities | {"images"}

    def lacks(self, request: Request | EmbeddingRequest) -> str | None:
        return super().lacks(request) or _lacking_bytes(request)


def _say_thoughts(chunk: dict[str, Any]) -> None:
    """Where a grammar holds the answer from its first letter nothing in it is a thought: after a template that opens
    one, the engine takes it all for one."""
    for choice in chunk.get("choices", ()):
        delta = choice.get("delta", {})
        if "reasoning_content" in delta:
            delta["content"] = delta.pop("reasoning_content")


def _lacking_bytes(request: Request | EmbeddingRequest) -> str | None:
    """An image that would have to be fetched, as a phrase: the engine would, from wherever its address says."""
    if isinstance(request, EmbeddingRequest):
        return None
    for message in request.messages:
        for part in () if isinstance(message.content, str) else message.content:
            if isinstance(part, ImagePart) and remote_url(part) is not None:
                return "no images by address: give its bytes or its file"
    return None


@contextmanager
def _refusals() -> Iterator[None]:
    """What the engine refuses, as our errors."""
    try:
        yield
    except ValueError as cause:
        raise InvalidRequestError(f"llama.cpp refuses the request: {cause}", code=REFUSED, sent=False) from cause


def _error(given: Any) -> BackendError:
    """What the engine's error object means."""
    about = given.get("error") if isinstance(given, dict) else None
    about = about if isinstance(about, dict) else {}
    kind, words = about.get("type"), str(about.get("message") or "no reason given")
    if kind == "exceed_context_size_error":
        return ContextLengthError(f"the prompt is too long: {words}", sent=False)
    if about.get("code") == 400 or kind == "invalid_request_error":
        return InvalidRequestError(f"llama.cpp refuses the request: {words}", code=REFUSED, sent=False)
    return ServerError(f"llama.cpp failed: {words}")
