"""Every code block of README.md, the pages, the examples and the plugins runs, or says beside it why it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, pages, run_page

PAGES = [page for page in pages() if any(True for _ in blocks(page))]
NOT_RUN = 40
"""The most blocks that may say that they are not run."""


@pytest.mark.rows(4)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """In their order, in one folder."""
    runnable = [block for block in blocks(page) if block.runs_here]
    assert run_page(page, tmp_path) == len(runnable)


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    """A reason is a sentence of some length."""
    reasons = {block.place: block.first("not run") for page in PAGES for block in blocks(page)}
    found = {place: reason for place, reason in reasons.items() if reason is not None}
    assert {place: reason for place, reason in found.items() if len(reason) < 20} == {}
    assert len(found) <= NOT_RUN, "\n".join(f"{place}: {reason}" for place, reason in found.items())
    assert len(found) < len(reasons) / 2


def test_what_another_test_runs_names_it() -> None:
    """By the path of a file, which reads the pages."""
    for page in PAGES:
        for block in blocks(page):
            if (test := block.first("run by")) is not None:
                assert "from tests.docs.pages import" in (ROOT / test).read_text(encoding="utf-8"), block.place
