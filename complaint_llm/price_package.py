"""The price list genai-prices in the shape of the snapshot in ``data/prices``.

Imported only where the list is needed: to make the snapshot, and where an installed list is newer than it. Nothing is
fetched here: genai-prices can update itself over the network, and is never asked to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genai_prices import types
from genai_prices.data import providers

# No backend type speaks their APIs.
LEFT_OUT = ("elevenlabs", "cursor", "typesafe", "aws", "cloudflare", "databricks", "modal")

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
        "prices": _prices(model.prices),
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


def _prices(given: Any) -> list[dict[str, Any]]:
    """All dated prices, oldest first; those that depend on the time of day are left out: the price is then unknown."""
    if isinstance(given, types.ModelPrice):
        made = [_price(given, None)]
    else:
        if any(isinstance(p.constraint, types.TimeOfDateConstraint) for p in given):
            return []
        made = [_price(p.prices, p.constraint.start_date.isoformat() if p.constraint else None) for p in given]
    return [p for p in made if p is not None]


def _price(given: Any, start: str | None) -> dict[str, Any] | None:
    """One set of prices. ``up_to`` is the prompt length up to which they hold, where they are tiered."""
    found: dict[str, Any] = {} if start is None else {"from": start}
    limit = None
    for name, key in (("input", "input_mtok"), ("output", "output_mtok"), ("cached", "cache_read_mtok")):
        value = getattr(given, key, None)
        if isinstance(value, types.TieredPrices):
            tier = min(t.start for t in value.tiers)
            limit = tier if limit is None else min(limit, tier)
            value = value.base
        if value is not None:
            found[name] = float(value)
    if limit is not None:
        found["up_to"] = limit
    return found if "input" in found else None
