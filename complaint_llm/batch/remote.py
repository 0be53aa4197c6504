"""How the workers of a batch ask in other processes: over a Mediator of their own, opened from the same config.

What goes to them is the config as it was written, with references and never with resolved secrets, and the function
that opens a Mediator from it: ``Mediator.from_config``, handed in by whoever knows it.
"""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias
from uuid import uuid4

from complaint_llm.batch.guarded_work import GuardedWork
from complaint_llm.batch.input.items import Ask
from complaint_llm.exceptions import BatchError
from complaint_llm.messages import InferenceOutput, Prompt
from complaint_llm.request import EMPTY


class AskSource(Protocol):
    """What a worker opens: a Mediator, or what has these two methods."""

    def asker(self, params: Mapping[str, Any] = EMPTY, /, *, batch: str | None = None) -> Ask:
        """The function that asks one prompt, with ``params`` where the prompt has none of its own; ``batch`` is the
        batch's name for observers."""
        ...

    def close(self) -> None:
        """Cancel what is in flight and close everything."""
        ...


OpenSource: TypeAlias = Callable[[Path], AskSource]
"""Opens a source from a config file; can be pickled, as ``Mediator.from_config`` can."""


class ConfigText(NamedTuple):
    """A config file as it was written: references in it are resolved where it is loaded, from that environment."""

    path: str
    data: bytes

    @classmethod
    def read(cls, path: Path) -> ConfigText:
        """The file as it is now."""
        return cls(str(path.absolute()), path.read_bytes())

    def place(self) -> Path:
        """The same file here, or a copy in a private folder on a machine that does not have it."""
        here = Path(self.path)
        if here.is_file() and here.read_bytes() == self.data:
            return here
        copy = Path(tempfile.mkdtemp(prefix="complaint-llm-")) / here.name
        copy.write_bytes(self.data)
        return copy


class WorkerAsk:
    """A worker's ``ask`` over a source of its own; ``close``, or the process' end, closes it and cancels what is in
    flight."""

    def __init__(self, source: AskSource, batch: str | None = None) -> None:
        self._source = source
        self._ask = source.asker() if batch is None else source.asker(batch=batch)
        atexit.register(source.close)

    def __call__(self, prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
        return self._ask(prompt, params)

    def close(self) -> None:
        atexit.unregister(self._source.close)
        self._source.close()


def open_worker_ask(open_source: OpenSource, config: ConfigText, batch: str | None = None) -> WorkerAsk:
    """The function that asks one prompt in this process, over a source opened from ``config``; ``batch`` is the batch's
    name for observers."""
    return WorkerAsk(open_source(config.place()), batch)


class PicklableAsk:
    """Asks over the Mediator that made it; pickled, it is a ``RemoteAsk`` over one that is opened from the same config.

    The file is read when it is first pickled. Pickling raises BatchError where there is none: its Mediator was made in
    code, or the file is gone.
    """

    def __init__(
        self,
        ask: Ask,
        open_source: OpenSource,
        config: Path | None,
        params: Mapping[str, Any],
        batch: str | None = None,
    ) -> None:
        self._ask = ask
        self._open_source = open_source
        self._config = config
        self._text: ConfigText | None = None
        self._params = params
        self._batch = batch
        self._run_id = uuid4().hex

    def __call__(self, prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
        return self._ask(prompt, params)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._config is None:
            raise BatchError("a Mediator made in code cannot ask in another process: make it with Mediator.from_config")
        if self._text is None:
            try:
                self._text = ConfigText.read(self._config)
            except OSError as error:
                raise BatchError(f"{self._config} cannot be read for another process: {error.strerror}") from error
        return RemoteAsk, (self._open_source, self._text, dict(self._params), self._batch, self._run_id)


class RemoteAsk(NamedTuple):
    """What a PicklableAsk is in another process. It opens its source when it is called: engines unpickle on the way,
    too. ``run_id`` tells batches apart."""

    open_source: OpenSource
    config: ConfigText
    params: Mapping[str, Any]
    batch: str | None
    run_id: str

    def __call__(self, prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
        source = _source(self.open_source, self.config)
        ask = source.asker(self.params) if self.batch is None else source.asker(self.params, batch=self.batch)
        return _work(self.run_id).ask(ask, prompt, params)


@lru_cache(maxsize=64)
def _work(run_id: str) -> GuardedWork:
    """One for each batch and process."""
    return GuardedWork()


@lru_cache(maxsize=4)
def _source(open_source: OpenSource, config: ConfigText) -> AskSource:
    """One for each config and process; closed when the process ends, a pool's too, which runs no ``atexit``."""
    from multiprocessing.util import Finalize  # cold start: processes

    source = open_source(config.place())
    Finalize(None, source.close, exitpriority=100)
    return source
