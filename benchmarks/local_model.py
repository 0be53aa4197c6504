"""llama.cpp through the Mediator beside each runtime called directly: tokens a second on one tiny model.

Needs llama-cpp-python, xllamacpp, gguf and numpy (``make peers``); of the runtimes one is enough. The model is small,
so what we add weighs most: a token of a real model takes a hundred times as long. All use one thread for computing, the
same prompt and the same seeds. Of xllamacpp four requests are answered at once, and one after the other on one slot.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.measure import figures
from benchmarks.report import Limit, Options, Table, run

TOKENS = 400
SLOTS = 4
CONTEXT = 512
PROMPT = "Extract the legal claims from: my landlord shut off the heat in November."
NEEDED = ("gguf", "numpy")
Ask = Callable[[int], int]
"""Answers the prompt with this seed; gives the number of tokens of the answer."""


def tables(options: Options) -> Sequence[Table]:
    missing = [name for name in NEEDED if not _is_installed(name)]
    if missing:
        print(f"local_model is left out: {', '.join(missing)} not installed", file=sys.stderr)
        return []
    from tests.tiny_gguf import build

    made = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.gguf"
        build(path, width=512, layers=8, heads=8)
        for module, table in (("llama_cpp", _llama_cpp_python), ("xllamacpp", _xllamacpp)):
            if _is_installed(module):
                made.append(table(path, 2 * options.rounds))
            else:
                print(f"local_model: {module} is left out: not installed", file=sys.stderr)
    return made


def _llama_cpp_python(path: Path, rounds: int) -> Table:
    import llama_cpp

    llama = llama_cpp.Llama(str(path), n_ctx=CONTEXT, n_threads=1, verbose=False)

    def direct(seed: int) -> int:
        llama.reset()
        reply = llama.create_chat_completion([{"role": "user", "content": PROMPT}], seed=seed, max_tokens=TOKENS)
        return int(reply["usage"]["completion_tokens"])

    with ExitStack() as stack:
        stack.callback(llama.close)
        ours = _ours(stack, path, "llama-cpp-python")
        speeds = _interleaved({"llama-cpp-python": (direct, 1), "complaint-llm": (ours, 1)}, rounds)
    title = "llama.cpp by llama-cpp-python, a tiny model: tokens a second"
    limits = [Limit("complaint-llm", 0.98, least=True)]
    return Table(title, "tokens/s", 1, figures(speeds, "llama-cpp-python"), limits)


def _xllamacpp(path: Path, rounds: int) -> Table:
    with ExitStack() as stack:
        one = _ours(stack, path, "xllamacpp")
        four = _ours(stack, path, "xllamacpp", n_parallel=SLOTS)
        direct = _engine(path)
        contenders = {
            f"xllamacpp, {SLOTS} slots": (direct, SLOTS),
            f"complaint-llm, {SLOTS} slots": (four, SLOTS),
            "complaint-llm, 1 slot": (one, 1),
        }
        speeds = _interleaved(contenders, rounds)
    title = f"llama.cpp by xllamacpp, a tiny model, {SLOTS} requests: tokens a second"
    limits = [
        Limit(f"complaint-llm, {SLOTS} slots", 0.98, least=True),
        Limit("complaint-llm, 1 slot", 1 / 1.1),
    ]
    return Table(title, "tokens/s", 1, figures(speeds, f"xllamacpp, {SLOTS} slots"), limits)


def _ours(stack: ExitStack, path: Path, runtime: str, **keys: Any) -> Ask:
    from complaint_llm import Mediator
    from complaint_llm.backends import WorkstationBackend

    backend = WorkstationBackend(model_path=str(path), runtime=runtime, n_ctx=CONTEXT, n_threads=1, **keys)
    mediator = stack.enter_context(Mediator([backend]))
    mediator.load()
    return lambda seed: mediator.infer(PROMPT, seed=seed, max_tokens=TOKENS).token_usage.completion_tokens


def _engine(path: Path) -> Ask:
    """The engine alone, asked with what our backend sends."""
    import xllamacpp

    given = xllamacpp.CommonParams()
    given.model.path = str(path)
    given.n_parallel, given.n_ctx = SLOTS, CONTEXT * SLOTS
    given.n_batch = given.n_ubatch = 512
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = 1
    given.fit_params, given.verbosity, given.cache_ram_mib = False, -1, 0
    server = xllamacpp.Server(given)

    def ask(seed: int) -> int:
        tokens = 0

        def take(piece: Any) -> bool:
            nonlocal tokens
            tokens = ((piece.get("usage") if isinstance(piece, dict) else None) or {}).get("completion_tokens", tokens)
            return False

        body = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": TOKENS, "seed": seed, "stream": True}
        body |= {"stream_options": {"include_usage": True}, "return_progress": True, "cache_prompt": False}
        server.handle_chat_completions(body, take)
        return tokens

    return ask


def _interleaved(contenders: Mapping[str, tuple[Ask, int]], rounds: int) -> dict[str, list[float]]:
    """Tokens a second of each contender in each round: as many requests as slots, at once as it says."""
    speeds: dict[str, list[float]] = {name: [] for name in contenders}
    requests = max(width for _, width in contenders.values())
    with ThreadPoolExecutor(requests) as pool:
        for number in range(-1, rounds):
            for name, (ask, width) in contenders.items():
                seeds = [number * requests + place for place in range(requests)]
                start = time.perf_counter()
                tokens = sum(pool.map(ask, map(abs, seeds)) if width > 1 else map(ask, map(abs, seeds)))
                if number >= 0:  # the first round warms up
                    speeds[name].append(tokens / (time.perf_counter() - start))
    return speeds


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


if __name__ == "__main__":
    run(__doc__ or "", tables)
