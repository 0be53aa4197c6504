"""The backend type ``llm``: any model that is installed for the program ``llm``, with its keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from complaint_llm import InferenceOutput, TokenUsage, hookimpl
from complaint_llm.backends import Backend, BackendType, Capability, Request
from complaint_llm.backends.wire import StreamAccumulator, UnsupportedParameters, as_prompt
from complaint_llm.exceptions import AuthenticationError, InvalidRequestError
from complaint_llm.messages import StreamEvent

if TYPE_CHECKING:
    import llm


class LLMBridge(Backend):
    """Asks the model that ``model`` names, as ``llm models`` lists it; without ``api_key`` with the keys of ``llm``."""

    capabilities: ClassVar[frozenset[Capability]] = frozenset(("stream",))

    def answer(self, request: Request) -> InferenceOutput:
        response = self.ask(request, stream=False)
        text, usage = response.text(), response.usage()
        sent, received = usage.input or 0, usage.output or 0
        return InferenceOutput(text, token_usage=TokenUsage(sent, received, sent + received))

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        answer = StreamAccumulator(asked=request.model or "")
        for piece in self.ask(request, stream=True):
            yield from answer.text(piece)
        yield from answer.done()

    def ask(self, request: Request, *, stream: bool) -> llm.Response:
        import llm  # heavy: on first use

        try:
            model = llm.get_model(request.model)
            key = self.options.api_key
            given = {"key": key.reveal()} if key is not None and getattr(model, "needs_key", None) else {}
            unknown = tuple(name for name in request.params if name not in model.Options.model_fields)
            UnsupportedParameters(self.options.unsupported_parameters, self.log).check(unknown, model.model_id)
            options = {name: value for name, value in request.params.items() if name not in unknown}
            return model.prompt(as_prompt(request.messages), stream=stream, **given, **options)
        except llm.UnknownModelError as cause:
            raise InvalidRequestError(f"llm has no model {request.model!r}: see `llm models`", sent=False) from cause
        except llm.NeedsKeyException as cause:
            raise AuthenticationError(str(cause), sent=False) from cause


@hookimpl
def complaint_llm_backend_types() -> list[BackendType]:
    example = {"id": "bridge", "type": "llm", "model": "echo"}
    return [BackendType("llm", LLMBridge, "any model of the program llm", modules=("llm",), example=example)]
