"""The ways in which an office asks: each gives the answers to some texts, which its server says again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier
from typing import Any

from complaint_llm import Mediator
from tests.guards.office import Clerk, Office

Way = Callable[[Office, Clerk, Sequence[str]], list[str]]

ROOT = Path(__file__).resolve().parents[2]
SHAPE = {"type": "object", "properties": {"said": {"type": "string"}}, "required": ["said"]}
EMBEDS = ("chat", "responses", "gemini")


def plain(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    return [office.mediator.infer(text).content for text in texts]


def streamed(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    found = []
    for text in texts:
        with office.mediator.stream_generate(text) as pieces:
            found.append("".join(pieces))
    return found


def in_a_batch(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    return _contents(office.mediator.batch(texts, max_workers=4, ordered=True))


def one_by_one(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    """A batch of one worker."""
    return _contents(office.mediator.batch(texts, max_workers=1, ordered=True))


def parsed(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    """From an answer in JSON."""
    server.as_json = True
    outputs = [office.mediator.infer(text, response_format=SHAPE) for text in texts]
    server.as_json = False
    assert [json.loads(output.content) for output in outputs] == [output.parsed for output in outputs]
    # A wire without JSON of its own has the schema behind the prompt.
    return [output.parsed["said"][: len(text)] for output, text in zip(outputs, texts, strict=True)]


def cached(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    """The second time, when nothing is sent."""
    for text in texts:
        office.mediator.infer(text)
    sent = len(server.requests)
    answers = [office.mediator.infer(text).content for text in texts]
    assert len(server.requests) == sent
    return answers


def embedded(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    """The texts themselves: a vector has nothing to restore. The server's vectors hold the length of what was sent."""
    if office.wire not in EMBEDS:
        return plain(office, server, texts)
    vectors = office.mediator.embed(texts, model="m")
    assert all(vector[0] != len(text) for vector, text in zip(vectors, texts, strict=True))
    return list(texts)


def hedged(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    """Two backends are asked each text."""
    document = json.loads(office.path.read_text(encoding="utf-8"))
    (entry,) = document["BACKENDS"]
    both = [{**entry, "id": each, "cache_enabled": False} for each in ("a", "b")]
    settings = {**document["MEDIATOR"], "hedge_after": 0.01}
    sent = len(server.requests)
    server.meeting = Barrier(2)
    with Mediator.from_config(office.other_config("hedge.json", BACKENDS=both, MEDIATOR=settings)) as mediator:
        answers = [mediator.infer(text).content for text in texts]
    server.meeting = None
    assert len(server.requests) - sent == 2 * len(texts)
    return answers


def in_processes(office: Office, server: Clerk, texts: Sequence[str], processes: int = 2) -> list[str]:
    """A pool of processes, each with the config's own guard."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return _contents(office.mediator.batch(texts, executor=pool, ordered=True, journal=office.own / "journal"))


def by_command(office: Office, server: Clerk, texts: Sequence[str], *options: str) -> list[str]:
    """``complaint-llm --debug batch``; what it says is kept beside the other logs."""
    folder = office.own / ("elsewhere" if "--executor" in options else "here")
    folder.mkdir(exist_ok=True)
    source, out = folder / "in.jsonl", folder / "out.jsonl"
    lines = (json.dumps({"id": str(at), "prompt": text}) for at, text in enumerate(texts))
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "complaint_llm", "-c", str(office.path), "--debug", "batch", str(source)]
    done = subprocess.run(
        [*command, "-o", str(out), *(options or ("-w", "1"))], cwd=office.own, capture_output=True, text=True,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    (office.folder / "said.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
    if not out.exists():
        return [done.stderr]
    found = {each["id"]: each for each in map(json.loads, out.read_text(encoding="utf-8").splitlines())}
    return [found.get(str(at), {}).get("text") or "not answered" for at in range(len(texts))]


def on_dask(office: Office, server: Clerk, texts: Sequence[str]) -> list[str]:
    """Two workers, by the command."""
    return by_command(office, server, texts, "--executor", "dask://local/2", "-w", "4")


def _contents(results: Iterable[Any]) -> list[str]:
    return [result.output.content if result.output else str(result.error) for result in results]


IN_PROCESS: Mapping[str, Way] = {
    "plain": plain, "stream": streamed, "batch": in_a_batch, "json": parsed, "cache": cached, "embed": embedded,
    "hedge": hedged,
}  # fmt: skip
ELSEWHERE: Mapping[str, Way] = {"processes": in_processes, "dask": on_dask, "command": by_command}
