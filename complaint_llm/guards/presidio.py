"""Presidio as a detector: the extra ``[presidio]``, and a model of spaCy that is installed beside it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from complaint_llm.exceptions import ConfigError
from complaint_llm.guards.detector import DetectedSpan

DEFAULT_ENTITIES = ("PERSON", "LOCATION", "ORGANIZATION")


class PresidioDetector:
    """Finds what Presidio's analyzer finds, in this process; any thread may call it.

    The analyzer is made at the first text, which takes seconds: call ``load()`` before, or give the guard a ``timeout``
    that allows it. ``entities`` are Presidio's, ``threshold`` is the least score (0 to 1) that counts. ``analyzer`` is
    an ``AnalyzerEngine`` to be used in place of the default one.
    """

    def __init__(
        self,
        language: str = "en",
        entities: Sequence[str] = DEFAULT_ENTITIES,
        threshold: float = 0.4,
        analyzer: Any = None,
    ) -> None:
        if analyzer is None and find_spec("presidio_analyzer") is None:
            raise ConfigError("detector 'presidio' needs presidio-analyzer: pip install 'complaint-llm[presidio]'")
        self._language = language
        self._entities = list(entities)
        self._threshold = threshold
        self._analyzer = analyzer
        self._lock = threading.Lock()

    def load(self) -> None:
        """Make the analyzer now."""
        with self._lock:
            if self._analyzer is None:
                from presidio_analyzer import AnalyzerEngine  # extra

                self._analyzer = AnalyzerEngine()

    def __call__(self, text: str) -> Sequence[DetectedSpan]:
        if self._analyzer is None:
            self.load()
        found = self._analyzer.analyze(
            text=text, language=self._language, entities=self._entities, score_threshold=self._threshold
        )
        return [DetectedSpan(each.start, each.end, each.entity_type) for each in found]
