"""What of the names in the example intakes is sent as written, and that the docs say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guards.miss_rate import miss_rate

DOCS = Path(__file__).resolve().parents[2] / "docs" / "guards.md"


@pytest.mark.parametrize("roles", [(), ("client",), ("client", "other")], ids=["none", "clients", "all"])
def test_the_docs_have_the_miss_rate_that_is_measured(roles: tuple[str, ...]) -> None:
    """A figure in the docs is one that a command prints."""
    found = miss_rate(frozenset(roles))
    assert f"{len(found.missed)} of {found.mentions}" in DOCS.read_text(encoding="utf-8")


def test_who_is_not_listed_is_sent_as_written() -> None:
    """With no list, no name in prose is found: patterns know no names."""
    found = miss_rate(frozenset())
    assert len(found.missed) == found.mentions
