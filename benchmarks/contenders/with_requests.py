"""The yardstick: what one writes by hand with requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from requests.adapters import HTTPAdapter

HEADERS = {"Authorization": "Bearer sk-bench-0123456789"}


def body(prompt: str, **more: Any) -> dict[str, Any]:
    """The same body that every contender sends."""
    return {"model": "bench-model", "messages": [{"role": "user", "content": prompt}], "max_tokens": 500, **more}


def text(response: requests.Response) -> str:
    response.raise_for_status()
    answer: str = response.json()["choices"][0]["message"]["content"]
    return answer


def call(base: str, width: int = 10) -> Callable[[str], str]:
    session = requests.Session()
    session.headers.update(HEADERS)
    session.mount("http://", HTTPAdapter(pool_maxsize=width))
    return lambda prompt: text(session.post(f"{base}/chat/completions", json=body(prompt), timeout=30))


def structured(base: str) -> Callable[[str], str]:
    """The schema is made once, and pydantic reads the answer."""
    from claims import Claims

    session = requests.Session()
    session.headers.update(HEADERS)
    schema = {"name": "Claims", "schema": Claims.model_json_schema()}
    wanted = {"type": "json_schema", "json_schema": schema}

    def one(prompt: str) -> str:
        sent = body(prompt, response_format=wanted)
        answer = text(session.post(f"{base}/chat/completions", json=sent, timeout=30))
        return Claims.model_validate_json(answer).summary

    return one


def batch(base: str, workers: int) -> Callable[[list[str]], list[str]]:
    one, pool = call(base, workers), ThreadPoolExecutor(workers)
    return lambda prompts: list(pool.map(one, prompts))


def stream(base: str) -> Callable[[str], Iterator[str]]:
    session = requests.Session()
    session.headers.update(HEADERS)

    def pieces(prompt: str) -> Iterator[str]:
        with session.post(
            f"{base}/chat/completions", json=body(prompt, stream=True), stream=True, timeout=30
        ) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                if line.startswith(b"data: ") and line != b"data: [DONE]":
                    for choice in json.loads(line[6:])["choices"]:
                        if piece := choice["delta"].get("content"):
                            yield piece

    return pieces


def fallback(bad: str, good: str) -> Callable[[str], str]:
    """Two sessions and a try/except."""
    first, second = call(bad), call(good)

    def either(prompt: str) -> str:
        try:
            return first(prompt)
        except requests.RequestException:
            return second(prompt)

    return either
