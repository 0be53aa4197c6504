"""GGUF models on this machine through llama.cpp."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from complaint_llm_plugins.backends.workstation.gguf_file import look_at
from complaint_llm_plugins.backends.workstation.hub import (
    cached_files,
    check_cache,
    fetch_file,
    is_fetched,
    look_on_hub,
    pull_file,
)
from complaint_llm_plugins.backends.workstation.runtimes import Runtime, import_runtime, other_runtime, runtime_of
from complaint_llm_plugins.backends.workstation.schema import KNOWN, sent_schema
from complaint_llm_plugins.backends.workstation.settings import ModelSettings

from complaint_llm.backends import EmbeddingRequest, LocalModelBackend, Request
from complaint_llm.backends.wire import Means, StreamAccumulator, as_turns, is_lossless
from complaint_llm.exceptions import BackendError, ConfigError, ContextLengthError, InvalidRequestError
from complaint_llm.messages import EmbeddingOutput, InferenceOutput, ModelInfo, StreamEvent, TokenUsage

if TYPE_CHECKING:
    from complaint_llm_plugins.backends.workstation.llama_cpp_python import LlamaModel

    from complaint_llm.backends import Capability, PulledModel

REFUSED = "refused"
"""The code of an error by which llama.cpp refused a request, its grammar perhaps."""


class WorkstationBackend(LocalModelBackend[Any]):
    """A GGUF model in this process. Loaded at the first request, outside its deadline, or by ``load()``.

    ``model_path`` is the file; or ``repo`` and ``filename`` name it on the Hugging Face Hub. ``runtime`` is the package
    that runs it: "auto" takes llama-cpp-python where that is installed, else xllamacpp, and for that one what is made
    is an ``XllamacppBackend``. Any thread may call it; here the model answers one request at a time.
    """

    type: ClassVar[str] = "workstation"
    runtime: ClassVar[Runtime] = "llama-cpp-python"
    """The package that runs the model."""
    lacking_keys: ClassVar[frozenset[str]] = frozenset(("n_parallel", "mmproj"))
    """Keys that only the other runtime has."""
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")
    capabilities: ClassVar[frozenset[Capability]] = frozenset(("stream", "structured", "embeddings"))
    parameters: ClassVar[frozenset[str]] = frozenset(
        ("temperature", "max_tokens", "top_p", "top_k", "stop", "seed", "frequency_penalty", "presence_penalty")
    )

    def __new__(cls, *given: Any, **keys: Any) -> Self:
        kind = cls
        if cls is WorkstationBackend:
            kind = _class_of(runtime_of(keys.get("runtime") or "auto"), keys)
        return super().__new__(kind, *given, **keys)

    def __init__(
        self,
        *,
        model_path: str | None = None,
        repo: str | None = None,
        filename: str | None = None,
        sha256: str | None = None,
        runtime: Literal["auto", "llama-cpp-python", "xllamacpp"] = "auto",
        n_ctx: int = 4096,
        n_threads: int | None = None,
        n_gpu_layers: int = 0,
        n_batch: int = 512,
        n_parallel: int | None = None,
        f16_kv: bool = True,
        chat_format: str | None = None,
        mmproj: str | None = None,
        **keys: Any,
    ) -> None:
        slots = n_parallel or 1
        super().__init__(**{"max_concurrency": slots, **keys})
        if (model_path is None) == (repo is None) or (repo is None) != (filename is None):
            raise ConfigError(f"{self.id}: give model_path, or repo and filename")
        if sha256 is not None and repo is None:
            raise ConfigError(f"{self.id}: sha256 is that of a file from the Hub: give it with repo and filename")
        own = {"chat_format": chat_format, "n_parallel": n_parallel, "mmproj": mmproj}
        for name in sorted(self.lacking_keys):
            if own[name] is not None:
                raise ConfigError(
                    f'{self.id}: {self.runtime} has no {name}: leave it out, or set "runtime" to '
                    f'"{other_runtime(self.runtime)}"'
                )
        self._path = model_path
        self._repo, self._filename, self._sha256 = repo, filename, sha256
        self.settings = ModelSettings(
            n_ctx=n_ctx,
            n_threads=n_threads,
            n_gpu_layers=n_gpu_layers,
            n_batch=n_batch,
            f16_kv=f16_kv,
            chat_format=chat_format,
            n_parallel=slots,
            mmproj=None if mmproj is None else Path(mmproj).expanduser(),
        )

    def structured_output(self, request: Request) -> Means:
        wanted = request.response_format
        if wanted is None or wanted.schema is None:
            return "native"
        if sent_schema(wanted.schema) is None:
            return "json"
        return "native" if is_lossless(wanted.schema, KNOWN) else "partly"

    def refuses_schema(self, error: BackendError) -> bool:
        """llama.cpp gives no code with a grammar that it cannot make."""
        return error.code == REFUSED

    def model_name(self) -> str:
        return self.options.model or Path(self._path or self._filename or "").name

    def model_info(self) -> ModelInfo:
        return self.model_catalog.of(self.model_name())

    def check(self, timeout: float = 10.0, *, connect: bool = True) -> None:
        """Raises BackendError if the file is no GGUF model, could not be kept where it is to be fetched, or the runtime
        is missing; with ``connect`` also if the Hub does not have a file that is not on this machine. Nothing is
        fetched."""
        try:
            import_runtime(self.runtime)
            for path in (self._path and Path(self._path).expanduser(), self.settings.mmproj):
                if path:
                    look_at(path)
            if self._path is None and not is_fetched(*self._on_hub()):
                check_cache()
                if connect:
                    look_on_hub(*self._on_hub(), timeout)
        except BackendError as error:
            raise self.as_backend_error(error) from error.__cause__

    def list_models(self, timeout: float = 10.0) -> Sequence[ModelInfo]:
        """The GGUF files of the folder of ``model_path``, or those of the Hub that are on this machine."""
        found = cached_files() if self._path is None else sorted(Path(self._path).expanduser().parent.glob("*.gguf"))
        return [self.model_catalog.of(name) for name in dict.fromkeys(file.name for file in found)]

    def context_window(self, request: Request | EmbeddingRequest) -> int | None:
        """``n_ctx``, which prompt and answer share; 0 is the model's own, which is not known before it is loaded."""
        return None if isinstance(request, EmbeddingRequest) else self.settings.n_ctx or None

    # -- loading -------------------------------------------------------------------------------------------------

    def make_model(self, *, embedding: bool, offline: bool) -> Any:
        # cold start: the runtime
        from complaint_llm_plugins.backends.workstation.llama_cpp_python import LlamaModel

        return LlamaModel(self.model_file(offline=offline), self.settings, embedding=embedding)

    def model_file(self, *, offline: bool) -> Path:
        """The model's file, fetched from the Hub if it has to be and may be. Raises BackendError."""
        if self._path is not None:
            return Path(self._path).expanduser()
        return fetch_file(*self._on_hub(), sha256=self._sha256, offline=offline)

    def pull(self, tell: Callable[[str], None]) -> PulledModel | None:
        if self._path is not None:
            return None
        try:
            return pull_file(*self._on_hub(), sha256=self._sha256, tell=tell)
        except BackendError as error:
            raise self.as_backend_error(error) from error.__cause__

    # -- one attempt, on a worker thread ---------------------------------------------------------------------------

    def answer(self, request: Request) -> InferenceOutput:
        model: LlamaModel = self.model()
        answer = self._accumulator(request, model)
        with model.hold(request.deadline, request.cancel) as llama:
            reply = self._complete(llama, request, stream=False)
            choice = reply["choices"][0]
            usage = reply["usage"]
        answer.text(choice["message"]["content"] or "")
        answer.usage = TokenUsage(usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"])
        answer.raw_finish_reason = choice["finish_reason"] or ""
        return answer.output()

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        model: LlamaModel = self.model()
        answer = self._accumulator(request, model)
        with model.hold(request.deadline, request.cancel) as llama:
            for chunk in self._chunks(llama, request):
                choice = chunk["choices"][0]
                yield from answer.text(choice["delta"].get("content") or "")
                answer.raw_finish_reason = choice["finish_reason"] or answer.raw_finish_reason
            prompt, completion = llama.prompt_tokens, llama.completion_tokens
        answer.usage = TokenUsage(prompt, completion, prompt + completion)
        yield from answer.done()

    def _accumulator(self, request: Request, model: LlamaModel) -> StreamAccumulator:
        name = request.model or self.model_name()
        answer = StreamAccumulator(self.unsupported_metadata(request), asked=name)
        answer.model = name
        if model.opens_thought and request.response_format is None:  # a grammar leaves no room for thoughts
            answer.text("<think>")
        return answer

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        model = self.model(embedding=True)
        vectors: list[tuple[float, ...]] = []
        tokens = 0
        with model.hold(request.deadline, request.cancel) as llama:
            for text in request.texts:
                llama.check()
                vector, count = llama.embed(text, normalize=True, return_count=True)
                vectors.append(tuple(vector))
                tokens += count
        return EmbeddingOutput(tuple(vectors), TokenUsage(tokens, 0, tokens), model=self.model_name())

    def _complete(self, llama: Any, request: Request, *, stream: bool) -> Any:
        keys = {name: request.params[name] for name in self.parameters if name in request.params}
        if "seed" in keys or keys.get("temperature") == 0:
            # What an earlier request left in the cache changes the last bits of the numbers, and so the answer.
            llama.reset()
        with _refusals():
            return llama.create_chat_completion(
                as_turns(request.messages), stream=stream, response_format=_response_format(request), **keys
            )

    def _chunks(self, llama: Any, request: Request) -> Iterator[Any]:
        """A stream's chunks; it is refused, if at all, when the first one is asked for."""
        with _refusals():
            yield from self._complete(llama, request, stream=True)

    # -- inside --------------------------------------------------------------------------------------------------

    def _on_hub(self) -> tuple[str, str]:
        assert self._repo is not None
        assert self._filename is not None
        return self._repo, self._filename


def _class_of(runtime: Runtime, keys: Mapping[str, Any]) -> type[Any]:
    if runtime == "llama-cpp-python":
        return WorkstationBackend
    # cold start: the other runtime
    from complaint_llm_plugins.backends.workstation.xllamacpp_backend import VisionBackend, XllamacppBackend

    return XllamacppBackend if keys.get("mmproj") is None else VisionBackend


@contextmanager
def _refusals() -> Iterator[None]:
    """What llama.cpp refuses, as our errors."""
    try:
        yield
    except ValueError as cause:
        if "context window" in str(cause):
            raise ContextLengthError(f"the prompt is too long: {cause}", sent=False) from cause
        raise InvalidRequestError(f"llama.cpp refuses the request: {cause}", code=REFUSED, sent=False) from cause


def _response_format(request: Request) -> Mapping[str, Any] | None:
    wanted = request.response_format
    if wanted is None:
        return None
    if wanted.schema is None:
        return {"type": "json_object"}
    return {"type": "json_object", "schema": sent_schema(wanted.schema)}
