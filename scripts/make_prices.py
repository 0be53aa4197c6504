"""Make complaint_llm/data/: prices, the days on which models end, and the longest answers of models.

Run it in an environment of its own, where nothing but the data of litellm is needed:
``pip install -e ".[prices]" openai anthropic && pip install --no-deps litellm && python scripts/make_prices.py``.

- ``prices/``: the maintained list genai-prices; a file for each provider, so that a backend reads only its own.
- ``retirements.json``: the official SDKs' lists of deprecated models, then litellm's ``deprecation_date``; then models
  that are gone from the anthropic SDK's list or marked in genai-prices, with the day on which that was first seen.
- ``longest_answers.json``: litellm's ``max_output_tokens``.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import distribution, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm import price_package

DATA = Path(__file__).parent.parent / "complaint_llm" / "data"
TODAY = datetime.now(UTC).date().isoformat()

LITELLM_NAMES: Mapping[str, str] = {
    "anthropic": "anthropic",
    "cerebras": "cerebras",
    "deepseek": "deepseek",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "openai": "openai",
    "perplexity": "perplexity",
    "together_ai": "together",
    "xai": "x-ai",
    "zai": "zai",
}
"""litellm's names of providers, and genai-prices' ids of them."""


class End(NamedTuple):
    """The day on which a provider stops serving a model, and who says so."""

    provider: str
    model: str
    day: str
    source: str


def main() -> None:
    """Write the files anew."""
    write_prices(DATA / "prices")
    litellm = list(litellm_models())
    source = f"litellm {version('litellm')}"
    before = json.loads((DATA / "retirements.json").read_text(encoding="utf-8"))["models"]
    days: dict[str, dict[str, dict[str, str]]] = {}
    # The first that names a model counts: a provider's own list before somebody else's.
    for end in (*openai_ends(), *anthropic_ends(), *litellm_ends(litellm, source)):
        told = {"day": end.day, "source": end.source, "as_of": TODAY}
        days.setdefault(end.provider, {}).setdefault(end.model, told)
    for end in (*anthropic_unlisted(), *marked_ends()):
        kept = before.get(end.provider, {}).get(end.model)
        told = kept or {"day": TODAY, "source": end.source, "as_of": TODAY}
        days.setdefault(end.provider, {}).setdefault(end.model, told)
    write_rows(
        DATA / "retirements.json", {"about": "Days on which providers stop serving models.", "as_of": TODAY}, days
    )
    longest: dict[str, dict[str, int]] = {}
    for provider, model, facts in litellm:
        most = facts.get("max_output_tokens")
        if facts.get("mode") in ("chat", "responses") and isinstance(most, int) and most > 0:
            longest.setdefault(provider, {})[model] = most
    about = {"about": "The most tokens that an answer of a model can have.", "source": source, "as_of": TODAY}
    write_rows(DATA / "longest_answers.json", about, longest)


def write_prices(target: Path) -> None:
    """A file for each provider of genai-prices, and an index of their addresses."""
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.json"):
        old.unlink()
    addresses = price_package.addresses()
    for provider in addresses:
        models = price_package.models(provider)
        text = ",\n".join(json.dumps(model, ensure_ascii=False, separators=(",", ":")) for model in models)
        (target / f"{provider}.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")
    index = {"source": f"genai-prices {version('genai-prices')}", "made": TODAY, "providers": addresses}
    (target / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def write_rows(path: Path, head: Mapping[str, str], models: Mapping[str, Mapping[str, Any]]) -> None:
    """A JSON file of ``head`` and ``models``, a line for each model."""
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    blocks = []
    for provider in sorted(models):
        rows = ",\n".join(f"   {json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(models[provider].items()))
        blocks.append(f"  {json.dumps(provider)}: {{\n{rows}\n  }}")
    path.write_text("\n".join(["{", *lines, ' "models": {', ",\n".join(blocks), " }", "}"]) + "\n", encoding="utf-8")


def openai_ends() -> Iterator[End]:
    """What the docstrings of the openai SDK's model lists announce."""
    source = f"openai {version('openai')}"
    shared = package("openai") / "types" / "shared"
    for name in ("chat_model", "responses_model", "all_models"):
        text = " ".join((shared / f"{name}.py").read_text(encoding="utf-8").split())
        for found in re.finditer(r'- ((?:"[^"]+",? ?)+): Announced shutdown date: (\d{4}-\d\d-\d\d)', text):
            for model in re.findall(r'"([^"]+)"', found[1]):
                yield End("openai", model, found[2], source)


def anthropic_ends() -> Iterator[End]:
    """The anthropic SDK's list of deprecated models, whose days are written as "June 30th, 2026"."""
    source = f"anthropic {version('anthropic')}"
    text = (package("anthropic") / "_data" / "deprecated_models.py").read_text(encoding="utf-8")
    (found,) = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Dict))
    for model, written in ast.literal_eval(found).items():
        plain = re.sub(r"(\d)(st|nd|rd|th)", r"\1", written)
        yield End("anthropic", model, datetime.strptime(plain, "%B %d, %Y").date().isoformat(), source)  # noqa: DTZ007


def anthropic_unlisted() -> Iterator[End]:
    """Models with a price that the anthropic SDK does not list any more."""
    text = (package("anthropic") / "types" / "model.py").read_text(encoding="utf-8")
    listed = re.findall(r'"(claude-[^"]+)"', text)
    for model in price_package.models("anthropic"):
        if not any(name.startswith(model["id"]) for name in listed):
            yield End("anthropic", model["id"], TODAY, f"anthropic {version('anthropic')}: not listed any more")


def marked_ends() -> Iterator[End]:
    """Models that genai-prices marks as deprecated, without a day."""
    source = f"genai-prices {version('genai-prices')}: deprecated, no day told"
    for provider in price_package.addresses():
        for model in price_package.models(provider):
            if model.get("retired"):
                yield End(provider, model["id"].lower(), TODAY, source)


def litellm_ends(models: list[tuple[str, str, Mapping[str, Any]]], source: str) -> Iterator[End]:
    """The days in litellm's list."""
    for provider, model, facts in models:
        day = facts.get("deprecation_date")
        if isinstance(day, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", day):
            yield End(provider, model, day, source)


def litellm_models() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Provider, model and facts of each entry of litellm's published list whose provider is one of ours."""
    listed = distribution("litellm").locate_file("litellm/model_prices_and_context_window_backup.json")
    for name, facts in json.loads(Path(str(listed)).read_text(encoding="utf-8")).items():
        theirs = facts.get("litellm_provider")
        provider = LITELLM_NAMES.get(theirs) if isinstance(theirs, str) else None
        if provider is not None and name.count("/") <= 1 + (theirs in ("together_ai", "fireworks_ai")) * 3:
            yield provider, name.removeprefix(f"{theirs}/").lower(), facts


def package(name: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{name} is not installed")
    return Path(spec.origin).parent


if __name__ == "__main__":
    main()
