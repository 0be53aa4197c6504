"""One llama.cpp model in memory, used by one request at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm_plugins.backends.workstation.gguf_file import chat_template, look_at, opens_thought
from complaint_llm_plugins.backends.workstation.runtimes import import_runtime

from complaint_llm.backends import CancelToken, Deadline, ModelLock, raise_if_over
from complaint_llm.exceptions import BackendError

if TYPE_CHECKING:
    from complaint_llm_plugins.backends.workstation.settings import ModelSettings


class LlamaModel:
    """A loaded model, used by one request at a time, for a stream's whole life. Any thread may call it.

    llama.cpp aborts the process when two threads use one model, and crashes when one is used after it was freed.
    """

    def __init__(self, path: Path, settings: ModelSettings, *, embedding: bool) -> None:
        self._llama: Any = _load(path, settings, embedding=embedding)
        self._lock = ModelLock(self._free)
        template = None if embedding or settings.chat_format is not None else chat_template(path)
        self.opens_thought = opens_thought(template)
        """Whether the model's own template writes the tag with which an answer's thought begins."""

    @contextmanager
    def hold(self, deadline: Deadline, cancel: CancelToken) -> Iterator[Any]:
        """The llama object for as long as the context lasts; before each step it looks whether it should go on.

        Raises BackendTimeoutError if the turn does not come before the deadline, BackendError after ``close``.
        """
        with self._lock.hold(deadline, cancel):
            self._llama.check = lambda: raise_if_over(deadline, cancel)
            yield self._llama

    def close(self) -> None:
        """Free the memory, now or when whoever uses the model lets go of it."""
        self._lock.close()

    def _free(self) -> None:
        llama, self._llama = self._llama, None
        if llama is not None:
            llama.check = None
            llama.close()


def _load(path: Path, settings: ModelSettings, *, embedding: bool) -> Any:
    look_at(path)
    llama_cpp = import_runtime("llama-cpp-python")
    kind = _interruptible(llama_cpp)
    keys: dict[str, Any] = {
        "n_ctx": settings.n_ctx,
        "n_threads": settings.threads,
        "n_threads_batch": settings.threads,
        "n_gpu_layers": settings.n_gpu_layers,
        "n_batch": settings.n_batch,
        "chat_format": settings.chat_format,
        "verbose": False,
    }
    if not settings.f16_kv:
        keys["type_k"] = keys["type_v"] = llama_cpp.GGML_TYPE_F32
    if embedding:
        # One vector for a text, not one for each of its tokens.
        keys |= {"embedding": True, "pooling_type": llama_cpp.LLAMA_POOLING_TYPE_MEAN}
    try:
        return kind(str(path), **keys)
    except (ValueError, RuntimeError, OSError, AssertionError) as cause:
        raise BackendError(f"cannot load {path.name}: {cause}; is it a whole GGUF model?", sent=False) from cause


def _interruptible(llama_cpp: Any) -> Any:
    """A Llama that looks before each evaluation whether it should go on, and counts its tokens."""

    class InterruptibleLlama(llama_cpp.Llama):  # type: ignore[misc]
        check: Any = None
        prompt_tokens = 0
        completion_tokens = 0

        def eval(self, tokens: Sequence[int]) -> None:
            # In the steps that llama.cpp itself works in: between them it can be interrupted.
            for start in range(0, len(tokens), self.n_batch):
                if self.check is not None:
                    self.check()
                super().eval(tokens[start : start + self.n_batch])

        def generate(self, tokens: Sequence[int], *args: Any, **keys: Any) -> Iterator[int]:
            self.prompt_tokens = len(tokens)
            self.completion_tokens = 0
            end = llama_cpp.llama_vocab_is_eog
            vocab = self._model.vocab
            for token in super().generate(tokens, *args, **keys):
                self.completion_tokens += not end(vocab, token)
                yield token

    return InterruptibleLlama
