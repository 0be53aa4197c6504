"""The answer of the task ``claims``: claims with the facts that they name, then all else that the text states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from complaint_llm.report.answer import (
    Answer,
    AnswerEntry,
    Findings,
    Section,
    Unsupported,
    entry_of,
    value_words,
    words_of,
)
from complaint_llm.report.quoted import PageQuote

_SECTIONS = (
    ("urgent", "May be urgent"),
    ("stated_deadlines", "Deadlines that the text states"),
    ("time_limit_triggers", "Events after which time limits commonly run"),
    ("amounts", "Amounts, as written"),
    ("dates", "Dates, as written"),
    ("people", "People and bodies"),
    ("documents", "Documents"),
    ("instructions_in_text", "The text speaks to a machine: put aside, not followed"),
)
_MOST_NAME = 60
"""Characters of a quote that stands for somebody without a name."""
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


class Claim(NamedTuple):
    """A possible claim: a heading for sorting, and the entries that it names."""

    pointer: str
    type: str
    label: str
    support: str
    claimants: tuple[str, ...]
    respondents: tuple[str, ...]
    facts_for: tuple[AnswerEntry, ...]
    facts_against: tuple[AnswerEntry, ...]
    lost: tuple[str, ...]
    """Facts that it names and that do not stand in the text, or are not there, by number."""
    findings: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """Its type in words."""
        return words_of(self.type)


class Claims(NamedTuple):
    """An answer of the task, what the text does not support apart."""

    claims: tuple[Claim, ...]
    other_facts: tuple[AnswerEntry, ...]
    """Facts that no claim names."""
    questions: tuple[tuple[str, str], ...]
    no_claims_because: str
    languages: str
    rest: Answer


def is_claims(parsed: Any) -> bool:
    """Whether an answer has this shape, be the task's name what it may."""
    return isinstance(parsed, Mapping) and all(isinstance(parsed.get(name), list) for name in ("claims", "facts"))


def claims_of(parsed: Mapping[str, Any], quotes: Sequence[PageQuote], findings: Findings) -> Claims:
    """The answer in sections. Raises nothing: what has another shape than the task's is left out or shown as it is."""
    reader = _ClaimsReader(parsed, quotes, findings)
    facts_by_ref, people = reader.entries("facts"), reader.entries("people")
    by_ref = {entry.ref: entry for entry in facts_by_ref if entry.ref}
    names = {entry.ref: _name(entry) for entry in people if entry.ref}
    found = [reader.claim(number, claim, by_ref, names) for number, claim in reader.objects_in("claims")]
    kept = [claim for claim in found if any(entry.supported for entry in claim.facts_for)]
    named = {entry.pointer for claim in kept for entry in (*claim.facts_for, *claim.facts_against)}
    unsupported = [
        Unsupported("Claim", AnswerEntry(claim.pointer, title=claim.label or claim.heading, values=_parties(claim)))
        for claim in found
        if claim not in kept
    ]
    for entry in facts_by_ref:
        if not entry.supported:
            naming = tuple(
                claim.label or claim.heading for claim in found if entry.ref is not None and entry.ref in claim.lost
            )
            unsupported.append(Unsupported("Fact", entry, naming))
    sections = []
    for name, heading in _SECTIONS:
        entries = reader.entries(name)
        if name == "time_limit_triggers":
            entries = [_trigger(entry, by_ref) for entry in entries]
        sections.append(Section(heading, tuple(entry for entry in entries if entry.supported)))
        unsupported += [Unsupported(heading, entry) for entry in entries if not entry.supported]
    places = [entry.pointer for section in sections for entry in section.entries]
    places += [entry.pointer for entry in facts_by_ref] + [claim.pointer for claim in found]
    places += [each.entry.pointer for each in unsupported]
    return Claims(
        claims=tuple(kept),
        other_facts=tuple(entry for entry in facts_by_ref if entry.supported and entry.pointer not in named),
        questions=tuple(
            (value_words(each.get("ask")), value_words(each.get("settles"))) for _, each in reader.objects_in("missing")
        ),
        no_claims_because=words_of(value_words(parsed.get("no_claims_because"))),
        languages=value_words(parsed.get("languages")),
        rest=Answer(tuple(each for each in sections if each.entries), tuple(unsupported), findings.elsewhere(places)),
    )


