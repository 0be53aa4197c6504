"""The newcomer of docs/getting-started.md: few lines, as the page has them, typed in a real terminal."""

from __future__ import annotations

import re
import runpy
from collections.abc import Mapping
from typing import Any

import pytest

from tests.docs.pages import ROOT
from tests.peers import need_peer

NEWCOMER: Mapping[str, Any] = runpy.run_path(str(ROOT / "scripts" / "newcomer.py"))
CHAPTERS = NEWCOMER["CHAPTERS"]
PAGE = NEWCOMER["DOCUMENT"].read_text(encoding="utf-8")
PART = PAGE.partition(NEWCOMER["BEGIN"])[2].partition(NEWCOMER["END"])[0]
TYPED = re.findall(r"^# (.+)\n((?:(?!`).+\n)+)", PART, re.M)
ROW = re.compile(r"^\| (.+) \| (\d+) \| (\d+) \| (\d+\.\d) \|$", re.M)


def test_the_page_has_every_chapter_with_its_keystrokes_and_seconds() -> None:
    """The table counts what is typed below it."""
    rows = [(title, int(lines), int(keys)) for title, lines, keys, _ in ROW.findall(PART)]
    assert [title for title, *_ in rows] == [each.title for each in (NEWCOMER["CLONE"], *CHAPTERS)]
    counted = [(title, lines.splitlines()) for title, lines in TYPED]
    keystrokes = NEWCOMER["keystrokes"]
    plain = {"(Enter)": ""}
    assert rows == [
        (title, len(typed), sum(keystrokes(plain.get(each, each)) for each in typed)) for title, typed in counted
    ]


def test_what_the_page_shows_is_what_the_script_types() -> None:
    """Line by line; what the screen fills in may be anything."""
    typed = [line for _, lines in TYPED for line in lines.splitlines()]
    steps = [step for chapter in (NEWCOMER["CLONE"], *CHAPTERS) for step in chapter.steps]
    assert len(typed) == len(steps) < 40
    for line, step in zip(typed, steps, strict=True):
        filled = re.sub(r"\\?<(\w+)\\?>", r"(.+)", re.escape(step.keys or "(Enter)"))
        assert re.fullmatch(filled, line), step.keys


def test_a_mistake_in_the_config_is_mended_by_its_message() -> None:
    """The line, the wrong word and the right one are read off the screen."""
    need_peer("tmux")
    [took], shown = NEWCOMER["run"](CHAPTERS[:1], installed=True)
    assert took.lines[2] == "sed -i '1s/modell/model/' config.json"
    assert "reached in" in shown


@pytest.mark.endurance
def test_all_that_comes_after_the_installation() -> None:
    """A chat, a batch that is interrupted and goes on, its page, and a config by questions up to an answer."""
    need_peer("tmux")
    took, _ = NEWCOMER["run"](CHAPTERS, installed=True)
    assert [each.title for each in took] == [each.title for each in CHAPTERS]


@pytest.mark.endurance
@pytest.mark.timeout(1200)
def test_all_of_it_from_a_clone() -> None:
    """What is committed is cloned and installed; the page comes from `make run`."""
    need_peer("tmux")
    took, shown = NEWCOMER["run"]((NEWCOMER["CLONE"], *CHAPTERS), installed=False)
    assert len(took) == 1 + len(CHAPTERS)
    assert "the page is named above" in shown
