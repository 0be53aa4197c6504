"""Models are loaded and let go of, again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugins.workstation.local_models import run, smollm2

pytestmark = pytest.mark.peer("llama.cpp")


def test_a_model_that_is_let_go_at_once_lets_go(gguf: Path) -> None:
    """Freed in the moment in which it is loaded, on one core, where the engine's own loop has not begun yet."""
    program = """
    import os, sys
    from complaint_llm.backends import WorkstationBackend
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    with WorkstationBackend(id="ws", runtime="xllamacpp", model_path=sys.argv[1], n_ctx=64, n_threads=1) as backend:
        for _ in range(10):
            backend.load()
            backend.unload()
            print(backend.is_loaded())
    """
    assert run(program, str(gguf)).split() == ["False"] * 10


def test_closing_gives_the_memory_back() -> None:
    """Of a model of 90 MB nothing is left."""
    program = """
    import gc, sys
    from complaint_llm.backends import WorkstationBackend
    def resident():
        gc.collect()
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    with WorkstationBackend(id="ws", runtime="xllamacpp", model_path=sys.argv[1], n_ctx=512, n_threads=1) as backend:
        for _ in range(2):
            backend.generate("hi", max_tokens=2)
            loaded = resident()
            backend.unload()
            print(loaded, resident())
    """
    cycles = [tuple(map(int, line.split())) for line in run(program, str(smollm2())).splitlines()]
    assert all(loaded - after > 60e6 for loaded, after in cycles), cycles


@pytest.mark.endurance
@pytest.mark.timeout(900)
def test_loading_again_and_again_takes_no_more_memory() -> None:
    """What stays with the allocator is used again: after some loadings it grows no further."""
    program = """
    import gc, sys
    from complaint_llm.backends import WorkstationBackend
    with WorkstationBackend(id="ws", runtime="xllamacpp", model_path=sys.argv[1], n_ctx=512, n_threads=1) as backend:
        for _ in range(16):
            backend.load()
            backend.unload()
            gc.collect()
            with open("/proc/self/statm") as file:
                print(int(file.read().split()[1]) * 4096)
    """
    left = [int(line) for line in run(program, str(smollm2())).splitlines()]
    assert max(left[8:]) - left[7] < 15e6, left
