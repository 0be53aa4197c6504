"""Asks the biller from many threads of one process: ``billed_calls.py URL FOLDER FIRST LAST THREADS BUDGET``.

Requests FIRST to LAST; a BUDGET of 0 is none, and then some requests ask for what has a fee. A line of JSON for each:
number, what came of it, and the cost as it was told.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from complaint_llm import Mediator
from complaint_llm.backends import AnthropicBackend, OpenAIBackend
from complaint_llm.exceptions import BackendError, BudgetExceededError
from complaint_llm.messages import Done


class Gpt(OpenAIBackend):
    """OpenAI's prices, although the address is loopback's."""

    def price_provider(self) -> str:
        return "openai"


class Claude(AnthropicBackend):
    """Anthropic's prices, although the address is loopback's."""

    def price_provider(self) -> str:
        return "anthropic"


def keys_of(number: int, *, fees: bool) -> dict[str, Any]:
    """Where request ``number`` goes and what it asks for besides its prompt."""
    backend = ("chat", "responses", "claude")[number % 3]
    keys: dict[str, Any] = {"backend": backend}
    if number % 4:
        keys["max_tokens"] = 200 + number % 300
    extra: dict[str, Any] = {}
    if backend == "claude" and number % 5 == 0:
        extra["cache_control"] = {"type": "ephemeral", "ttl": "1h"}
    if backend != "claude" and number % 7 == 0:
        extra["service_tier"] = "flex"
    if fees and number % 11 == 0 and backend != "chat":
        name = "web_search" if backend == "responses" else "web_search_20250305"
        extra["tools"] = [{"type": name, "name": "web_search"}]
    if extra:
        keys["extra_body"] = extra
    return keys


def prompt_of(number: int) -> str:
    """The prompt; one in a hundred is so long that its tokens cost more."""
    return f"#{number} " + "a lease. " * (34_000 if number % 100 == 50 else number % 400)


def asked(mediator: Mediator, number: int, *, fees: bool) -> dict[str, Any]:
    keys = keys_of(number, fees=fees)
    try:
        if number % 2:
            output = mediator.infer(prompt_of(number), **keys)
        else:
            output = next(e.output for e in mediator.infer_stream(prompt_of(number), **keys) if isinstance(e, Done))
    except BudgetExceededError:
        return {"number": number, "state": "refused"}
    except BackendError as error:
        return {"number": number, "state": "failed", "why": str(error)[:200]}
    return {"number": number, "state": "answered", "cost": output.cost}


def main(url: str, folder: str, first: int, last: int, threads: int, budget: float) -> None:
    numbers: Iterator[int] = iter(range(first, last))
    lock = threading.Lock()
    common: dict[str, Any] = {"max_retries": 4, "retry_delay": 0.01, "api_key": "k"}
    backends = [
        Gpt(id="chat", base_url=f"{url}/v1", model="gpt-5.6-terra", api="chat", **common),
        Gpt(id="responses", base_url=f"{url}/v1", model="gpt-5.6-terra", api="responses", **common),
        Claude(id="claude", base_url=url, model="claude-sonnet-5-5", **common),
    ]
    more: dict[str, Any] = {"budget": budget} if budget else {}
    with Mediator(
        backends, folder=Path(folder), timeout=120, max_attempts=6, circuit_breaker={"failures": 10**6}, **more
    ) as mediator:

        def work() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                line = json.dumps(asked(mediator, number, fees=not budget))
                with lock:
                    print(line, flush=True)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]))
