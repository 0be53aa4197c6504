"""The floor: the standard library's client, no pool, no deadline, no retry."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

HEADERS = {"Authorization": "Bearer sk-bench-0123456789", "Content-Type": "application/json"}


def call(base: str) -> Callable[[str], str]:
    url, local = urlsplit(base), threading.local()

    def one(prompt: str) -> str:
        if not hasattr(local, "connection"):
            local.connection = HTTPConnection(url.netloc, timeout=30)
        body = {"model": "bench-model", "messages": [{"role": "user", "content": prompt}], "max_tokens": 500}
        local.connection.request("POST", f"{url.path}/chat/completions", json.dumps(body).encode(), HEADERS)
        answer: str = json.loads(local.connection.getresponse().read())["choices"][0]["message"]["content"]
        return answer

    return one


def batch(base: str, workers: int) -> Callable[[list[str]], list[str]]:
    one, pool = call(base), ThreadPoolExecutor(workers)
    return lambda prompts: list(pool.map(one, prompts))
