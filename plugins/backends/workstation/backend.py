"""GGUF models on this machine through llama.cpp."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from complaint_llm_plugins.backends.workstation.hub import fetched, is_fetched, look_on_hub
from complaint_llm_plugins.backends.workstation.model import Model, Settings, chat_messages, look_at, module

from complaint_llm.backends import Backend
from complaint_llm.backends.parameters import KEY, UnsupportedParameters
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendError, ConfigError, ContextLengthError, InvalidRequestError
from complaint_llm.messages import Done, EmbeddingOutput, InferenceOutput, StreamEvent, TextDelta, TokenUsage
from complaint_llm.request import EmbeddingRequest, Request
from complaint_llm.routing.worker import run_abandonable

if TYPE_CHECKING:
    from complaint_llm.backends.base import Capability

LOAD_TIMEOUT = 3600.0
"""Seconds that loading, a download included, may take where ``load_timeout`` is not set."""

PARAMETERS = ("temperature", "max_tokens", "top_p", "top_k", "stop", "seed", "frequency_penalty", "presence_penalty")

REFUSED = frozenset(
    ("api_key", "base_url", "custom_headers", "connection_timeout", "extra_body", "reasoning_effort")
) | frozenset(("thinking_budget", "pricing", "embedding_model"))
"""Common keys that mean nothing to a model in this process."""


class WorkstationBackend(Backend):
    """A GGUF model in this process. Loaded at the first request, outside its deadline, or by ``load()``.

    ``model_path`` is the file; or ``repo`` and ``filename`` name it on the Hugging Face Hub. Any thread may call it;
    the model answers one at a time, so ``max_concurrency`` is 1 unless it is given. ``_lock`` guards ``_models``;
    ``_loading`` lets one thread load at a time, always a worker that its caller can leave.
    """

    type: ClassVar[str] = "workstation"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(("stream", "structured", "embeddings"))
    default_location = "local"

    def __init__(
        self,
        *,
        model_path: str | None = None,
        repo: str | None = None,
        filename: str | None = None,
        n_ctx: int = 4096,
        n_threads: int | None = None,
        n_gpu_layers: int = 0,
        n_batch: int = 512,
        f16_kv: bool = True,
        chat_format: str | None = None,
        **keys: Any,
    ) -> None:
        # Waiting for the model is waiting for admission: it counts before a batch item's clock starts, and a fallback
        # sees that this backend is busy.
        super().__init__(**{"max_concurrency": 1, **keys})
        refused = [key for key in keys if key in REFUSED and keys[key] is not None]
        if refused:
            raise ConfigError(f"{self.id}: a model in this process takes no {refused[0]}: leave it out")
        if (model_path is None) == (repo is None) or (repo is None) != (filename is None):
            raise ConfigError(f"{self.id}: give model_path, or repo and filename")
        self._path = model_path
        self._repo, self._filename = repo, filename
        self._settings = Settings(n_ctx, n_threads, n_gpu_layers, n_batch, f16_kv, chat_format)
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._unsupported = UnsupportedParameters(self.options.unsupported_parameters, self.log)
        self._models: dict[bool, Model] = {}

    # -- loading -------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Load the model now. Raises BackendError, BackendTimeoutError after ``load_timeout``."""
        self._loaded(CancelToken(), embedding=False, offline=False)

    def is_loaded(self) -> bool:
        """Whether the model is in memory."""
        return False in self._models

    def unload(self) -> None:
        """Free the memory; the next request loads the model again."""
        with self._lock:
            models, self._models = self._models, {}
        for model in models.values():
            model.close()

    def check(self, timeout: float = 10.0, *, connect: bool = True) -> None:
        """Raises BackendError if the file is no GGUF model, or llama.cpp is missing; with ``connect`` also if the Hub
        does not have a file that is not on this machine. Nothing is fetched."""
        try:
            module()
            if self._path is not None:
                look_at(Path(self._path).expanduser())
            elif connect and not is_fetched(*self._on_hub()):
                look_on_hub(*self._on_hub(), timeout)
        except BackendError as error:
            raise self._named(error) from error.__cause__

    def close_resources(self) -> None:
        self.unload()

    def attempt(self, request: Request) -> InferenceOutput:
        self._loaded_outside(request)
        return super().attempt(request)

    def attempt_stream(self, request: Request) -> Any:
        self._loaded_outside(request)
        return super().attempt_stream(request)

    def attempt_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        self._loaded_outside(request, embedding=True)
        return super().attempt_embedding(request._replace(model=request.model or self._name()))

    # -- one attempt, on a worker thread ---------------------------------------------------------------------------

    def answer(self, request: Request) -> InferenceOutput:
        refused = self._refused(request)
        model = self._models_now(embedding=False)
        with model.turn(request.deadline, request.cancel) as llama:
            reply = self._complete(llama, request, stream=False)
            choice = reply["choices"][0]
            usage = reply["usage"]
        return InferenceOutput(
            choice["message"]["content"] or "",
            token_usage=TokenUsage(usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]),
            finish_reason=choice["finish_reason"],
            model=request.model or self._name(),
            metadata=refused,
        )

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        refused = self._refused(request)
        model = self._models_now(embedding=False)
        text: list[str] = []
        finish = None
        with model.turn(request.deadline, request.cancel) as llama:
            for chunk in self._chunks(llama, request):
                choice = chunk["choices"][0]
                piece = choice["delta"].get("content")
                if piece:
                    text.append(piece)
                    yield TextDelta(piece)
                finish = choice["finish_reason"] or finish
            prompt, completion = llama.prompt_tokens, llama.completion_tokens
        usage = TokenUsage(prompt, completion, prompt + completion)
        yield Done(
            usage,
            InferenceOutput(
                "".join(text),
                token_usage=usage,
                finish_reason=finish,
                model=request.model or self._name(),
                metadata=refused,
            ),
        )

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        model = self._models_now(embedding=True)
        vectors: list[tuple[float, ...]] = []
        tokens = 0
        with model.turn(request.deadline, request.cancel) as llama:
            for text in request.texts:
                llama.check()
                vector, count = llama.embed(text, normalize=True, return_count=True)
                vectors.append(tuple(vector))
                tokens += count
        return EmbeddingOutput(tuple(vectors), TokenUsage(tokens, 0, tokens), model=self._name())

    def _complete(self, llama: Any, request: Request, *, stream: bool) -> Any:
        keys = {name: request.params[name] for name in PARAMETERS if name in request.params}
        if "seed" in keys or keys.get("temperature") == 0:
            # What an earlier request left in the cache changes the last bits of the numbers, and so the answer.
            llama.reset()
        with _refusals():
            return llama.create_chat_completion(
                chat_messages(request.messages), stream=stream, response_format=_response_format(request), **keys
            )

    def _chunks(self, llama: Any, request: Request) -> Iterator[Any]:
        """A stream's chunks; it is refused, if at all, when the first one is asked for."""
        with _refusals():
            yield from self._complete(llama, request, stream=True)

    def _refused(self, request: Request) -> Mapping[str, Any]:
        """The metadata that names the parameters which llama.cpp is not given."""
        if request.extra_body:
            raise InvalidRequestError("a model in this process takes no extra_body", sent=False)
        refused = [name for name in request.params if name not in PARAMETERS]
        if not refused:
            return {}
        self._unsupported.check(refused, self._name())
        return {KEY: refused}

    # -- inside --------------------------------------------------------------------------------------------------

    def _loaded_outside(self, request: Request | EmbeddingRequest, *, embedding: bool = False) -> None:
        """Load the model if it is not, while the request's deadline stands still."""
        if embedding in self._models:
            return
        request.deadline.pause()
        try:
            self._loaded(request.cancel, embedding=embedding, offline=request.privacy == "local")
        except BackendError as error:
            error.backend = error.backend or self.id
            raise
        finally:
            request.deadline.resume()

    def _loaded(self, cancel: CancelToken, *, embedding: bool, offline: bool) -> None:
        limit = Deadline(self.options.load_timeout or LOAD_TIMEOUT)

        def load() -> None:
            with self._loading:
                if self._closed or embedding in self._models:
                    return
                self._keep(Model(self._file(offline), self._settings, embedding=embedding), embedding=embedding)

        run_abandonable(load, limit, cancel, self.id)

    def _keep(self, model: Model, *, embedding: bool) -> None:
        with self._lock:
            if not self._closed:
                self._models[embedding] = model
                return
        # It was closed while the model was read: nobody else would free it.
        model.close()

    def _models_now(self, *, embedding: bool) -> Model:
        model = self._models.get(embedding)
        if model is None:
            raise BackendError("the model was unloaded", sent=False)
        return model

    def _file(self, offline: bool) -> Path:
        if self._path is not None:
            return Path(self._path).expanduser()
        return fetched(*self._on_hub(), offline=offline)

    def _on_hub(self) -> tuple[str, str]:
        assert self._repo is not None
        assert self._filename is not None
        return self._repo, self._filename

    def _name(self) -> str:
        return self.options.model or Path(self._path or self._filename or "").name


@contextmanager
def _refusals() -> Iterator[None]:
    """What llama.cpp refuses, as our errors."""
    try:
        yield
    except ValueError as cause:
        if "context window" in str(cause):
            raise ContextLengthError(f"the prompt is too long: {cause}", sent=False) from cause
        raise InvalidRequestError(f"llama.cpp refuses the request: {cause}", sent=False) from cause


def _response_format(request: Request) -> Mapping[str, Any] | None:
    wanted = request.response_format
    if wanted is None:
        return None
    if wanted.schema is None:
        return {"type": "json_object"}
    return {"type": "json_object", "schema": json.loads(json.dumps(wanted.schema))}
