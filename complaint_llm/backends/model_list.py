"""The list of models that a service offers: its pages, read whatever the wire, and a name looked up in it.

What services say beside a name differs: OpenAI's wire has ``data`` with an ``id``, Gemini ``models`` with a ``name``,
Ollama ``models``, Together a list alone. Context windows and prices are read where they are told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple
from urllib.parse import quote

from complaint_llm.messages import ModelInfo

MOST_PAGES = 50
MOST_MODELS = 20_000
LONGEST_NAME = 300
MOST_NAMED = 5
"""Names that a line tells of a list."""

_CONTEXT = (
    "context_length",
    "context_window",
    "max_context_length",
    "max_model_len",
    "max_input_tokens",
    "inputTokenLimit",
)
_LONGEST = ("max_completion_tokens", "max_output_tokens", "outputTokenLimit")
_ENDS = ("deprecation", "expiration_date", "retirement_date")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_DATED = re.compile(r"-(\d{8}|\d{4}-\d\d-\d\d|latest)\Z")


class ListedModel(NamedTuple):
    """A model as the service's list has it; prices are US dollars per million tokens; None is untold."""

    name: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    retires: str | None = None

    def over(self, known: ModelInfo) -> ModelInfo:
        """What is known of the model, with what the service itself says in its place."""
        said = {key: value for key, value in self._asdict().items() if value is not None}
        return known._replace(**said)


class ModelPage(NamedTuple):
    """One page of a list; ``next`` is the query that asks for the one after it, None at the end."""

    models: Sequence[ListedModel]
    next: str | None


def read_page(payload: Any) -> ModelPage | None:
    """The models in an answer; None if it holds no list of models."""
    found: Any = payload
    if isinstance(payload, Mapping):
        found = next((payload[key] for key in ("data", "models") if isinstance(payload.get(key), list)), None)
    if not isinstance(found, list):
        return None
    models = [model for each in found if (model := _read_model(each)) is not None]
    return ModelPage(models, _next(payload) if isinstance(payload, Mapping) else None)


def read_pages(ask: Callable[[str | None], Any]) -> tuple[ListedModel, ...] | None:
    """The models of all pages, each once; ``ask`` gets the query of a page. None if the first holds no list."""
    models: dict[str, ListedModel] = {}
    query: str | None = None
    for _ in range(MOST_PAGES):
        page = read_page(ask(query))
        if page is None:
            return tuple(models.values()) or None
        before = len(models)
        models.update({model.name: model for model in page.models})
        query = page.next
        if query is None or len(models) == before or len(models) > MOST_MODELS:
            break
    return tuple(models.values())


def is_listed(model: str, names: Sequence[str]) -> bool:
    """Whether a model of this name is among those listed: itself, the dated one that it stands for (``-20260101``), or
    the one that it is a variant of (``name:free``, ``name:latest``)."""
    wanted = model.removeprefix("models/")
    known = set(names)
    base = _DATED.sub("", wanted)
    return (
        wanted in known
        or f"{wanted}:latest" in known
        or wanted.rpartition(":")[0] in known
        or any(_DATED.sub("", name) == base and _DATED.search(name) for name in known if name.startswith(base))
    )


def near_names(model: str, names: Sequence[str]) -> Sequence[str]:
    """The names that may have been meant, the nearest first; some of the list where none is near."""
    lowered = {name.lower(): name for name in names}
    near = [lowered[each] for each in get_close_matches(model.lower(), lowered, MOST_NAMED, 0.5)]
    return near or sorted(names)[:MOST_NAMED]


def missing_text(model: str, names: Sequence[str], backend: str) -> str:
    """What to say of a model that is not in a service's list."""
    shown = near_names(model, names)
    more = "" if len(shown) == len(names) else f" (all {len(names)}: complaint-llm models {backend})"
    return f"the model {model!r} is not in the server's list; there: {', '.join(shown)}{more}"


def _read_model(said: Any) -> ListedModel | None:
    if isinstance(said, str):
        return ListedModel(said) if 0 < len(said) <= LONGEST_NAME else None
    if not isinstance(said, Mapping):
        return None
    name = next((said[key] for key in ("id", "name", "model") if isinstance(said.get(key), str)), "")
    name = name.removeprefix("models/")
    if not 0 < len(name) <= LONGEST_NAME:
        return None
    places = (said, *(said[key] for key in ("top_provider", "meta") if isinstance(said.get(key), Mapping)))
    input_price, output_price = _prices(said.get("pricing"))
    return ListedModel(
        name,
        context_window=next(_counts(places, (*_CONTEXT, "n_ctx_train")), None),
        max_output_tokens=next(_counts(places, _LONGEST), None),
        input_price=input_price,
        output_price=output_price,
        retires=next((day[0] for key in _ENDS if (day := _DAY.match(str(said.get(key))))), None),
    )


def _counts(places: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> Iterator[int]:
    for place in places:
        for key in keys:
            value = place.get(key)
            if type(value) is int and value > 0:
                yield value


def _prices(said: Any) -> tuple[float | None, float | None]:
    """OpenRouter tells texts, dollars a token (``prompt``, ``completion``; -1 where it depends); Together numbers,
    dollars a million tokens (``input``, ``output``)."""
    if not isinstance(said, Mapping):
        return None, None
    if "prompt" in said:
        return _price(said.get("prompt"), 1e6), _price(said.get("completion"), 1e6)
    return _price(said.get("input"), 1.0), _price(said.get("output"), 1.0)


def _price(said: Any, times: float) -> float | None:
    if isinstance(said, bool):
        return None
    try:
        price = float(said) * times
    except (TypeError, ValueError):
        return None
    return round(price, 9) if 0 <= price < 1e6 else None


def _next(payload: Mapping[str, Any]) -> str | None:
    """Anthropic's ``has_more`` with ``last_id``, Gemini's ``nextPageToken``."""
    token, last = payload.get("nextPageToken"), payload.get("last_id")
    if isinstance(token, str) and token:
        return f"pageToken={quote(token, safe='')}"
    return f"after_id={quote(last, safe='')}" if payload.get("has_more") is True and isinstance(last, str) else None
