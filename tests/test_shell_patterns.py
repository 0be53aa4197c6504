"""A name fits a shell pattern exactly where ``fnmatch`` says so."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.shell_patterns import fits

LETTERS = st.text(alphabet="ab*?[]!-\n5", max_size=8)

TABLE = [
    *(("gpt-5", "gpt-5"), ("gpt-5", "gpt-5*"), ("gpt-5.1-chat", "gpt-5.[123]-chat*"), ("gpt-5.4-chat", "gpt-5.[123]*")),
    *(("", ""), ("", "*"), ("a", ""), ("a", "**"), ("ab", "a?"), ("a", "a?"), ("a[b", "a[b"), ("a[b", "a[[]b")),
    *(("GPT-5", "gpt-5*"), ("gpt-5-x-codex", "gpt-5*-codex"), ("gpt-5-x-codec", "gpt-5*-codex"), ("a\nb", "a*b")),
]


@pytest.mark.parametrize(("name", "pattern"), TABLE)
def test_names_of_models(name: str, pattern: str) -> None:
    assert fits(name, pattern) == fnmatchcase(name, pattern)


@given(name=LETTERS, pattern=LETTERS)
def test_any_name_and_any_pattern(name: str, pattern: str) -> None:
    assert fits(name, pattern) == fnmatchcase(name, pattern)
