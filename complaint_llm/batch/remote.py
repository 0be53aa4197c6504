"""A Mediator's way of asking in a form that can go to another process: its config as it was written, no secrets."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from complaint_llm.exceptions import BatchError
from complaint_llm.messages import InferenceOutput, Prompt

if TYPE_CHECKING:
    from complaint_llm.batch import Ask
    from complaint_llm.mediator import Mediator

Opens: TypeAlias = "Callable[[Path], Mediator]"
"""``Mediator.from_config``."""


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


class OwnAsk:
    """Asks over a Mediator of its own; ``close``, or the process' end, closes it and cancels what is in flight."""

    def __init__(self, mediator: Mediator) -> None:
        self._mediator = mediator
        self._ask = mediator.asker()
        atexit.register(mediator.close)

    def __call__(self, prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
        return self._ask(prompt, params)

    def close(self) -> None:
        atexit.unregister(self._mediator.close)
        self._mediator.close()


class TravellingAsk:
    """Asks over the Mediator that made it; in another process, over one that is opened there from the same config.

    The file is read when it first travels. Pickling raises BatchError where there is none: its Mediator was made in
    code, or the file is gone.
    """

    def __init__(self, ask: Ask, opens: Opens, config: Path | None, common: Mapping[str, Any]) -> None:
        self._ask = ask
        self._opens = opens
        self._config = config
        self._text: ConfigText | None = None
        self._common = common

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
        return AskThere, (self._opens, self._text, dict(self._common))


class AskThere(NamedTuple):
    """What a TravellingAsk is elsewhere. It opens its Mediator when it is called: engines unpickle on the way, too."""

    opens: Opens
    config: ConfigText
    common: Mapping[str, Any]

    def __call__(self, prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
        return _mediator(self.opens, self.config).asker(self.common)(prompt, params)


@lru_cache(maxsize=4)
def _mediator(opens: Opens, config: ConfigText) -> Mediator:
    """One for each config and process; closed when the process ends, a pool's too, which runs no ``atexit``."""
    from multiprocessing.util import Finalize

    mediator = opens(config.place())
    Finalize(None, mediator.close, exitpriority=100)
    return mediator
