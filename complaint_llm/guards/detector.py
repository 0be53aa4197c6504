"""What finds names that are on no list: a detector, which somebody else wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from complaint_llm.exceptions import ConfigError
from complaint_llm.guards.names import Found
from complaint_llm.guards.tokens import label_of


class DetectedSpan(NamedTuple):
    """A part of a text, as a slice, and what stands there: "person", "organisation", a word of the detector's own."""

    start: int
    end: int
    kind: str


Detector = Callable[[str], Sequence[DetectedSpan]]
"""Says what of a text must not leave. It is called for each text of a request, in the thread of its guard; what it
raises ends the call before anything is sent."""

DetectorFactory = Callable[..., Detector]
"""Makes a detector from the keys of its entry."""

_LABELS: Mapping[str, str] = {
    "PERSON": "NAME", "PER": "NAME", "ORGANISATION": "ORG", "ORGANIZATION": "ORG", "LOCATION": "PLACE", "LOC": "PLACE",
    "GPE": "PLACE", "EMAILADDRESS": "EMAIL", "PHONENUMBER": "PHONE", "USSSN": "SSN", "CREDITCARD": "CARD",
    "IBANCODE": "IBAN",
}  # fmt: skip


class DetectorError(Exception):
    """A detector raised, or said what cannot be. Nothing of the text is in the message."""


def find_detected(detector: Detector, text: str) -> Iterator[Found]:
    """What a detector finds in a text. Raises DetectorError."""
    try:
        spans = list(detector(text))
    except Exception as fault:
        raise DetectorError(f"the detector raised {type(fault).__name__}") from fault
    for span in spans:
        start, end, kind = _check_span(span, len(text))
        label = label_of(kind)
        yield Found(start, end, _LABELS.get(label, label), "detector")


def _check_span(span: Any, length: int) -> tuple[int, int, str]:
    try:
        start, end, kind = span
    except (TypeError, ValueError):
        raise DetectorError(f"the detector gave a {type(span).__name__}, not a DetectedSpan") from None
    if type(start) is not int or type(end) is not int or not isinstance(kind, str):
        raise DetectorError(
            "the detector gave a DetectedSpan whose start and end are no integers, or whose kind is no text"
        )
    if not 0 <= start < end <= length:
        raise DetectorError(f"the detector gave the span {start}-{end} of a text of {length:,} characters")
    return start, end, kind


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
    from complaint_llm.guards.presidio import PresidioDetector  # extra

    return PresidioDetector(**keys)
