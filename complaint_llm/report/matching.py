"""When two readings of one text say the same: names, values, dates and claims, by the rules in docs/report.md."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

from complaint_llm.report.answer import Findings, value_words
from complaint_llm.report.claims import claims_of
from complaint_llm.report.quoted import page_quotes

_TITLES = frozenset(("mr", "mrs", "ms", "miss", "mx", "dr", "sr", "sra", "senor", "senora", "don", "dona", "the"))
_WORD = re.compile(r"\w+")
_THOUSANDS = re.compile(r",(?=\d{3}(?!\d))")


class ClaimParties(NamedTuple):
    """A claim as comparisons see it: its type, and the words of the names of each side."""

    type: str
    claimants: frozenset[frozenset[str]]
    respondents: frozenset[frozenset[str]]

    def words(self) -> str:
        """In words: "wages unpaid: delphine okoro against harrow street diner"."""
        sides = ["; ".join(sorted(" ".join(sorted(name)) for name in side)) for side in self[1:]]
        return f"{self.type.replace('_', ' ')}: {sides[0] or 'not said'} against {sides[1] or 'not said'}"


def name_words(name: str) -> frozenset[str]:
    """The words of a name without case, accents, punctuation and forms of address."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(each))
    words = frozenset(_WORD.findall(plain.replace("đ", "d")))
    return words - _TITLES or words


def same_name(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether all words of one name are among the other's: "Mr. Tassler" is "Ed Tassler"."""
    return bool(one and other) and (one <= other or other <= one)


def amount_value(value: Any) -> str:
    """An amount's value without currency signs, blanks and thousands commas."""
    text = re.sub(r"[^\w.,-]", "", value_words(value)).strip(".,").casefold()
    return _THOUSANDS.sub("", text)


def date_parts(date: Mapping[str, Any]) -> tuple[str, str, str]:
    """Year, month and day as written, empty where one is not."""
    year, month, day = (value_words(date.get(part)) for part in ("year", "month", "day"))
    return year, month, day


def claims_in(values: Mapping[str, Any]) -> list[ClaimParties]:
    """The claims of a line of OUT that rest on something that stands in the text."""
    parsed = values.get("parsed")
    if not isinstance(parsed, Mapping):
        return []
    people = parsed.get("people")
    names: dict[str, frozenset[str]] = {}
    for person in people if isinstance(people, list) else ():
        if isinstance(person, Mapping) and isinstance(person.get("ref"), str):
            names[person["ref"]] = name_words(value_words(person.get("name")) or value_words(person.get("quote")))
    found = claims_of(parsed, page_quotes(values), Findings({})).claims
    given = parsed.get("claims")
    claims = []
    for claim in found:
        said = given[int(claim.pointer.rpartition("/")[2])] if isinstance(given, list) else {}
        sides = (
            frozenset(names.get(ref, name_words(ref)) for ref in refs if isinstance(ref, str))
            for refs in (_as_list(said.get("claimants")), _as_list(said.get("respondents")))
        )
        claims.append(ClaimParties(claim.type, *sides))
    return claims


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def entries_in(values: Mapping[str, Any], name: str) -> list[tuple[int, Mapping[str, Any]]]:
    """The objects of a list of the answer, with their places in it."""
    parsed = values.get("parsed")
    listed = _as_list(parsed.get(name)) if isinstance(parsed, Mapping) else []
    return [(number, each) for number, each in enumerate(listed) if isinstance(each, Mapping)]
