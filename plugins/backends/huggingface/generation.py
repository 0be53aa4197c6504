"""One transformers model in memory, and one generation of it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.backends import ModelLock, folder_fault, raise_if_over
from complaint_llm.backends.wire import as_prompt, as_turns
from complaint_llm.exceptions import BackendError, ContextLengthError

if TYPE_CHECKING:
    from complaint_llm.backends import Request

INSTALL = "transformers and torch are not installed: pip install 'complaint-llm[huggingface]'"


class TransformersSettings(NamedTuple):
    """How the model is loaded; the names are transformers'."""

    device: str | None = None
    torch_dtype: str = "auto"
    trust_remote_code: bool = False
    cache_dir: str | None = None


def module() -> Any:
    """The transformers library. Raises BackendError if it or torch is not installed."""
    try:
        import torch  # noqa: F401 - extra; transformers can be imported without it, and then does nothing
        import transformers  # extra
    except ImportError as cause:
        raise BackendError(INSTALL, sent=False) from cause
    return transformers


def cached_models(cache_dir: str | None) -> list[str]:
    """The models of the Hub that are in its cache on this machine, by name. Raises BackendError."""
    found = _cache_folder(cache_dir).glob("models--*/snapshots/*/config.json")
    return sorted({file.parts[-4].removeprefix("models--").replace("--", "/") for file in found})


def check_cache(cache_dir: str | None) -> None:
    """Raise BackendError if nothing could be fetched, since the cache's folder could not be made or written."""
    fault = folder_fault(_cache_folder(cache_dir))
    if fault is not None:
        raise BackendError(f"its files could not be fetched: {fault} by cache_dir", sent=False)


def _cache_folder(cache_dir: str | None) -> Path:
    """The folder of the Hub's files. Raises BackendError."""
    if cache_dir is None:
        try:
            from huggingface_hub.constants import HF_HUB_CACHE  # extra
        except ImportError as cause:
            raise BackendError(INSTALL, sent=False) from cause
        cache_dir = HF_HUB_CACHE
    return Path(cache_dir).expanduser()


class TransformersModel:
    """A loaded model, used by one request at a time, for a stream's whole life. Any thread may call it."""

    def __init__(self, name: str, settings: TransformersSettings, *, offline: bool) -> None:
        transformers = module()
        if not sys.stderr.isatty():
            # Its progress bars are drawn into files and pipes too.
            transformers.utils.logging.disable_progress_bar()
        where = {
            "trust_remote_code": settings.trust_remote_code,
            "cache_dir": settings.cache_dir,
            "local_files_only": offline,
        }
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(name, **where)
            model = transformers.AutoModelForCausalLM.from_pretrained(name, dtype=settings.torch_dtype, **where)
            self._model: Any = model.to(settings.device or _best_device()).eval()
        except Exception as cause:
            # transformers, torch, tokenizers, safetensors and the Hub each have errors of their own.
            reason = " ".join(str(cause).split())[:300] or type(cause).__name__
            raise BackendError(f"cannot load {name}: {reason}", sent=False) from cause
        self._lock = ModelLock(self._free)

    @contextmanager
    def generate(self, request: Request) -> Iterator[Generation]:
        """The generation for a request; the model is its own until the context ends.

        Raises ContextLengthError, BackendTimeoutError if the turn does not come before the deadline.
        """
        with self._lock.hold(request.deadline, request.cancel):
            generation = Generation(self._model, self._tokenizer, request)
            try:
                yield generation
            finally:
                generation.stop()

    def close(self) -> None:
        """Free the memory, now or when whoever uses the model lets go of it."""
        self._lock.close()

    def _free(self) -> None:
        self._model = self._tokenizer = None


