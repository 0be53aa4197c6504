"""From what an entry says of its detector to the detector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from complaint_llm.exceptions import ConfigError
from complaint_llm.guards.detector import Detector, DetectorFactory
from complaint_llm.guards.presidio import PresidioDetector


def make_detector(given: Any, factories: Mapping[str, DetectorFactory]) -> Detector | None:
    """The detector that the key ``detector`` asks for. Raises ConfigError."""
    if given is None:
        return None
    if callable(given):
        return cast("Detector", given)
    entry = {"type": given} if isinstance(given, str) else given
    if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
        raise ConfigError('detector: give the name of one, or {"type": name, ...} with its keys')
    kind = entry["type"]
    known = {"presidio": _presidio, **factories}
    if kind not in known:
        raise ConfigError(f"detector: there is none called {kind!r:.40}; there are {', '.join(sorted(known))}")
    try:
        made: Any = known[kind](**{key: value for key, value in entry.items() if key != "type"})
    except TypeError as fault:
        raise ConfigError(f"detector {kind!r}: {fault}") from fault
    if not callable(made):
        raise ConfigError(f"detector {kind!r}: its plugin makes a {type(made).__name__}, which cannot be called")
    return cast("Detector", made)


def _presidio(**keys: Any) -> Detector:
    return PresidioDetector(**keys)
