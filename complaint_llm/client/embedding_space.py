"""One embedding space: vectors of different models cannot be compared, so a call stays with one model."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.routing.target_list import TargetList
from complaint_llm.routing.turns import TargetOrder, target_list_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from complaint_llm.request import EmbeddingRequest
    from complaint_llm.routing.target import Target

E = TypeVar("E", bound="Target")

_DATA = Path(__file__).parents[1] / "data" / "embedding_models.json"


def known_to_embed(model: str) -> bool:
    """Whether a model of this name makes vectors. The publisher before the name (``BAAI/``) and a tag after it
    (``:latest``) say nothing; ``data/embedding_models.json`` has the names with their sources."""
    name = model.lower().rpartition("/")[2].partition(":")[0]
    return name.startswith(_prefixes())


def in_one_space(found: Sequence[E], declared: Sequence[E], request: EmbeddingRequest) -> Sequence[E]:
    """Those of ``found`` (in the order to try them) whose vectors are of one space.

    The space is the model that the call names, else that of the first of ``declared`` (in the order of the config) with
    an embedding model. Where none has one, only the first that can embed at all is asked.
    """
    model = request.model or first_embedding_model(declared)
    if model is not None:
        named = _some(found, ("embedding model", model), lambda each: each.embedding_model == model)
        # A model that the call names and nobody is set to: each is asked for that very model.
        return named or found
    first = next((each.id for each in declared if each.lacks(request) is None), None)
    return [each for each in found if each.id == first] or found


def in_declared_space(
    found: Sequence[E], id: str, model: str | None, left_out: Mapping[str, str]
) -> Sequence[E]:
    """Those of ``found`` whose vectors are of the space that the backend ``id`` is declared to have.

    Raises InvalidRequestError where nobody has it, with the reason why that backend was ``left_out``.
    """
    key = ("embedding space", id, model)
    same = _some(found, key, lambda each: each.embedding_model == model or each.id == id)
    if same:
        return same
    raise InvalidRequestError(
        f"its embedding model {model or ''} is nobody else's, and it was left out: {left_out.get(id, 'unknown')}; "
        "backend= or model= choose another",
        backend=id,
        sent=False,
    )


def first_embedding_model(declared: Sequence[Target]) -> str | None:
    """The embedding model of the first that has one."""
    if isinstance(declared, TargetList):
        declared = declared.some("embedding model", lambda each: each.embedding_model is not None)
    models = (each.embedding_model for each in declared)
    return next((model for model in models if model is not None), None)


def _some(found: Sequence[E], key: Hashable, wanted: Callable[[E], bool]) -> Sequence[E]:
    """Those of an order that are ``wanted``; empty where none is."""
    target_list = target_list_of(found)
    if target_list is None:
        return [each for each in found if wanted(each)]
    some = target_list.some(key, wanted)
    if found is target_list or len(some) < 2:
        return some
    if len(some) == len(target_list):
        return found
    return TargetOrder((each for each in found if id(each) in some.places), len(some), some)


@lru_cache(maxsize=1)
def _prefixes() -> tuple[str, ...]:
    return tuple(json.loads(_DATA.read_text(encoding="utf-8"))["prefixes"])
