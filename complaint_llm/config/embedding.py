"""Which embedding model a config declares first: the space of its vectors, whoever was left out at load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.options import ALIASES
from complaint_llm.client.embedding_space import in_declared_space, known_to_embed
from complaint_llm.config.environment import Environment, fill
from complaint_llm.exceptions import PluginError
from complaint_llm.named_tuples import NamedTuple

if TYPE_CHECKING:
    from complaint_llm.client.route import Route
    from complaint_llm.host import PluginHost


class DeclaredSpace(NamedTuple):
    """The embedding model of the backend ``id``; ``model`` is None where a variable that names it is not set."""

    id: str
    model: str | None

    def routes_of_it(self, found: Sequence[Route], left_out: Mapping[str, str]) -> Sequence[Route]:
        """Those of the routes whose vectors are of this space. Raises InvalidRequestError where nobody has it, with the
        reason why its backend was ``left_out``."""
        return in_declared_space(found, self.id, self.model, left_out)


def declared_space(
    entries: Sequence[Any], named: Sequence[str], environment: Environment, host: PluginHost
) -> DeclaredSpace | None:
    """The first embedding model among the backends of the ids ``named``, in their order, those that a composed one is
    made of in its place; None where none has one.

    ``entries`` are those of BACKENDS as they stand in the file, checked before.
    """
    filled = [fill(entry, environment).value for entry in entries if isinstance(entry, Mapping)]
    known = {str(entry.get("id")): entry for entry in filled}
    for id in named:
        for found in _spaces(id, known.get(id, {}), known, host):
            return found
    return None


def _spaces(
    id: str, entry: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], host: PluginHost
) -> Iterator[DeclaredSpace]:
    try:
        kind = host.backend_type(str(entry.get("type")))
    except PluginError:
        return
    if not kind.parts:
        space = _space(id, {**kind.presets, **_by_our_names(entry)})
        if space is not None:
            yield space
        return
    shared = {key: value for key, value in entry.items() if key not in ("id", "type", *kind.parts)}
    for key in kind.parts:
        given = entry.get(key, ())
        for part in given if isinstance(given, list) else [given]:
            if isinstance(part, str) and part in known:
                yield from _spaces(part, known[part], known, host)
            elif isinstance(part, str):
                yield from _spaces(f"{id}/{part}", {**shared, "type": part}, known, host)
            elif isinstance(part, Mapping):
                yield from _spaces(f"{id}/{part.get('type')}", {**shared, **part}, known, host)


def _space(id: str, keys: Mapping[str, Any]) -> DeclaredSpace | None:
    given = keys.get("embedding_model")
    if given is not None:
        return DeclaredSpace(id, given if isinstance(given, str) else None)
    model = keys.get("model")
    return DeclaredSpace(id, model) if isinstance(model, str) and known_to_embed(model) else None


def _by_our_names(entry: Mapping[str, Any]) -> dict[str, Any]:
    nested = entry.get("parameters")
    keys = {**entry, **nested} if isinstance(nested, Mapping) else dict(entry)
    return {ALIASES.get(key, key): value for key, value in keys.items()}
