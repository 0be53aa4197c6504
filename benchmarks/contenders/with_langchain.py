"""LangChain's ChatOpenAI, its own retries off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from langchain_openai import ChatOpenAI


def model(base: str) -> ChatOpenAI:
    keys: dict[str, Any] = {
        "model": "bench-model",
        "base_url": base,
        "api_key": "sk-bench-0123456789",
        "max_retries": 0,
    }
    return ChatOpenAI(**keys, timeout=30, max_tokens=500)


def call(base: str) -> Callable[[str], str]:
    made = model(base)
    return lambda prompt: str(made.invoke([("human", prompt)]).content)


def batch(base: str, workers: int) -> Callable[[list[str]], list[str]]:
    made = model(base)
    return lambda prompts: [
        str(answer.content)
        for answer in made.batch([[("human", each)] for each in prompts], {"max_concurrency": workers})
    ]


def stream(base: str) -> Callable[[str], Iterator[str]]:
    made = model(base)
    return lambda prompt: (str(chunk.content) for chunk in made.stream([("human", prompt)]) if chunk.content)


def fallback(bad: str, good: str) -> Callable[[str], str]:
    made = model(bad).with_fallbacks([model(good)])
    return lambda prompt: str(made.invoke([("human", prompt)]).content)
