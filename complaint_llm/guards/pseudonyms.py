"""The guard ``pseudonyms``: names and numbers leave as tokens, and come back as what they were.

It lowers what leaves; it does not make a client unknown. What it is not told of, and what has no form, is sent as
written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from complaint_llm.exceptions import ConfigError
from complaint_llm.guards.detector import Detector, DetectorFactory
from complaint_llm.guards.guard import Guard, GuardedCall, GuardRefusal, GuardRequest, Need, PieceRestorer, TargetKind
from complaint_llm.guards.json_values import JSONValues, is_json, string_value, without_unicode_escapes
from complaint_llm.guards.make_detector import make_detector
from complaint_llm.guards.matching import Matcher, union_of
from complaint_llm.guards.names import MAX_WORDS, Found, NameIndex, columns_of, count_words, entries_of, entry_of
from complaint_llm.guards.patterns import Patterns
from complaint_llm.guards.texts import map_output
from complaint_llm.guards.tokens import TokenMap, TokenPieces
from complaint_llm.messages import InferenceOutput
from complaint_llm.request import EMPTY

SOURCES = ("list", "pattern", "detector")


class Pseudonyms(Guard):
    """Replaces what lists, patterns and a detector find by tokens such as ``[NAME_1]``, and restores them.

    ``names``: the path of a list (from ``folder``), ``{"path", "columns"}``, ``{"columns": [...]}`` for the columns of
    a batch, a list of these, or "none". ``patterns``: the kinds that are looked for, all without it, and own ones
    ``{"name", "pattern"}``. ``detector``: a function from a text to DetectedSpans, or the entry of one; ``detectors``
    are those that plugins offer. Raises ConfigError: without names and detector it must be told that there are none.

    A call's map of tokens is in memory alone, and no repr shows it.
    """

    version: ClassVar[str] = "1"
    needs: ClassVar[frozenset[Need]] = frozenset(("messages", "tools", "response_format", "names"))

    def __init__(
        self,
        *,
        names: Any = None,
        patterns: Sequence[str | Mapping[str, Any]] | None = None,
        detector: Detector | str | Mapping[str, Any] | None = None,
        folder: Path | str = ".",
        detectors: Mapping[str, DetectorFactory] = EMPTY,
    ) -> None:
        if names is None and detector is None:
            raise ConfigError(
                "names: no list of names and no detector, so names would be sent as written; give the path of a list, "
                'or "names": "none" if that is meant'
            )
        entries = [] if names in (None, "none") else entries_of(names, Path(folder))
        made = make_detector(detector, detectors)
        searched = Patterns(patterns)
        self.keeps_time = made is None and not searched.has_own
        self.columns = columns_of(names)
        self._matcher = Matcher([NameIndex(entries)] if entries else [], searched, made)

    def __repr__(self) -> str:
        return "Pseudonyms()"

    def for_call(self) -> GuardedCall:
        """One call, with tokens of its own."""
        return _PseudonymsOfCall(self._matcher)


class _PseudonymsOfCall:
    """See GuardedCall."""

    def __init__(self, matcher: Matcher) -> None:
        self._of_all_calls = matcher
        self._matcher = matcher
        self._names: tuple[str, ...] = ()
        self._tokens = TokenMap()
        self._surfaces: dict[str, set[str]] = {source: set() for source in SOURCES}

    def __repr__(self) -> str:
        return "_PseudonymsOfCall()"

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        """The request with tokens. Raises GuardRefusal for names that are none, DetectorError."""
        names = tuple(dict.fromkeys(request.names))
        if names != self._names:
            entries = [entry_of(name) for name in names if any(map(str.isalnum, name))]
            if any(count_words(entry.name) > MAX_WORDS for entry in entries):
                raise GuardRefusal(f"a name that came with the request has more than {MAX_WORDS} words: is it a name?")
            self._matcher = self._of_all_calls.with_names(NameIndex(entries))
            self._names = names
        return request.map_text(self._hide, self._hide_in_json)

    def after(self, output: InferenceOutput) -> InferenceOutput:
        """The answer with the words in the place of their tokens."""
        return map_output(output, self._tokens.restore, self._restore_json)

    def pieces(self, kind: Literal["text", "json"]) -> PieceRestorer:
        """Restores one text of a stream."""
        return TokenPieces(self._tokens, kind)

    def counts(self) -> Mapping[str, int]:
        """How many names and numbers were replaced, each way of writing one once, by what found it."""
        return {source: len(tokens) for source, tokens in self._surfaces.items()}

    def _restore_json(self, text: str) -> str:
        return self._tokens.restore(text, "json")

    def _hide(self, text: str) -> str:
        if text.lstrip()[:1] in ("{", "[") and is_json(text):
            return self._hide_in_json(text)
        return self._replace(text, [(each.start, each.end, True, each) for each in self._find(text)], str)

    def _hide_in_json(self, text: str) -> str:
        """Of a text that is JSON: what is hidden is what its strings say; a number that is hidden becomes a string."""
        if not is_json(text):
            return self._replace(text, [(each.start, each.end, True, each) for each in self._find(text)], str)
        readable = without_unicode_escapes(text)
        found = self._find(readable, escaped=True)
        if not found:
            return text
        values = JSONValues(readable)
        parts = [(*part, each) for each in found for part in values.parts(each.start, each.end)]
        return self._replace(readable, parts, string_value) if parts else text

    def _find(self, text: str, *, escaped: bool = False) -> list[Found]:
        taken = [Found(start, end, "TOKEN", "pattern") for start, end in self._tokens.reserve(text)]
        found = self._matcher.find(text, escaped=escaped)
        return union_of([*found, *taken], text) if taken else found

    def _replace(self, text: str, parts: Iterable[tuple[int, int, bool, Found]], said: Callable[[str], str]) -> str:
        """The text with tokens in the place of parts, in quotes where a part is no string but a number."""
        pieces: list[str] = []
        done = 0
        for start, end, is_string, found in parts:
            surface = text[start:end]
            token = self._tokens.token(said(surface) if is_string else surface, found.label)
            self._surfaces[found.source].add(token)
            pieces += (text[done:start], token if is_string else f'"{token}"')
            done = end
        return "".join((*pieces, text[done:]))
