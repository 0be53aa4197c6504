"""docs/security.md: each promise names a test that there is, and each threat says what stops it and what does not."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)))
THREATS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", PAGE, re.M))
NO_THREAT = {"Report a fault"}


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda each: each)
def test_a_named_test_is_there(file: str, name: str) -> None:
    """A test that is renamed or taken out takes its promise with it."""
    assert re.search(rf"^ *def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.M)


def test_tests_are_named_by_file_and_name() -> None:
    """A file alone would promise nothing that can be looked for."""
    assert len(NAMED) == len(set(re.findall(r"tests/[^`]*`", PAGE))) > 20


@pytest.mark.parametrize("threat", sorted(THREATS.keys() - NO_THREAT))
def test_a_threat_says_what_holds_and_what_does_not(threat: str) -> None:
    """No threat ends with what stops it."""
    for part in ("**What ", "**What does not.**", "tests/"):
        assert part in THREATS[threat]
