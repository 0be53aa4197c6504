"""Models of the transformers library in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from complaint_llm_plugins.backends.huggingface.generation import (
    TransformersModel,
    TransformersSettings,
    cached_models,
    check_cache,
    module,
)

from complaint_llm.backends import LocalModelBackend
from complaint_llm.backends.wire import StreamAccumulator
from complaint_llm.exceptions import BackendError, InvalidRequestError
from complaint_llm.messages import ModelInfo, StreamEvent, TokenUsage

if TYPE_CHECKING:
    from complaint_llm.backends import Capability, Request


class TransformersBackend(LocalModelBackend[TransformersModel]):
    """A causal language model in this process, from a folder or the Hub; loaded at the first request or by ``load()``.

    ``device`` is ``cpu``, ``cuda``, ``cuda:1``, ``mps`` (the first that there is, unless given). Code that comes with a
    model is run only with ``trust_remote_code``. Any thread may call it; the model answers one at a time. A ``seed``
    sets the random numbers of the whole process for the answer's time, so it repeats only where nothing else draws.
    """

    type: ClassVar[str] = "huggingface"
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")
    capabilities: ClassVar[frozenset[Capability]] = frozenset(("stream",))
    needs_model: ClassVar[bool] = True
    parameters: ClassVar[frozenset[str]] = frozenset(("temperature", "max_tokens", "top_p", "top_k", "stop", "seed"))

    def __init__(
        self,
        *,
        device: str | None = None,
        torch_dtype: str = "auto",
        trust_remote_code: bool = False,
        cache_dir: str | None = None,
        **keys: Any,
    ) -> None:
        super().__init__(**keys)
        self._settings = TransformersSettings(device, torch_dtype, trust_remote_code, cache_dir)

    def make_model(self, *, embedding: bool, offline: bool) -> TransformersModel:
        name = self.options.model
        if name is None:
            raise InvalidRequestError('no model: set "model"', backend=self.id, sent=False)
        folder = Path(name).expanduser()
        return TransformersModel(str(folder) if folder.is_dir() else name, self._settings, offline=offline)

    def check(self, timeout: float = 10.0, *, connect: bool = True) -> None:
        """Raises BackendError if transformers is not installed, or a model that is not on this machine could not be
        kept on it. Nothing is loaded or fetched."""
        name, cache = self.options.model or "", self._settings.cache_dir
        try:
            module()
            if name and not Path(name).expanduser().is_dir() and name not in cached_models(cache):
                check_cache(cache)
        except BackendError as error:
            raise self.as_backend_error(error) from error.__cause__

    def list_models(self, timeout: float = 10.0) -> Sequence[ModelInfo]:
        """The models beside the config's where that is a folder, else those of the Hub's cache on this machine."""
        given = Path(self.options.model or "").expanduser()
        if self.options.model and given.is_dir():
            names = sorted(str(file.parent) for file in given.parent.glob("*/config.json"))
        else:
            names = cached_models(self._settings.cache_dir)
        return [self.model_catalog.of(name) for name in names]

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        if request.model != self.options.model:
            message = f"only {self.options.model} is loaded here: make a backend for each model"
            raise InvalidRequestError(message, sent=False)
        answer = StreamAccumulator(self.unsupported_metadata(request), asked=request.model or "")
        with self.model().generate(request) as generation:
            for piece in generation:
                yield from answer.text(piece)
            prompt, completion = generation.prompt_tokens, generation.completion_tokens
            answer.raw_finish_reason = "length" if generation.was_cut else "stop"
        answer.usage = TokenUsage(prompt, completion, prompt + completion)
        answer.model = request.model or ""
        yield from answer.done()
