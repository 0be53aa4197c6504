"""That ``evidence=`` shows its content to the model, where it once only recorded it: whom to tell, in which words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

EVIDENCE_IS_SHOWN = (
    "evidence= shows the content to the model, where it only recorded the CID before: cite= records alone. "
    'EVIDENCE "show" ("local" or "any") says to which models; once it is set, this is not said'
)


def may_be_old_calls(provenance: object, evidence: object) -> bool:
    """Whether calls with ``evidence=`` may be of when it only recorded: provenance is on, as it had to be then, and the
    settings of section EVIDENCE do not choose where evidence is shown."""
    return bool(provenance) and not (isinstance(evidence, Mapping) and "show" in evidence)


class OneWarning:
    """Says its words when it is first called, and nothing afterwards. Any thread may call it."""

    def __init__(self, say: Callable[..., Any], words: str) -> None:
        self._say = say
        self._left = [words]

    def __call__(self) -> None:
        try:
            words = self._left.pop()
        except IndexError:
            return
        self._say("%s", words)
