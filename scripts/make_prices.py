"""Make complaint_llm/data/prices/ from the maintained list genai-prices.

Run it in an environment of its own: ``pip install -e ".[prices]" && python scripts/make_prices.py``.
Each provider becomes one file, so that a backend reads only its own.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from complaint_llm import price_package

TARGET = Path(__file__).parent.parent / "complaint_llm" / "data" / "prices"


def main() -> None:
    """Write the files anew."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for old in TARGET.glob("*.json"):
        old.unlink()
    addresses = price_package.addresses()
    for provider in addresses:
        models = price_package.models(provider)
        text = ",\n".join(json.dumps(model, ensure_ascii=False, separators=(",", ":")) for model in models)
        (TARGET / f"{provider}.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")
    made = datetime.now(UTC).date().isoformat()
    index = {"source": f"genai-prices {version('genai-prices')}", "made": made, "providers": addresses}
    (TARGET / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
