"""An answer as sections of entries, each with its quotes; what its text does not support stands apart.

Any answer is taken as it is: a model may have written what no schema allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from complaint_llm.json_schema.places import json_pointer
from complaint_llm.report.quoted import PageQuote

_MOST_DEPTH = 12


class AnswerEntry(NamedTuple):
    """One thing that an answer lists: its own values in words, and its quotes."""

    pointer: str
    ref: str | None = None
    title: str = ""
    values: tuple[tuple[str, str], ...] = ()
    quotes: tuple[PageQuote, ...] = ()
    entries: tuple[AnswerEntry, ...] = ()
    findings: tuple[str, ...] = ()

    @property
    def supported(self) -> bool:
        """Whether none of its quotes is missing from the text."""
        return all(quote.state != "not_found" for quote in self.quotes)


class Section(NamedTuple):
    """Entries under a heading."""

    heading: str
    entries: tuple[AnswerEntry, ...]


class Unsupported(NamedTuple):
    """An entry that its text does not support, the heading that it was listed under, and what named it."""

    heading: str
    entry: AnswerEntry
    named_by: tuple[str, ...] = ()


class Answer(NamedTuple):
    """An answer in sections, what the text does not support apart."""

    sections: tuple[Section, ...] = ()
    unsupported: tuple[Unsupported, ...] = ()
    findings: tuple[str, ...] = ()
    """What checks found about the answer as a whole."""


class Findings:
    """What checks found, by the place that it was found at."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._found = [
            (str(each.get("pointer") or ""), str(each.get("check") or ""), str(each.get("message") or ""))
            for each in values.get("findings") or ()
        ]

    def at(self, pointer: str) -> tuple[str, ...]:
        """In words, those at a place and inside of it. That a quote is missing is told by the quote itself."""
        inside = f"{pointer}/"
        return tuple(
            f"{check}: {message}"
            for place, check, message in self._found
            if check != "quotes" and (place == pointer or place.startswith(inside))
        )

    def elsewhere(self, pointers: Sequence[str]) -> tuple[str, ...]:
        """In words, with their place, those that are in none of these places."""
        return tuple(
            f"{check}: {message}" + (f" ({place})" if place else "")
            for place, check, message in self._found
            if check != "quotes" and not any(place == each or place.startswith(f"{each}/") for each in pointers)
        )


def words_of(name: str) -> str:
    """A name of a schema or one of its choices, in plain words."""
    return name.replace("_", " ").strip()


def heading_of(name: str) -> str:
    """A name of a schema as a heading."""
    words = words_of(name)
    return words[:1].upper() + words[1:]


def any_answer(parsed: Any, quotes: Sequence[PageQuote], findings: Findings) -> Answer:
    """The sections of an answer of any shape: one for each list that it holds, one for all its single values."""
    by_pointer = {quote.pointer: quote for quote in quotes}
    if not isinstance(parsed, Mapping):
        parsed = {"answer": parsed if isinstance(parsed, list) else [parsed]}
    single: list[tuple[str, str]] = []
    sections: list[Section] = []
    unsupported: list[Unsupported] = []
    for name, value in parsed.items():
        path, heading = (name,), heading_of(str(name))
        if isinstance(value, (list, Mapping)):
            parts = value.items() if isinstance(value, Mapping) else enumerate(value)
            entries = [entry_of(part, (*path, key), by_pointer, findings) for key, part in parts]
            sections.append(Section(heading, tuple(entry for entry in entries if entry.supported)))
            unsupported += [Unsupported(heading, entry) for entry in entries if not entry.supported]
        elif json_pointer(path) in by_pointer:
            entry = entry_of(value, path, by_pointer, findings)
            if entry.supported:
                sections.append(Section(heading, (entry,)))
            else:
                unsupported.append(Unsupported(heading, entry))
        elif value not in (None, ""):
            single.append((heading, value_words(value)))
    if single:
        sections.insert(0, Section("Answer", (AnswerEntry("", values=tuple(single)),)))
    known = [entry.pointer for section in sections for entry in section.entries if entry.pointer]
    known += [each.entry.pointer for each in unsupported]
    return Answer(tuple(each for each in sections if each.entries), tuple(unsupported), findings.elsewhere(known))


def entry_of(
    value: Any, path: tuple[str | int, ...], quotes: Mapping[str, PageQuote], findings: Findings, depth: int = 0
) -> AnswerEntry:
    """An entry of any shape. What lies deeper than a page can show is left as JSON-like words."""
    pointer = json_pointer(path)
    if not isinstance(value, (Mapping, list)) or depth >= _MOST_DEPTH:
        quote = quotes.get(pointer)
        title = "" if quote else value_words(value)
        return AnswerEntry(pointer, title=title, quotes=(quote,) if quote else (), findings=findings.at(pointer))
    values: list[tuple[str, str]] = []
    own: list[PageQuote] = []
    inner: list[AnswerEntry] = []
    ref, title = None, ""
    for key, part in value.items() if isinstance(value, Mapping) else enumerate(value):
        place = json_pointer((*path, key))
        if place in quotes:
            own.append(quotes[place])
        elif key == "ref" and isinstance(part, str):
            ref = part
        elif isinstance(part, (Mapping, list)) and any(each.startswith(f"{place}/") for each in quotes):
            below = entry_of(part, path=(*path, key), quotes=quotes, findings=findings, depth=depth + 1)
            own += [] if below.supported else [quote for quote in all_quotes(below) if quote.state == "not_found"]
            inner.append(below._replace(title=below.title or heading_of(str(key))))
        elif part not in (None, "", [], {}):
            if not title and isinstance(part, str) and key in ("statement", "event", "what", "label", "name", "ask"):
                title = part
            else:
                values.append((heading_of(str(key)), value_words(part)))
    return AnswerEntry(
        pointer=pointer,
        ref=ref,
        title=title,
        values=tuple(values),
        quotes=tuple(own),
        entries=tuple(inner),
        findings=findings.at(pointer),
    )


def all_quotes(entry: AnswerEntry) -> Iterator[PageQuote]:
    """The quotes of an entry and of those inside of it."""
    yield from entry.quotes
    for below in entry.entries:
        yield from all_quotes(below)


def value_words(value: Any) -> str:
    """A value in words: lists joined, names and values of objects too."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "; ".join(
            f"{words_of(str(key))}: {value_words(part)}" for key, part in value.items() if part is not None
        )
    if isinstance(value, (list, tuple)):
        return "; ".join(value_words(part) for part in value)
    return str(value)
