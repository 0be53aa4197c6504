"""Each page on a phone and on a desk, light and dark: all of it can be read without moving it sideways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from complaint_llm.ledger.summary import summarise
from complaint_llm.report import render_page, write_page
from complaint_llm.report.page_frame import write_text
from complaint_llm.report.spend import render_spend
from complaint_llm.tasks.load import built_in
from complaint_llm.tasks.names import BUILT_IN
from tests.ledger.made_ledgers import make_ledger, office_calls
from tests.peers import need_peer
from tests.report.answers import claims_answer
from tests.report.browser import Browser
from tests.report.documents import cid_of, document, document_item
from tests.report.test_browser import failed, item, show
from tests.report.test_spend import NOW, hostile_calls

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.xdist_group("chromium")]
TASKS = {id: built_in(id) for id in BUILT_IN}
LONG = "There was no heat " + "x" * 300 + " in the house since October."
BEYOND = """
[...document.querySelectorAll('body *')].filter((each) => !each.closest('.numbers') && each.checkVisibility()
  && !['OPTION', 'OPTGROUP'].includes(each.tagName) && each.getBoundingClientRect().right > %d + 1
).map((each) => `${each.tagName}.${each.className}: ${each.textContent.slice(0, 40)}`)
"""
"""What stands beyond the right edge, but for tables of numbers that are opened by hand, which move by themselves."""
COLOURS = """
[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color].map((colour) =>
  colour.match(/\\d+/g).slice(0, 3).reduce((sum, each) => sum + Number(each), 0) / 3)
"""


@pytest.fixture(scope="module", params=[390, 1280])
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    with Browser(need_peer("chromium"), width=request.param, height=844) as opened:
        yield opened


def claims_page(browser: Browser, folder: Path) -> None:
    show(browser, folder, [item(LONG, claims_answer(LONG), id="a" * 200), failed(2, message="y" * 300)])


def documents_page(browser: Browser, folder: Path) -> None:
    made = {"x" * 200 + ".pdf": document(LONG, "", source="text layer of a scan"), "b.docx": document("The lock.")}
    by_cid = {cid_of(name): each for name, each in made.items()}
    page = render_page([document_item(made, LONG, "The lock.")], TASKS, "Files", lambda shown: by_cid[shown["cid"]])
    write_page(folder / "page.html", page)
    browser.open(folder / "page.html")


def ledger_page(browser: Browser, folder: Path) -> None:
    summary = summarise(make_ledger(folder / "ledger.db", office_calls(600, 90)))
    write_text(folder / "page.html", render_spend(summary, "What the calls cost", NOW))
    browser.open(folder / "page.html")


def ledger_page_of_long_names(browser: Browser, folder: Path) -> None:
    summary = summarise(make_ledger(folder / "ledger.db", hostile_calls()))
    write_text(folder / "page.html", render_spend(summary, "z" * 300, NOW))
    browser.open(folder / "page.html")


@pytest.mark.rows(4)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("make", [claims_page, documents_page, ledger_page, ledger_page_of_long_names])
def test_nothing_stands_beyond_the_edge(browser: Browser, tmp_path: Path, make: object, scheme: str) -> None:
    """Nothing is clipped or scrolls sideways; text and paper are far apart, the dark one in the dark."""
    browser.prefer(scheme)
    make(browser, tmp_path)  # type: ignore[operator]
    assert browser.run("document.documentElement.scrollWidth") <= browser.width
    assert browser.run(BEYOND % browser.width) == []
    paper, ink = browser.run(COLOURS)
    assert abs(paper - ink) > 150
    assert (paper < ink) is (scheme == "dark")
