"""What models cost, how much they read, and when they end: a dated snapshot that ships with the package.

The snapshot in ``data/prices`` is made from genai-prices by ``scripts/make_prices.py``; an installed genai-prices that
is newer (extra ``[prices]``) counts in its place. ``data/retirements.json``, ``data/longest_answers.json`` and
``data/billing.json`` say from where their days and numbers come. A provider is known by its address, so a proxy or a
local server has no price: unknown is ``None``, never a guess and never 0.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from complaint_llm.messages import ModelInfo, Price
from complaint_llm.named_tuples import NamedTuple

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
        if _is_at(pattern, base_url):
            return str(provider)
    return None


_LITERAL_START = re.compile(r"((?:[\w:/-]|\\[./-])+)(?:\(\?:[^()]*\))?\Z")
"""A pattern that begins with a plain text, dots escaped, and ends with it or with one group."""


def _is_at(pattern: str, base_url: str) -> bool:
    """Whether the address fits the pattern. Nearly all begin with a plain text, which tells without compiling them."""
    plain = _LITERAL_START.match(pattern)
    if plain is not None and not base_url.startswith(plain[1].replace("\\", "")):
        return False
    return re.match(pattern, base_url) is not None


@lru_cache(maxsize=1024)
def model_facts(provider: str, model: str, day: str) -> ModelInfo | None:
    """What is known of a provider's model on a day (ISO date); None if no list has it."""
    wanted = model.lower()
    entry = next((each for each in _models(provider) if _matches(each["match"], wanted)), None)
    names = (wanted, _without_date(wanted), *(() if entry is None else (entry["id"],)))
    retires = _by_name(_retirements(), provider, names, "day")
    most = _by_name(_longest_answers(), provider, names, None)
    if entry is None:
        return None if retires is None and most is None else ModelInfo(model, provider, None, most, retires=retires)
    price: Mapping[str, Any] = {}
    for dated in entry["prices"]:
        if dated.get("from", "") <= day:
            price = dated
    if retires is None and entry.get("retired"):
        retires = price_list().made
    return ModelInfo(
        model,
        provider,
        context_window=entry.get("context"),
        max_output_tokens=most,
        input_price=price.get("input"),
        output_price=price.get("output"),
        cached_input_price=price.get("cached"),
        retires=retires,
        cache_write_price=price.get("write"),
        cache_write_1h_price=price.get("write_1h"),
        other_prices=tuple(_other_price(other) for other in price.get("other", ())),
    )


def _other_price(given: Mapping[str, Any]) -> Price:
    return Price(
        input=given.get("input"),
        output=given.get("output"),
        cached_input=given.get("cached"),
        cache_write=given.get("write"),
        cache_write_1h=given.get("write_1h"),
        above=given.get("above", 0),
        service_tier=given.get("tier"),
    )


class BillingRule(NamedTuple):
    """What a provider publishes for all its models, as multiples of the price of input (``surcharge``: of each)."""

    cache_write: float
    cache_write_long: float
    surcharge: float


@lru_cache(maxsize=64)
def billing_rule(provider: str | None) -> BillingRule:
    """A provider's multiples; for one that publishes none the greatest that any does."""
    rules = _read(_DATA / "billing.json")["providers"]
    if provider in rules:
        rule = rules[provider]
        return BillingRule(rule["cache_write"], rule["cache_write_long"], rule["surcharge"])
    return BillingRule(
        max(rule["cache_write"] for rule in rules.values()),
        max(rule["cache_write_long"] for rule in rules.values()),
        1.0,
    )


def today() -> str:
    """The day in UTC as an ISO date."""
    return time.strftime("%Y-%m-%d", time.gmtime())


@lru_cache(maxsize=1)
def price_list() -> PriceList:
    """The list that counts: the installed one if it is newer than the snapshot, else the snapshot."""
    index = _read(_DATA / "prices" / "index.json")
    snapshot = PriceList(index["source"], index["made"], index["providers"], _in_snapshot)
    return _installed_list(snapshot.source) or snapshot


def _installed_list(snapshot: str) -> PriceList | None:
    """The installed genai-prices, imported only if it is newer than what the snapshot was made from: that takes longer
    than most requests' own work."""
    from importlib.util import find_spec  # extra: prices

    if find_spec("genai_prices") is None:
        return None
    try:
        version = _installed_version("genai_prices")
        if version is None:
            return None
        source = f"genai-prices {version}"
        if _numbers(source) <= _numbers(snapshot):
            return None
        from complaint_llm import price_package  # extra: prices

        addresses = price_package.addresses()
        for provider in addresses:
            price_package.models(provider)
    except Exception as cause:  # noqa: BLE001 - a list that changed its shape must not fail a request that was answered
        what = f"{type(cause).__name__}: {cause}"
        log.warning("the installed %s cannot be read (%s): prices are those of %s", source, what, snapshot)
        return None
    return PriceList(source, today(), addresses, price_package.models)


def _installed_version(name: str) -> str | None:
    """The version of a distribution, by the folders that lie beside packages; importing ``importlib.metadata``, which
    is asked where there is none, takes longer than reading their names."""
    for folder in sys.path:
        try:
            beside = os.listdir(folder or ".")  # noqa: PTH208 - pathlib takes three times as long, at each start
        except OSError:
            continue
        for found in beside:
            if found.startswith(f"{name}-") and found.endswith(".dist-info"):
                return found.removesuffix(".dist-info").partition("-")[2]
    from importlib.metadata import PackageNotFoundError, version  # extra: prices

    try:
        return version(name)
    except PackageNotFoundError:
        return None


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


def _by_name(table: Mapping[str, Any], provider: str, names: Iterable[str], key: str | None) -> Any:
    """What a table of a provider's models says under the first of these names."""
    models = table.get(provider, {})
    found = next((models[name] for name in names if name in models), None)
    return found if found is None or key is None else found[key]


def _without_date(model: str) -> str:
    return re.sub(r"[-@]\d{4}-?\d{2}-?\d{2}$", "", model)


@lru_cache(maxsize=1)
def _retirements() -> Mapping[str, Any]:
    models: Mapping[str, Any] = _read(_DATA / "retirements.json")["models"]
    return models


@lru_cache(maxsize=1)
def _longest_answers() -> Mapping[str, Any]:
    models: Mapping[str, Any] = _read(_DATA / "longest_answers.json")["models"]
    return models


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
