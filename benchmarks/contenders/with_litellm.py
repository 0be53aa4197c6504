"""LiteLLM, with its bundled price list so that it asks no other host, and its own retries off."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm

litellm.telemetry = False
litellm.suppress_debug_info = True


def keys(base: str) -> dict[str, Any]:
    return {
        "model": "openai/bench-model",
        "api_base": base,
        "api_key": "sk-bench-0123456789",
        "max_tokens": 500,
        "timeout": 30,
    }


def call(base: str) -> Callable[[str], str]:
    def one(prompt: str) -> str:
        messages = [{"role": "user", "content": prompt}]
        text: str = litellm.completion(messages=messages, max_retries=0, **keys(base)).choices[0].message.content
        return text

    return one


def batch(base: str, workers: int) -> Callable[[list[str]], list[str]]:
    def all_of(prompts: list[str]) -> list[str]:
        messages = [[{"role": "user", "content": prompt}] for prompt in prompts]
        answers = litellm.batch_completion(messages=messages, max_workers=workers, max_retries=0, **keys(base))
        # A call that failed comes back as its exception in the answer's place.
        return ["" if isinstance(answer, Exception) else answer.choices[0].message.content for answer in answers]

    return all_of


def stream(base: str) -> Callable[[str], Iterator[str]]:
    def pieces(prompt: str) -> Iterator[str]:
        messages = [{"role": "user", "content": prompt}]
        for chunk in litellm.completion(messages=messages, stream=True, max_retries=0, **keys(base)):
            for choice in chunk.choices:
                if choice.delta.content:
                    yield choice.delta.content

    return pieces


def fallback(bad: str, good: str) -> Callable[[str], str]:
    """Its Router, two groups of one deployment each, cooldowns off so that each call asks both."""

    def deployment(name: str, base: str) -> dict[str, Any]:
        return {"model_name": name, "litellm_params": {**keys(base), "max_retries": 0}}

    router = litellm.Router(
        model_list=[deployment("main", bad), deployment("spare", good)],
        fallbacks=[{"main": ["spare"]}],
        num_retries=0,
        disable_cooldowns=True,
    )

    def one(prompt: str) -> str:
        messages: Any = [{"role": "user", "content": prompt}]
        text: str = router.completion(model="main", messages=messages).choices[0].message.content
        return text

    return one
