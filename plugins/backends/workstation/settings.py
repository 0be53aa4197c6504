"""How a model is loaded, by either runtime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class ModelSettings(NamedTuple):
    """``n_ctx`` is the context of one request in tokens, 0 the model's own; ``n_parallel`` how many are answered at
    once. ``chat_format`` is llama-cpp-python's, ``n_parallel`` and ``mmproj`` (a projector's file) are xllamacpp's.
    """

    n_ctx: int = 4096
    n_threads: int | None = None
    n_gpu_layers: int = 0
    n_batch: int = 512
    f16_kv: bool = True
    chat_format: str | None = None
    n_parallel: int = 1
    mmproj: Path | None = None

    @property
    def threads(self) -> int:
        """Threads that read a prompt, and that write an answer. They wait for each other by turning round: more than
        the machine has to spare, and all of them crawl."""
        return self.n_threads or max(1, (os.cpu_count() or 1) // 2)
