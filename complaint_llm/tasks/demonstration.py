"""Answers to the built-in tasks by plain rules, to show without a model what an output looks like.

Nothing is understood here: a sentence with an amount, a date or one of a few words becomes a fact, a few words stand
for a claim type. Every quote is a sentence of the text, so that what is shown of quotes is real. The answers are no
measure of anything, and whatever carries them says that it is a demonstration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_SENTENCE = re.compile(r"[^\s](?:[^.!?\n]|\n(?!\s*\n)|[.!?](?=[^\s\"”’)]))*[.!?]*[\"”’)]*", re.S)
_AMOUNT = re.compile(r"(?<![\w.,])([$€£])\s?(\d[\d,]*(?:\.\d{1,2})?)(?![\d.,]*\d)")
_MONTHS = (
    [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
)
_MONTH = {name: number for names in _MONTHS for number, name in enumerate(names, 1)}
_DATE = re.compile(
    rf"\b(?:(?P<month>{'|'.join(_MONTHS[0])})(?:\s+(?P<day>\d{{1,2}})(?!\d))?(?:,?\s+(?P<year>\d{{4}}))?"
    rf"|(?P<dia>\d{{1,2}})\s+de\s+(?P<mes>{'|'.join(_MONTHS[1])})(?:\s+(?:de|del)\s+(?P<ano>\d{{4}}))?)\b"
)
_OTHER_SIDE = re.compile(
    r"\b(?:(?:Mr|Ms|Mrs|Dr)\.\s+[A-Z][\w'’-]+|(?:[A-Z][\w'’&-]+\s+)+(?:LLC|Inc|Motors|Diner|Services|Properties|"
    r"Management|Financial|Recovery|Holdings|Roofing|Housing|Foods|Logistics|Bank))\b"
)
_TYPES: Sequence[tuple[str, str]] = (
    ("wages_unpaid", r"overtime|unpaid|wages|owes? (?:me|him|her)|clock out|horas extra|salario|no me pag"),
    ("wages_deductions_tips", r"\btips?\b|taken out of (?:my|his|her) pay|deduct"),
    ("worker_status", r"independent contractor|1099"),
    (
        "work_retaliation",
        r"took me off the schedule|after (?:I|she|he) complained|fired|retaliat|wrote (?:me|him|her) up",
    ),
    ("work_discrimination", r"accent|pregnan|how I pronounce|because of (?:my|her|his) (?:age|race|religion)"),
    ("work_accommodation_leave", r"light duty|unpaid leave|accommodation|restrictions"),
    ("work_injury_safety", r"\bOSHA\b|safety|lockout tag|guard was"),
    ("eviction_lockout", r"evict|changed the locks?|notice to (?:leave|quit|vacate)|lockout"),
    ("home_conditions", r"no heat|mou?ld|\bleak|cockroach|boiler"),
    ("deposit_rent_fees", r"deposit|rent increase|lot rent|late fee"),
    ("housing_discrimination", r"no children|adults only|two daughters|families with"),
    ("mortgage_foreclosure", r"foreclos|servicer|escrow|modification"),
    ("sale_misstatement", r"transmission|as is|told me it (?:was|had)|odometer"),
    ("debt_collection", r"collector|collection agency|calls? (?:me )?at work|validation"),
    ("credit_report_identity", r"never had an account|identity|credit report|stolen"),
    ("billing_subscription", r"subscription|cancel(?:led)? in writing|charged (?:me )?(?:again|every)"),
    ("home_repair_contractor", r"\broof|shingle|contractor"),
    ("insurance", r"policy|seguro|póliza|coverage"),
    ("benefits_denied_cut", r"food assistance|benefits? (?:stopped|ended|were cut)|\bSNAP\b"),
    ("benefits_overpayment", r"overpa(?:id|yment)"),
    ("care_medical_cover", r"home care|hours of care|aide"),
)
_WORTH_A_FACT = re.compile("|".join(words for _, words in _TYPES), re.I)
_MOST_FACTS = 12
_NOTHING_TO_READ = "unreadable_or_empty"
"""Rules read no images: of a scan without a text they say that, and not that nothing happened to anybody."""


class DemonstrationError(ValueError):
    """The rules know nothing of such a task."""


class Sentence(NamedTuple):
    """A sentence, as it stands in the text."""

    text: str

    @property
    def tells(self) -> bool:
        """Whether it has what the rules look for."""
        return bool(_AMOUNT.search(self.text) or _DATE.search(self.text) or _WORTH_A_FACT.search(self.text))


def demonstrate(schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    """An answer about ``text`` that fits ``schema``, which is that of a built-in task or of one that extends it.

    Raises DemonstrationError for any other.
    """
    wanted = frozenset(schema.get("properties", {}))
    for properties, answer in _ANSWERS:
        if properties <= wanted:
            made: dict[str, Any] = answer(text, schema)
            return made
    raise DemonstrationError("the demonstration's rules know claims, summary, chronology and what extends them")


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text, in their order, each a slice of it."""
    return [Sentence(found[0]) for found in _SENTENCE.finditer(text) if len(found[0].split()) >= 4]


