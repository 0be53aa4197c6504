"""The price list genai-prices in the shape of the snapshot in ``data/prices``.

Imported only where the list is needed: to make the snapshot, and where an installed list is newer than it. Nothing is
fetched here: genai-prices can update itself over the network, and is never asked to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from genai_prices import types
from genai_prices.data import providers

# No backend type speaks their APIs.
LEFT_OUT = ("elevenlabs", "cursor", "typesafe", "aws", "cloudflare", "databricks", "modal")

_KEYS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached": "cache_read_mtok",
    "write": "cache_write_mtok",
    "write_1h": "cache_write_1h_mtok",
}
"""Names of prices here, and the list's."""

_UNTOLD = ("requests_kcount", "output_reasoning_mtok", "output_citation_mtok")
"""Parts of a price that no usage tells apart from its tokens."""

_SIMPLE = {
    types.ClauseEquals: "equals",
    types.ClauseContains: "contains",
    types.ClauseStartsWith: "starts_with",
    types.ClauseEndsWith: "ends_with",
    types.ClauseRegex: "regex",
}


def addresses() -> Mapping[str, str]:
    """For each provider, by its id, the regular expression of its API's address."""
    return {provider.id: provider.api_pattern for provider in providers if provider.id not in LEFT_OUT}


def models(provider: str) -> list[dict[str, Any]]:
    """A provider's models: how their names are matched, context window (tokens), dated prices (dollars a million)."""
    found = next((each for each in providers if each.id == provider), None)
    return [] if found is None else [_model(model) for model in found.models]


def _model(model: Any) -> dict[str, Any]:
    return {
        "id": model.id,
        "match": _clause(model.match),
        **({"context": model.context_window} if model.context_window else {}),
        **({"retired": True} if model.deprecated else {}),
        "prices": _prices(model.prices, model.price_variants or ()),
    }


def _clause(match: Any) -> dict[str, Any]:
    """A matching rule as data. Raises TypeError for a kind that this list did not have before."""
    for kind, name in _SIMPLE.items():
        if isinstance(match, kind):
            return {name: getattr(match, name)}
    if isinstance(match, types.ClauseOr):
        return {"or": [_clause(part) for part in match.or_]}
    if isinstance(match, types.ClauseAnd):
        return {"and": [_clause(part) for part in match.and_]}
    raise TypeError(f"unknown kind of rule: {type(match).__name__}")


def _prices(given: Any, variants: Sequence[Any]) -> list[dict[str, Any]]:
    """All dated prices, oldest first; those that depend on the time of day are left out: the price is then unknown."""
    if isinstance(given, types.ModelPrice):
        made = [_with_day(given, None, variants)]
    else:
        if any(isinstance(p.constraint, types.TimeOfDateConstraint) for p in given):
            return []
        made = [_with_day(p.prices, p.constraint.start_date if p.constraint else None, variants) for p in given]
    return [p for p in made if p is not None]


def _with_day(given: Any, start: date | None, variants: Sequence[Any]) -> dict[str, Any] | None:
    """The prices from one day on: the usual ones, and under ``other`` those of longer prompts and service tiers.

    None where a fee is part of every answer that tokens do not tell.
    """
    if any(getattr(given, name, None) is not None for name in _UNTOLD):
        return None
    usual, *longer = _steps(given)
    if "input" not in usual:
        return None
    others = list(longer)
    for tier, prices in _tiers(variants).items():
        # What a tier does not name costs what it usually does.
        others += [{**step, "tier": tier} for step in _steps(given, prices)]
    dated = {} if start is None else {"from": start.isoformat()}
    return {**dated, **usual, **({"other": others} if others else {})}


def _tiers(variants: Sequence[Any]) -> dict[str, Any]:
    """The prices of each service tier that an answer may name, by that name."""
    found: dict[str, Any] = {}
    for variant in variants:
        if len(variant.when) != 1:
            continue
        ((key, value),) = variant.when.items()
        if key in ("service_tier", "processing", "speed") and value != "default":
            found.setdefault(value, variant.prices)
    return found


def _steps(*layers: Any) -> list[dict[str, Any]]:
    """Prices by prompt length: those for all, then those for more tokens than ``above``. Later layers go before."""
    values = {name: _merge_layers(layers, key) for name, key in _KEYS.items()}
    starts = sorted({t.start for v in values.values() if isinstance(v, types.TieredPrices) for t in v.tiers})
    return [_step(values, start) for start in (0, *starts)]


def _step(values: Mapping[str, Any], start: int) -> dict[str, Any]:
    found: dict[str, Any] = {"above": start} if start else {}
    for name, value in values.items():
        if isinstance(value, types.TieredPrices):
            value = next((t.price for t in reversed(value.tiers) if t.start <= start), value.base)
        if value is not None:
            found[name] = float(value)
    return found


def _merge_layers(layers: Sequence[Any], key: str) -> Any:
    return next((value for layer in reversed(layers) if (value := getattr(layer, key, None)) is not None), None)
