"""any-llm, one client that is used again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from any_llm import AnyLLM


def call(base: str) -> Callable[[str], str]:
    client = AnyLLM.create("openai", api_key="sk-bench-0123456789", api_base=base, max_retries=0)

    def one(prompt: str) -> str:
        messages: Any = [{"role": "user", "content": prompt}]
        answer: Any = client.completion(model="bench-model", messages=messages, max_tokens=500)
        text: str = answer.choices[0].message.content
        return text

    return one


def batch(base: str, workers: int) -> Callable[[list[str]], list[str]]:
    one, pool = call(base), ThreadPoolExecutor(workers)
    return lambda prompts: list(pool.map(one, prompts))
