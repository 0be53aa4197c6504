"""What finds names that are on no list: a detector, which somebody else wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

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
