"""The official OpenAI SDK, its own retries off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai


def ask(client: openai.OpenAI, prompt: str, **more: Any) -> Any:
    messages: Any = [{"role": "user", "content": prompt}]
    return client.chat.completions.create(model="bench-model", messages=messages, max_tokens=500, **more)


def client(base: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=base, api_key="sk-bench-0123456789", max_retries=0, timeout=30)


def call(base: str) -> Callable[[str], str]:
    made = client(base)
    return lambda prompt: ask(made, prompt).choices[0].message.content


def structured(base: str) -> Callable[[str], str]:
    from claims import Claims

    made = client(base)

    def one(prompt: str) -> str:
        messages: Any = [{"role": "user", "content": prompt}]
        answer = made.chat.completions.parse(
            model="bench-model", messages=messages, max_tokens=500, response_format=Claims
        )
        parsed = answer.choices[0].message.parsed
        assert parsed is not None
        return parsed.summary

    return one


def batch(base: str, workers: int) -> Callable[[list[str]], list[str]]:
    one, pool = call(base), ThreadPoolExecutor(workers)
    return lambda prompts: list(pool.map(one, prompts))


def stream(base: str) -> Callable[[str], Iterator[str]]:
    made = client(base)

    def pieces(prompt: str) -> Iterator[str]:
        for chunk in ask(made, prompt, stream=True):
            for choice in chunk.choices:
                if choice.delta.content:
                    yield choice.delta.content

    return pieces


def fallback(bad: str, good: str) -> Callable[[str], str]:
    """The SDK has none: two clients and a try/except."""
    first, second = call(bad), call(good)

    def either(prompt: str) -> str:
        try:
            return first(prompt)
        except openai.APIError:
            return second(prompt)

    return either


SYSTEM = "You read intakes of a legal-aid office. Quote the words that a claim rests on."


def office(base: str) -> Callable[[str], str]:
    """Messages with a system text, retries as by default; no other policy."""
    made = openai.OpenAI(base_url=base, api_key="sk-bench-0123456789", timeout=30)

    def one(prompt: str) -> str:
        messages: Any = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
        answer = made.chat.completions.create(model="bench-model", messages=messages, max_tokens=500)
        return answer.choices[0].message.content or ""

    return one
