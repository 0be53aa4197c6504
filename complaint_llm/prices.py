"""What models cost, how much they read, and when they end: a dated snapshot that ships with the package.

The snapshot in ``data/prices`` is made from genai-prices by ``scripts/make_prices.py``; an installed genai-prices that
is newer (extra ``[prices]``) counts in its place. ``data/retirements.json`` says from where its days come. A provider
is known by its address, so a proxy or a local server has no price: unknown is ``None``, never a guess and never 0.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.messages import ModelInfo

_DATA = Path(__file__).parent / "data"

log = logging.getLogger("complaint_llm.prices")


class PriceList(NamedTuple):
    """Where prices are looked up: its source with its version, the day (ISO date) for which it says that a model has
    ended, patterns of addresses by provider, and the models of a provider."""

    source: str
    made: str
    providers: Mapping[str, str]
    models: Callable[[str], list[dict[str, Any]]]


@lru_cache(maxsize=256)
def provider_of(base_url: str) -> str | None:
    """The provider whose API has this address, by its id in the price list; None if it is none of them."""
    for provider, pattern in price_list().providers.items():
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
            retires = price_list().made
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


@lru_cache(maxsize=1)
def price_list() -> PriceList:
    """The list that counts: the installed one if it is newer than the snapshot, else the snapshot."""
    index = _read(_DATA / "prices" / "index.json")
    snapshot = PriceList(index["source"], index["made"], index["providers"], _in_snapshot)
    return _installed(snapshot.source) or snapshot


def _installed(snapshot: str) -> PriceList | None:
    """The installed genai-prices, imported only if it is newer than what the snapshot was made from: that takes longer
    than most requests' own work."""
    from importlib.util import find_spec

    if find_spec("genai_prices") is None:
        return None
    from importlib.metadata import PackageNotFoundError, version

    try:
        source = f"genai-prices {version('genai-prices')}"
        if _numbers(source) <= _numbers(snapshot):
            return None
        from complaint_llm import price_package

        addresses = price_package.addresses()
        for provider in addresses:
            price_package.models(provider)
    except PackageNotFoundError:
        return None
    except Exception as cause:  # noqa: BLE001 - a list that changed its shape must not fail a request that was answered
        what = f"{type(cause).__name__}: {cause}"
        log.warning("the installed %s cannot be read (%s): prices are those of %s", source, what, snapshot)
        return None
    return PriceList(source, today(), addresses, price_package.models)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


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


@lru_cache(maxsize=8)
def _models(provider: str) -> list[dict[str, Any]]:
    return price_list().models(provider)


def _in_snapshot(provider: str) -> list[dict[str, Any]]:
    path = _DATA / "prices" / f"{provider}.json"
    models: list[dict[str, Any]] = _read(path) if path.exists() else []
    return models


@lru_cache(maxsize=1)
def _retirements() -> dict[str, Any]:
    days: dict[str, Any] = _read(_DATA / "retirements.json")
    return days


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