class _ClaimsReader:
    def __init__(self, parsed: Mapping[str, Any], quotes: Sequence[PageQuote], findings: Findings) -> None:
        self._parsed = parsed
        self._quotes = {quote.pointer: quote for quote in quotes}
        self._findings = findings

    def objects_in(self, name: str) -> list[tuple[int, Mapping[str, Any]]]:
        value = self._parsed.get(name)
        if not isinstance(value, list):
            return []
        return [(number, each) for number, each in enumerate(value) if isinstance(each, Mapping)]

    def entries(self, name: str) -> list[AnswerEntry]:
        value = self._parsed.get(name)
        if not isinstance(value, list):
            return []
        return [
            _in_words(name, each, entry_of(each, (name, number), self._quotes, self._findings))
            for number, each in enumerate(value)
        ]

    def claim(
        self, number: int, claim: Mapping[str, Any], facts_by_ref: Mapping[str, AnswerEntry], names: Mapping[str, str]
    ) -> Claim:
        pointer = f"/claims/{number}"
        refs = {name: _refs(claim.get(name)) for name in ("claimants", "respondents", "facts_for", "facts_against")}
        entries = {
            name: tuple(facts_by_ref[ref] for ref in refs[name] if ref in facts_by_ref and facts_by_ref[ref].supported)
            for name in ("facts_for", "facts_against")
        }
        lost = [
            ref for name in entries for ref in refs[name] if ref not in facts_by_ref or not facts_by_ref[ref].supported
        ]
        return Claim(
            pointer=pointer,
            type=value_words(claim.get("type")),
            label=value_words(claim.get("label")),
            support=words_of(value_words(claim.get("support"))),
            claimants=tuple(names.get(ref, ref) for ref in refs["claimants"]),
            respondents=tuple(names.get(ref, ref) for ref in refs["respondents"]),
            facts_for=entries["facts_for"],
            facts_against=entries["facts_against"],
            lost=tuple(dict.fromkeys(lost)),
            findings=self._findings.at(pointer),
        )


def _refs(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _name(entry: AnswerEntry) -> str:
    quoted = next((quote.text for quote in entry.quotes), "")
    if len(quoted) > _MOST_NAME:
        quoted = f"{quoted[:_MOST_NAME].rsplit(' ', 1)[0]} ..."
    known = entry.title or (f"\u201c{quoted}\u201d" if quoted else entry.ref or "")
    return known if entry.supported else f"{known} (not supported by the text)"


def _parties(claim: Claim) -> tuple[tuple[str, str], ...]:
    values = (
        ("Type", claim.heading),
        ("Of", "; ".join(claim.claimants)),
        ("Against", "; ".join(claim.respondents)),
        ("Rests on", "; ".join(claim.lost) or "no fact"),
    )
    return tuple((name, value) for name, value in values if value)


def _trigger(entry: AnswerEntry, facts_by_ref: Mapping[str, AnswerEntry]) -> AnswerEntry:
    values = dict(entry.values)
    fact = facts_by_ref.get(values.get("Fact", ""))
    if fact is None or not fact.supported:
        return entry
    return entry._replace(quotes=fact.quotes, values=tuple((k, v) for k, v in entry.values if k != "Fact"))


def _in_words(name: str, given: Any, entry: AnswerEntry) -> AnswerEntry:
    """The entry with its values put together as people write them."""
    if not isinstance(given, Mapping):
        return entry
    if name == "amounts":
        words = [value_words(given.get(key)) for key in ("qualifier", "currency", "value")]
        amount = " ".join(word for word in words if word)
        per = value_words(given.get("per"))
        title = " ".join(filter(None, (amount.replace("$ ", "$"), f"per {per}" if per else "")))
        return entry._replace(title=title, values=_values(given, "what", "state"))
    if name == "dates":
        return entry._replace(title=date_words(given), values=_values(given, "event"))
    if name == "people":
        kind = ", ".join(words_of(value_words(given.get(key))) for key in ("role", "kind") if given.get(key))
        minor = ", a minor" if given.get("minor") is True else ""
        return entry._replace(title=value_words(given.get("name")), values=(("", kind + minor),))
    if name == "facts":
        return entry._replace(values=_values(given, "known_from"))
    if name == "documents":
        risk = " - may be erased or withheld" if given.get("at_risk") is True else ""
        return entry._replace(values=(("Held by", words_of(value_words(given.get("held_by"))) + risk),))
    if name == "stated_deadlines":
        return entry._replace(
            title=value_words(given.get("what")), values=_values(given, "limit_as_written", "said_by")
        )
    if name == "urgent":
        return entry._replace(title=words_of(value_words(given.get("kind"))), values=())
    if name == "time_limit_triggers":
        values = (
            ("Fact", value_words(given.get("fact"))),
            ("Date known", words_of(value_words(given.get("date_known")))),
        )
        return entry._replace(title=words_of(value_words(given.get("event"))), values=values)
    return entry


def _values(given: Mapping[str, Any], *names: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        ("" if name in ("what", "event") else words_of(name).capitalize(), words_of(value_words(given[name])))
        for name in names
        if given.get(name) not in (None, "", "unclear")
    )


def date_words(given: Mapping[str, Any]) -> str:
    """A date as far as it is written: "May 6, 2026", "March", "2025"; what no calendar has is shown as it is."""
    year, month, day = (value_words(given.get(part)) for part in ("year", "month", "day"))
    if month.isdigit() and 1 <= int(month) <= 12:
        month = _MONTHS[int(month) - 1]
    return ", ".join(filter(None, (" ".join(filter(None, (month, day))), year))) or "no date"
