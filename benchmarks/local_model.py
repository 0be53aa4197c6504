"""llama.cpp through the Mediator beside llama-cpp-python called directly: tokens a second on one tiny model.

Needs llama-cpp-python, gguf and numpy (``make peers``). The model is small, so what we add weighs most: a token
of a real model takes a hundred times as long. Both use one thread, the same prompt and the same seeds.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import figures
from benchmarks.report import Limit, Options, Table, run

TOKENS = 400
PROMPT = "Extract the legal claims from: my landlord shut off the heat in November."
NEEDED = ("llama_cpp", "gguf", "numpy")


def tables(options: Options) -> Sequence[Table]:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"local_model is left out: {', '.join(missing)} not installed", file=sys.stderr)
        return []
    import llama_cpp

    from complaint_llm import Mediator
    from complaint_llm.backends import WorkstationBackend
    from tests.tiny_gguf import build

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.gguf"
        build(path, width=512, layers=8, heads=8)
        direct = llama_cpp.Llama(str(path), n_ctx=512, n_threads=1, verbose=False)
        speeds: dict[str, list[float]] = {"llama-cpp-python": [], "complaint-llm": []}
        with Mediator([WorkstationBackend(model_path=str(path), n_ctx=512, n_threads=1)]) as mediator:
            mediator.load()
            for seed in range(2 * options.rounds):
                direct.reset()
                start = time.perf_counter()
                reply = direct.create_chat_completion(
                    [{"role": "user", "content": PROMPT}], seed=seed, max_tokens=TOKENS
                )
                speeds["llama-cpp-python"].append(reply["usage"]["completion_tokens"] / (time.perf_counter() - start))
                start = time.perf_counter()
                output = mediator.infer(PROMPT, seed=seed, max_tokens=TOKENS)
                speeds["complaint-llm"].append(output.token_usage.completion_tokens / (time.perf_counter() - start))
        direct.close()
    limits = [Limit("complaint-llm", 0.98, least=True)]
    title = "llama.cpp, a tiny model: tokens a second"
    return [Table(title, "tokens/s", 1, figures(speeds, "llama-cpp-python"), limits)]


if __name__ == "__main__":
    run(__doc__ or "", tables)
