"""The yardstick: what one writes by hand with requests."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
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


SYSTEM = "You read intakes of a legal-aid office. Quote the words that a claim rests on."


def messages(prompt: str) -> dict[str, Any]:
    return body(prompt) | {"messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]}


def office(base: str, width: int = 10) -> Callable[[str], str]:
    """Messages with a system text, three tries by urllib3's Retry; no other policy."""
    from urllib3.util import Retry

    retry = Retry(total=2, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None)
    session = requests.Session()
    session.headers.update(HEADERS)
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=width, max_retries=retry))
    return lambda prompt: text(session.post(f"{base}/chat/completions", json=messages(prompt), timeout=30))


def night(base: str, workers: int) -> Callable[[list[str]], list[str]]:
    """A pool of threads, and a line of JSON for each answer as it comes, flushed."""
    one = office(base, workers)

    def all_of(prompts: list[str]) -> list[str]:
        answers = []
        with tempfile.TemporaryFile("w") as journal, ThreadPoolExecutor(workers) as pool:
            waiting = {pool.submit(one, prompt): number for number, prompt in enumerate(prompts)}
            for future in as_completed(waiting):
                answers.append(future.result())
                journal.write(json.dumps({"key": waiting[future], "answer": answers[-1]}) + "\n")
                journal.flush()
        return answers

    return all_of


def document(base: str, path: str) -> Callable[[str], str]:
    """A question about a file, whose text is sent."""
    one = call(base)

    def ask(prompt: str) -> str:
        with open(path, encoding="utf-8") as file:
            return one(f"{prompt}\n\n{file.read()}")

    return ask
