"""How the workers of a batch elsewhere ask: each process opens a Mediator of its own."""

from __future__ import annotations

import atexit
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.mediator import Mediator

if TYPE_CHECKING:
    from complaint_llm.batch import Ask


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


def asks_of(config: ConfigText) -> Ask:
    """The function that asks one prompt, over this process's own Mediator."""
    return _mediator(config).asker()


@lru_cache(maxsize=4)
def _mediator(config: ConfigText) -> Mediator:
    """One for each config and process; closed when the process ends."""
    mediator = Mediator.from_config(config.place())
    atexit.register(mediator.close)
    return mediator