def _claims(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    said = [each.text for each in sentences(text) if each.tells][:_MOST_FACTS]
    found_facts = [
        {"ref": f"F{number}", "statement": f"The text says: {one_line(each)}", "known_from": "unclear", "quote": each}
        for number, each in enumerate(said, 1)
    ]
    people = _people(text)
    against = [each["ref"] for each in people if each["role"] == "other_side"][:1]
    known = _choices(schema)
    claims = []
    for kind, words in _TYPES:
        resting = [f"F{number}" for number, each in enumerate(said, 1) if re.search(words, each, re.I)]
        if resting and kind in known and people:
            claims.append(
                {
                    "type": kind,
                    "label": kind.replace("_", " "),
                    "claimants": [people[0]["ref"]],
                    "respondents": against,
                    "facts_for": resting,
                    "facts_against": [],
                    "support": "a_hint_only",
                }
            )
    return {
        "languages": [_language(text)],
        "people": people,
        "facts": found_facts,
        "claims": claims,
        "amounts": [
            {
                "value": found[2],
                "currency": found[1],
                "per": None,
                "qualifier": None,
                "what": "an amount that the text names",
                "state": "unclear",
                "quote": each,
            }
            for each in said
            for found in _AMOUNT.finditer(each)
        ],
        "dates": [
            {**date, "event": "a date that the text names", "quote": each} for each in said for date in _dates(each)
        ],
        "stated_deadlines": [],
        "time_limit_triggers": [],
        "documents": [],
        "urgent": [],
        "missing": [{"ask": "What happened first, and on which day?", "settles": "The order of events."}],
        "instructions_in_text": [],
        "no_claims_because": None if claims else "no_grievance_described" if text.strip() else _NOTHING_TO_READ,
    }


def _summary(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    said = [each.text for each in sentences(text) if each.tells][:_MOST_FACTS]
    return {
        "points": [{"statement": f"The text says: {one_line(each)}", "quote": each} for each in said],
        "wants": [],
        "instructions_in_text": [],
        "nothing_because": None if said else "not_an_intake" if text.strip() else _NOTHING_TO_READ,
    }


def _chronology(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    events = [
        {
            "event": f"The text says: {one_line(each.text)}",
            **date,
            "when_as_written": found,
            "known_from": "unclear",
            "quote": each.text,
        }
        for each in sentences(text)
        for date, found in zip(_dates(each.text), (m[0] for m in _DATE.finditer(each.text)), strict=True)
    ]
    return {
        "events": events,
        "instructions_in_text": [],
        "nothing_because": None if events else "no_events_told" if text.strip() else _NOTHING_TO_READ,
    }


_ANSWERS = (
    (frozenset(("claims", "facts", "people")), _claims),
    (frozenset(("points", "wants")), _summary),
    (frozenset(("events",)), _chronology),
)


def one_line(text: str) -> str:
    """The text without line breaks."""
    return " ".join(text.split())


def _dates(sentence: str) -> Iterator[dict[str, int | None]]:
    for found in _DATE.finditer(sentence):
        month, day, year = (found["month"] or found["mes"], found["day"] or found["dia"], found["year"] or found["ano"])
        yield {"year": int(year) if year else None, "month": _MONTH[month], "day": int(day) if day else None}


def _people(text: str) -> list[dict[str, Any]]:
    first = next(iter(sentences(text)), None)
    if first is None:
        return []
    people = [_person("P1", name=None, kind="person", role="client", quote=first.text)]
    seen: set[str] = set()
    for each in sentences(text):
        for found in _OTHER_SIDE.finditer(each.text):
            name = one_line(found[0])
            if name not in seen and len(seen) < 4:
                seen.add(name)
                kind = "person" if "." in name[:4] else "business"
                people.append(_person(f"P{len(people) + 1}", name=name, kind=kind, role="other_side", quote=each.text))
    return people


def _person(ref: str, name: str | None, kind: str, role: str, quote: str) -> dict[str, Any]:
    return {"ref": ref, "name": name, "kind": kind, "role": role, "minor": None, "quote": quote}


def _choices(schema: Mapping[str, Any]) -> frozenset[str]:
    claim = schema.get("$defs", {}).get("claim", {})
    return frozenset(claim.get("properties", {}).get("type", {}).get("enum", ()))


def _language(text: str) -> str:
    words = set(re.findall(r"\w+", text.lower()))
    return "es" if len(words & {"que", "de", "la", "el", "los", "una", "por", "con"}) >= 6 else "en"