class Generation:
    """The pieces of one answer, made by a thread of its own. One thread iterates and stops.

    Between two tokens the model looks at the deadline, the cancel token, and whether a stop text came.
    """

    def __init__(self, model: Any, tokenizer: Any, request: Request) -> None:
        transformers = module()
        self._request = request
        self._tokenizer = tokenizer
        inputs = _tokenize(tokenizer, request).to(model.device)
        self.prompt_tokens = int(inputs["input_ids"].shape[1])
        self.completion_tokens = 0
        self._full = False
        self.text = ""
        self._enough = False
        self._error: BaseException | None = None
        self._limit = _room(model, self.prompt_tokens, request.params.get("max_tokens"))
        stop = request.params.get("stop") or ()
        self._cutter = StopCutter((stop,) if isinstance(stop, str) else stop)
        self._streamer = transformers.TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        criteria = transformers.StoppingCriteriaList([_looker(transformers, self._over)])
        keys = {**inputs, **_sampling(request), "max_new_tokens": self._limit, "stopping_criteria": criteria}
        self._thread = threading.Thread(target=self._generate, args=(model, keys), name="transformers", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[str]:
        for piece in self._streamer:
            ready = self._cutter.feed(piece)
            if ready:
                self.text += ready
                yield ready
            if self._cutter.ended:
                self._enough = True
                break
        else:
            rest = self._cutter.rest()
            if rest:
                self.text += rest
                yield rest
        self._thread.join()
        if self._error is not None:
            raise BackendError(f"transformers failed: {self._error}") from self._error
        if not self._cutter.ended:
            raise_if_over(self._request.deadline, self._request.cancel)

    @property
    def was_cut(self) -> bool:
        """Whether the answer ended because it had as many tokens as it may."""
        return self._full and not self._cutter.ended

    def stop(self) -> None:
        """End the thread, at the latest after the token under way."""
        self._enough = True
        self._thread.join()

    def _over(self) -> bool:
        return self._enough or self._request.cancel.cancelled or self._request.deadline.remaining() <= 0

    def _generate(self, model: Any, keys: dict[str, Any]) -> None:
        import torch  # extra

        try:
            with ExitStack() as stack:
                seed = self._request.params.get("seed")
                if seed is not None:
                    stack.enter_context(torch.random.fork_rng())
                    torch.manual_seed(seed)
                made = model.generate(**keys, streamer=self._streamer)
            tokens = made[0, self.prompt_tokens :].tolist()
            ends = _ends(model)
            ended = bool(tokens) and tokens[-1] in ends
            self.completion_tokens = len(tokens) - ended
            self._full = not ended and len(tokens) >= self._limit
        except Exception as error:  # noqa: BLE001 - handed to the thread that iterates
            self._error = error
            self._streamer.on_finalized_text("", stream_end=True)


class StopCutter:
    """Cuts a text that comes in pieces before the first of some stop texts; what may begin one is held back."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.ended = False

    def feed(self, piece: str) -> str:
        """What of the text so far can be handed out."""
        text = self._held + piece
        found = [place for place in (text.find(stop) for stop in self._stops) if place >= 0]
        if found:
            self.ended = True
            self._held = ""
            return text[: min(found)]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """What was held back, once nothing more comes."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How much of the end of ``text`` is the beginning of ``stop``."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)


def _tokenize(tokenizer: Any, request: Request) -> Any:
    if not tokenizer.chat_template:
        return tokenizer(as_prompt(request.messages), return_tensors="pt")
    turns = as_turns(request.messages)
    return tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)


def _room(model: Any, prompt: int, wanted: int | None) -> int:
    """How many tokens the answer may have: none is preset, so as many as fit the model's context."""
    context = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(context, int):
        return wanted or 4096
    if prompt >= context:
        raise ContextLengthError(f"the prompt has {prompt} tokens, the model's context {context}", sent=False)
    return min(wanted or context, context - prompt)


def _sampling(request: Request) -> dict[str, Any]:
    params = request.params
    if params.get("temperature") == 0:
        # Greedy: what would shape a draw has nothing to do.
        return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    given = {name: params[name] for name in ("temperature", "top_p", "top_k") if name in params}
    return {**given, "do_sample": True} if given or "seed" in params else {}


def _ends(model: Any) -> tuple[int, ...]:
    """The tokens that end an answer."""
    found = model.generation_config.eos_token_id
    return () if found is None else tuple(found) if isinstance(found, (list, tuple)) else (found,)


def _looker(transformers: Any, over: Any) -> Any:
    import torch  # extra

    class Looker(transformers.StoppingCriteria):  # type: ignore[misc]
        def __call__(self, input_ids: Any, scores: Any, **keys: Any) -> Any:
            return torch.full((input_ids.shape[0],), over(), device=input_ids.device, dtype=torch.bool)

    return Looker()


def _best_device() -> str:
    import torch  # extra

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
