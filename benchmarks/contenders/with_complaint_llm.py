"""Ours: always through a JSON config file, as a user has it; the default policies are on."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from complaint_llm import Mediator


def mediator(backends: list[dict[str, Any]], **settings: Any) -> Mediator:
    folder = Path(tempfile.mkdtemp(prefix="complaint-llm-bench-"))
    path = folder / "config.json"
    for setting, file in (("cache", "cache.db"), ("state", "state.db")):
        if isinstance(settings.get(setting), dict):
            settings[setting].setdefault("path", file)
    config = {"BACKENDS": backends, "MEDIATOR": {"timeout": 30, **settings}}
    path.write_text(json.dumps(config), encoding="utf-8")
    return Mediator.from_config(path)


def backend(id: str, base: str, **keys: Any) -> dict[str, Any]:
    return {
        "id": id,
        "type": "openai",
        "base_url": base,
        "api_key": "sk-bench-0123456789",
        "model": "bench-model",
        "max_tokens": 500,
        **keys,
    }


def call(base: str, keys: dict[str, Any] | None = None, settings: dict[str, Any] | None = None) -> Callable[[str], str]:
    return mediator([backend("only", base, **(keys or {}))], **(settings or {})).generate


def structured(base: str) -> Callable[[str], str]:
    from claims import Claims

    asked = mediator([backend("only", base)])

    def one(prompt: str) -> str:
        summary: str = asked.infer(prompt, response_format=Claims).parsed.summary
        return summary

    return one


def pair(first: str, second: str) -> Callable[[str], str]:
    return mediator([backend("first", first, max_retries=0), backend("second", second, max_retries=0)]).generate


def default_pair(bad: str, good: str, settings: dict[str, Any]) -> Callable[[str], str]:
    """Two backends with their retries as by default; each answer must have tried the first."""
    asked = mediator([backend("first", bad), backend("second", good)], **settings)

    def one(prompt: str) -> str:
        output = asked.infer(prompt)
        if [attempt.backend for attempt in output.attempts] != ["first", "second"]:
            raise RuntimeError(f"not what is measured: {output.attempts}")
        return output.content

    return one


def known_down(bad: str, good: str) -> Mediator:
    """Two backends, the circuit of the first open for an hour; one prompt was sent to see that."""
    settings = {"circuit_breaker": {"failures": 1, "cooldown": 3600}}
    asked = mediator([backend("first", bad, max_retries=0), backend("second", good, max_retries=0)], **settings)
    asked.generate("opens the circuit")
    return asked


def repeated(base: str, keys: dict[str, Any]) -> Callable[[str], str]:
    """The same prompt again and again: after the first one, what a cache hit costs."""
    generate = call(base, keys)
    same = ("Extract the legal claims from this intake: the landlord shut off the heat in November. " * 12)[:1024]
    generate(same)
    return lambda prompt: generate(same)


def batch(base: str, workers: int) -> Callable[[list[str]], list[str]]:
    asked = mediator([backend("only", base)])
    return lambda prompts: asked.batch_generate(prompts, max_workers=workers)


def journalled(base: str, workers: int) -> Callable[[list[str]], list[str]]:
    """A batch with a journal, and no more than that."""
    asked = mediator([backend("only", base)])
    folder = Path(tempfile.mkdtemp(prefix="complaint-llm-journalled-"))

    def all_of(prompts: list[str]) -> list[str]:
        with asked.batch(prompts, workers, journal=folder / "run.journal") as results:
            return [result.output.content if result.output else "" for result in results]

    return all_of


def stream(base: str) -> Callable[[str], Iterator[str]]:
    return mediator([backend("only", base)]).stream_generate


def fallback(bad: str, good: str, skipped: bool, settings: dict[str, Any] | None = None) -> Callable[[str], str]:
    """``max_retries`` 0, as the hand-written contender does not retry either.

    A first backend that is quietly skipped would make the fallback look cheap, so each answer's record of attempts is
    looked at: ``skipped`` says which of the two is measured. A few calls before open the breaker, where it may open.
    """
    backends = [backend("first", bad, max_retries=0), backend("second", good, max_retries=0)]
    asked = mediator(backends, **(settings or {}))
    for _ in range(10):
        asked.generate("a call before")

    def one(prompt: str) -> str:
        output = asked.infer(prompt)
        first = output.attempts[0]
        if first.backend != "first" or first.error is None or ("circuit" in first.error) != skipped:
            raise RuntimeError(f"not what is measured (skipped={skipped}): {output.attempts}")
        return output.content

    return one


EVERY_POLICY: dict[str, Any] = {
    "rate_limit": 10_000_000,
    "tokens_per_minute": 10_000_000_000,
    "max_concurrency": 1000,
    "pricing": {"input": 1.0, "output": 4.0},
    "cache_enabled": True,
    "cache_size": 1000,
}
EVERY_SETTING: dict[str, Any] = {"budget": 1_000_000, "provenance": "digests"}
SYSTEM = "You read intakes of a legal-aid office. Quote the words that a claim rests on."


def office(base: str) -> Callable[[str], str]:
    """Messages with a system text, retries as by default, every policy at once."""
    asked = mediator([backend("only", base, **EVERY_POLICY)], **EVERY_SETTING)

    def one(prompt: str) -> str:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
        return asked.infer(messages).content

    return one


def night(base: str, workers: int) -> Callable[[list[str]], list[str]]:
    """The same as a batch with a journal."""
    asked = mediator([backend("only", base, **EVERY_POLICY)], **EVERY_SETTING)
    folder = Path(tempfile.mkdtemp(prefix="complaint-llm-night-"))

    def all_of(prompts: list[str]) -> list[str]:
        items = [[{"role": "system", "content": SYSTEM}, {"role": "user", "content": each}] for each in prompts]
        with asked.batch(items, workers, journal=folder / "night.journal") as results:
            return [result.output.content if result.output else "" for result in results]

    return all_of


def document(base: str, path: str) -> Callable[[str], str]:
    """A question about a file, whose text is sent."""
    from complaint_llm import Document, Message
    from complaint_llm.messages import TextPart

    asked = mediator([backend("only", base)])

    def one(prompt: str) -> str:
        return asked.infer([Message("user", (TextPart(prompt), Document(path)))], documents="text").content

    return one
