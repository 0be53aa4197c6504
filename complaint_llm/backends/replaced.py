"""Names that authors of backends overrode in earlier releases: nobody asks them any more, and a class that has them is
told so where it is defined."""

from __future__ import annotations

from collections.abc import Mapping

from complaint_llm.exceptions import PluginError

REPLACED: Mapping[str, str] = {
    "longest_answer": "answer_limits",
    "sends_max_tokens": "answer_limits",
    "prompt_overhead": "answer_limits",
    "attempt": "prepare_attempt",
}
"""By each such name the one that is asked instead."""


def check_replaced(cls: type) -> None:
    """Raise PluginError for a class that counts on a name that nobody asks. One that has the new name beside it, for
    this release, may have the old one for an earlier."""
    places = [vars(each) for each in cls.__mro__]
    for old, new in REPLACED.items():
        found = next((place for place, names in enumerate(places) if old in names), None)
        if found is not None and all(new not in names for names in places[: found + 1]):
            owner = cls.__mro__[found]
            raise PluginError(
                f"{owner.__module__}.{owner.__qualname__} overrides {old}, which is not asked any more: "
                f"override {new} in its place (docs/toolkit.md)"
            )
