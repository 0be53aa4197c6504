"""What models cost, how much they read, and when they end: a dated snapshot that ships with the package.

The snapshot in ``data/prices`` is made from genai-prices by ``scripts/make_prices.py``; ``data/retirements.json`` says
from where its days come. A provider is known by its address, so a proxy or a local server has no price: unknown is
``None``, never a guess and never 0.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from complaint_llm.messages import ModelInfo

_DATA = Path(__file__).parent / "data"


@lru_cache(maxsize=256)
def provider_of(base_url: str) -> str | None:
    """The provider whose API has this address, by its id in the price list; None if it is none of them."""
    for provider, pattern in _index()["providers"].items():
        if re.match(pattern, base_url):
            return str(provider)
    return None


@lru_cache(maxsize=1024)
def model_facts(provider: str, model: str, day: str) -> ModelInfo | None:
    """What is known of a provider's model on a day (ISO date); None if the list does not have it."""
    wanted = model.lower()
    for entry in _models(provider):
        if not _matches(entry["match"], wanted):
            continue
        price: Mapping[str, Any] = {}
        for dated in entry["prices"]:
            if dated.get("from", "") <= day:
                price = dated
        retires = _retirements().get(provider, {}).get(entry["id"])
        if retires is None and entry.get("retired"):
            retires = _index()["made"]
        return ModelInfo(
            model,
            provider,
            entry.get("context"),
            None,
            price.get("input"),
            price.get("output"),
            price.get("cached"),
            retires=retires,
            price_up_to=price.get("up_to"),
        )
    return None


def today() -> str:
    """The day in UTC as an ISO date."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def snapshot_date() -> str:
    """The day on which the price list was made (ISO date)."""
    return str(_index()["made"])


def _matches(rule: Mapping[str, Any], model: str) -> bool:
    ((kind, value),) = rule.items()
    match kind:
        case "equals":
            return bool(model == value)
        case "starts_with":
            return model.startswith(value)
        case "ends_with":
            return model.endswith(value)
        case "contains":
            return value in model
        case "regex":
            return re.search(value, model) is not None
        case "or":
            return any(_matches(part, model) for part in value)
        case "and":
            return all(_matches(part, model) for part in value)
    raise ValueError(f"price list: unknown rule {kind!r}")


@lru_cache(maxsize=1)
def _index() -> dict[str, Any]:
    index: dict[str, Any] = _read(_DATA / "prices" / "index.json")
    return index


@lru_cache(maxsize=8)
def _models(provider: str) -> list[dict[str, Any]]:
    path = _DATA / "prices" / f"{provider}.json"
    models: list[dict[str, Any]] = _read(path) if path.exists() else []
    return models


@lru_cache(maxsize=1)
def _retirements() -> dict[str, Any]:
    days: dict[str, Any] = _read(_DATA / "retirements.json")
    return days


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
