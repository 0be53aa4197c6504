"""Reads what stands beside an answer: token counts of any provider. Nothing odd in it is an error.

An answer was paid for, so a usage of a wrong shape must not cost it: what cannot be read is unknown, and with it the
price.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.messages import TokenUsage
from complaint_llm.model_info import INCOMPLETE
from complaint_llm.request import EMPTY

MOST_TOKENS = 2**53 - 1
"""The greatest count that JSON carries unharmed through every program (RFC 8259, 6)."""

STANDARD_TIERS: frozenset[str] = frozenset(("default", "standard", "standard_only", "on_demand", "auto", "unspecified"))
"""Names that services give to being served at the usual price, or that say nothing."""

UNREADABLE = "a usage that cannot be read"


class UsageReader:
    """Reads the counts of one usage object, and remembers in ``odd`` whether one was no count.

    A key that is missing or null is not told, which is not odd; nor is an empty array in an object's place (PHP's).
    """

    __slots__ = ("_fields", "odd")

    def __init__(self, given: Any) -> None:
        self._fields: Mapping[str, Any] = given if type(given) is dict else EMPTY
        self.odd = self._fields is EMPTY and given is not None and given != []

    def __bool__(self) -> bool:
        """Whether anything was told at all."""
        return bool(self._fields) or self.odd

    def fields(self, key: str) -> Mapping[str, Any]:
        """The object under a key; an empty one where there is none."""
        found = self._fields.get(key)
        if type(found) is dict:
            return found
        if found is not None and found != []:
            self.odd = True
        return EMPTY

    def parts(self, key: str) -> Mapping[str, Any]:
        """The same, of what no price depends on: what is none is not odd."""
        found = self._fields.get(key)
        return found if type(found) is dict else EMPTY

    def count(self, *keys: str, of: Mapping[str, Any] | None = None) -> int | None:
        """The number of tokens under the first key that tells one, of an inner object where it is given; None where
        none does, or it is none."""
        fields = self._fields if of is None else of
        for key in keys:
            value = fields.get(key)
            if value is None:
                continue
            if type(value) is int and 0 <= value <= MOST_TOKENS:
                return value
            found = token_count(value)
            self.odd = self.odd or found is None
            return found
        return None

    def hint(self, key: str, *, of: Mapping[str, Any] | None = None) -> int | None:
        """A number that no price depends on: an odd one is only not told."""
        value = (self._fields if of is None else of).get(key)
        return value if type(value) is int and 0 <= value <= MOST_TOKENS else token_count(value)

    def text(self, key: str) -> str | None:
        """A text; None where there is none."""
        found = self._fields.get(key)
        return found if isinstance(found, str) else None

    def any_of(self, keys: frozenset[str], of: Mapping[str, Any] | None = None) -> bool:
        """Whether something stands under one of these keys that is neither nothing, zero, false nor empty."""
        fields = self._fields if of is None else of
        return not keys.isdisjoint(fields) and any(map(fields.get, keys))

    def entries(self, key: str) -> list[Mapping[str, Any]]:
        """The objects of the array under a key; an empty list where there is none."""
        found = self._fields.get(key)
        return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def token_count(value: Any) -> int | None:
    """A number of tokens, None for whatever is none. Servers in JavaScript may write 12.0."""
    if type(value) is int:
        return value if 0 <= value <= MOST_TOKENS else None
    if type(value) is float and 0 <= value <= MOST_TOKENS and value.is_integer():
        return int(value)
    return None


def tier_of(name: Any) -> str | None:
    """The service tier in an answer as ``TokenUsage.service_tier`` has it: None for the standard one."""
    if not isinstance(name, str):
        return None
    lower = name.lower()
    return None if lower in STANDARD_TIERS else lower


def token_usage_of(
    reader: UsageReader,
    prompt: int | None,
    completion: int | None,
    *,
    total: int | None = None,
    cached: int | None = None,
    reasoning: int | None = None,
    written: int | None = None,
    written_1h: int | None = None,
    tier: str | None = None,
    unpriced: str | None = None,
) -> TokenUsage:
    """The neutral usage; one without a readable count of prompt and answer is unknown as a whole."""
    if (prompt is None and completion is None) or (reader.odd and (prompt is None or completion is None)):
        return TokenUsage()
    if reader.odd:
        unpriced = UNREADABLE
    elif prompt is None or completion is None:
        unpriced = INCOMPLETE
    asked, answered = prompt or 0, completion or 0
    return TokenUsage(
        prompt_tokens=asked,
        completion_tokens=answered,
        total_tokens=total or asked + answered,
        cached_tokens=cached,
        reasoning_tokens=reasoning,
        cache_write_tokens=written,
        cache_write_1h_tokens=written_1h,
        service_tier=tier,
        unpriced=unpriced,
    )
