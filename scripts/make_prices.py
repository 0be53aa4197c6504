"""Make complaint_llm/data/prices/ from the maintained list genai-prices.

Run it in an environment of its own: ``pip install genai-prices && python scripts/make_prices.py``.
Each provider becomes one file, so that a backend reads only its own.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import types
from genai_prices.data import providers

TARGET = Path(__file__).parent.parent / "complaint_llm" / "data" / "prices"
# No backend type speaks their APIs.
LEFT_OUT = ("elevenlabs", "cursor", "typesafe", "aws", "cloudflare", "databricks", "modal")


def clause(match: Any) -> dict[str, Any]:
    """A matching rule as data."""
    simple = {
        types.ClauseEquals: "equals",
        types.ClauseContains: "contains",
        types.ClauseStartsWith: "starts_with",
        types.ClauseEndsWith: "ends_with",
        types.ClauseRegex: "regex",
    }
    for kind, name in simple.items():
        if isinstance(match, kind):
            return {name: getattr(match, name)}
    if isinstance(match, types.ClauseOr):
        return {"or": [clause(part) for part in match.or_]}
    if isinstance(match, types.ClauseAnd):
        return {"and": [clause(part) for part in match.and_]}
    raise TypeError(match)


def price(given: Any, start: str | None) -> dict[str, Any] | None:
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


def prices(given: Any) -> list[dict[str, Any]]:
    """All dated prices, oldest first; those that depend on the time of day are left out: the price is then unknown."""
    if isinstance(given, types.ModelPrice):
        made = [price(given, None)]
    else:
        if any(isinstance(p.constraint, types.TimeOfDateConstraint) for p in given):
            return []
        made = [price(p.prices, p.constraint.start_date.isoformat() if p.constraint else None) for p in given]
    return [p for p in made if p is not None]


def main() -> None:
    """Write the files anew."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for old in TARGET.glob("*.json"):
        old.unlink()
    about = {"source": f"genai-prices {version('genai-prices')}", "made": datetime.now(UTC).date().isoformat()}
    index: dict[str, Any] = {**about, "providers": {}}
    for provider in providers:
        if provider.id in LEFT_OUT:
            continue
        index["providers"][provider.id] = provider.api_pattern
        models = [
            {
                "id": model.id,
                "match": clause(model.match),
                **({"context": model.context_window} if model.context_window else {}),
                **({"retired": True} if model.deprecated else {}),
                "prices": prices(model.prices),
            }
            for model in provider.models
        ]
        text = ",\n".join(json.dumps(model, ensure_ascii=False, separators=(",", ":")) for model in models)
        (TARGET / f"{provider.id}.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")
    (TARGET / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
