"""The page of what calls cost in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from complaint_llm.ledger.summary import Summary, summarise
from complaint_llm.report.page_frame import write_text
from complaint_llm.report.spend import render_spend
from tests.ledger.made_ledgers import make_ledger, office_calls
from tests.peers import need_peer
from tests.report.browser import Browser
from tests.report.test_spend import NOW, hostile_calls

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.xdist_group("chromium")]

DRAWN = """
[...document.querySelectorAll('.plot canvas')].map((canvas) => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const colours = new Set();
  for (let place = 0; place < pixels.length; place += 4) if (pixels[place + 3] === 255)
    colours.add(pixels.slice(place, place + 3).join());
  return [...colours];
})
"""


@pytest.fixture(scope="module", params=[1280, 390])
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    with Browser(need_peer("chromium"), width=request.param) as opened:
        yield opened


def show(browser: Browser, folder: Path, calls: object) -> Summary:
    summary = summarise(make_ledger(folder / "ledger.db", calls))  # type: ignore[arg-type]
    path = folder / "spend.html"
    write_text(path, render_spend(summary, "What the calls cost", NOW))
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(path)
    assert [url for url in browser.requests if url != path.resolve().as_uri() and not url.startswith("data:")] == []
    return summary


def test_charts_are_drawn_and_nothing_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    """Three charts in several colours; no request, no word on the console; as wide as the screen and no wider."""
    show(browser, tmp_path, office_calls(600, 30))
    drawn = browser.run(DRAWN)
    assert len(drawn) == 3
    assert all(len(colours) > 5 for colours in drawn)
    assert browser.run("document.documentElement.scrollWidth") <= browser.width
    assert browser.run("document.querySelectorAll('.keys li').length") >= 5
    assert browser.complaints == []


@pytest.mark.rows(1)
def test_keys_walk_along_a_chart(browser: Browser, tmp_path: Path) -> None:
    """What stands at each place is told in words, the same as in the ledger."""
    summary = show(browser, tmp_path, office_calls(600, 30))
    press = "document.getElementById('plot-failures').dispatchEvent(new KeyboardEvent('keydown', {key: '%s'}))"
    for key, place in (("Home", 0), ("ArrowRight", 1), ("End", -1), ("ArrowLeft", -2)):
        browser.run(press % key)
        period, figures = summary.periods[place], summary.over_time[place]
        browser.wait_for(f"document.getElementById('readout-failures').textContent.startsWith('{period.label}')")
        words = browser.run("document.getElementById('readout-failures').textContent")
        assert words == f"{period.label}: no answer {figures.failed} · went on to another backend {figures.fallbacks}"
    assert browser.complaints == []


def test_a_chart_shows_what_is_chosen(browser: Browser, tmp_path: Path) -> None:
    """Spend by matter; times and failures of one backend."""
    show(browser, tmp_path, office_calls(600, 30))
    for id in ("spend", "latency", "failures"):
        browser.run(
            f"(() => {{ const f = document.getElementById('choose-{id}'); f.selectedIndex = 1;"
            " f.dispatchEvent(new Event('input')); })()"
        )
    assert "2026-0000" in browser.run("document.getElementById('keys-spend').textContent")
    assert browser.run("document.getElementById('keys-failures').textContent").startswith("attempts failed")
    assert len(browser.run(DRAWN)) == 3
    assert browser.complaints == []


def test_names_from_outside_run_nowhere(browser: Browser, tmp_path: Path) -> None:
    """In tables, choices, keys and what is told at a place."""
    show(browser, tmp_path, hostile_calls())
    assert browser.run("window.ran === undefined") is True
    assert browser.run("document.querySelectorAll('script, style').length") == 3
    assert browser.complaints == []


@pytest.mark.rows(4)
@pytest.mark.parametrize("calls", [[], [{}], [{"demo": 1}], [{"cost": None, "error": "ServerError"}]])
def test_few_calls_are_no_fault(browser: Browser, tmp_path: Path, calls: list[dict[str, object]]) -> None:
    """None, one, one demonstration, one failure."""
    show(browser, tmp_path, calls)
    assert browser.run("document.querySelector('.lead').textContent.length") > 10
    assert browser.complaints == []


def test_it_prints(browser: Browser, tmp_path: Path) -> None:
    """The charts are drawn anew for paper and back again for the screen; a closed table is left out."""
    show(browser, tmp_path, office_calls(600, 30))
    before = browser.run(DRAWN)
    assert browser.pdf().startswith(b"%PDF")
    assert browser.run(DRAWN) == before
    assert browser.complaints == []


@pytest.mark.rows(1)
@pytest.mark.parametrize("id", ["spend", "latency", "failures"])
def test_who_cannot_see_a_chart_has_its_numbers(browser: Browser, tmp_path: Path, id: str) -> None:
    """A chart is named with its highest value, and can be reached by keys, as can the table under it."""
    show(browser, tmp_path, office_calls(600, 30))
    plot = f"document.getElementById('plot-{id}')"
    assert browser.run(f"{plot}.getAttribute('role')") == "img"
    assert "Highest: " in browser.run(f"{plot}.getAttribute('aria-label')")
    assert browser.run(f"{plot}.tabIndex") == 0
    numbers = f"{plot}.closest('section').querySelector('details.numbers')"
    browser.run(f"{numbers}.querySelector('summary').click()")
    assert browser.run(f"{numbers}.open && {numbers}.querySelector('tbody th[scope=row]').checkVisibility()") is True
    assert browser.run(f"[...{numbers}.querySelectorAll('.wide')].every((each) => each.tabIndex === 0)") is True
