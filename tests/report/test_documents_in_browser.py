"""The page of a batch of documents in a real browser."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from complaint_llm.documents.searchable import joined_text
from complaint_llm.report import render_page, write_page
from complaint_llm.report.visible import visible
from complaint_llm.tasks.load import built_in
from complaint_llm.tasks.names import BUILT_IN
from tests.peers import need_peer
from tests.report.browser import Browser
from tests.report.documents import cid_of, document, document_item
from tests.report.test_browser import WORDS, in_page

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.xdist_group("chromium")]
TASKS = {id: built_in(id) for id in BUILT_IN}

MARKED = """
[...document.querySelectorAll('details.item')].map((item) => {
  const found = {};
  for (const title of item.querySelectorAll('.page-title')) {
    let next = title.nextElementSibling;
    while (next && !next.matches('.lines') && !next.matches('.page-title')) next = next.nextElementSibling;
    if (!next || !next.matches('.lines')) continue;
    for (const mark of next.querySelectorAll('mark')) for (const q of mark.dataset.q.split(' ')) {
      found[q] = found[q] || {title: title.textContent, text: ''};
      found[q].text += mark.textContent;
    }
  }
  const places = [...item.querySelectorAll('.answer .quote')].map((quote) => {
    const place = quote.nextElementSibling;
    return place && place.matches('.place') ? place.textContent : null;
  });
  return {found, places};
})
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(need_peer("chromium")) as opened:
        yield opened


def page_texts(chance: random.Random, pages: int) -> list[str]:
    return [
        "\n".join(" ".join(chance.choices(WORDS, k=chance.randint(5, 14))) + f" p{number}l{line}." for line in range(9))
        for number in range(pages)
    ]


def test_every_quote_of_a_document_is_marked_on_its_page(browser: Browser, tmp_path: Path) -> None:
    """12 items of a short and a long document, 8 quotes each: the marks under a page's title are the quote's words, the
    title is the place that stands beside the quote; nothing is fetched, and the console stays silent."""
    items, wanted, documents = [], [], {}
    for number in range(1, 13):
        chance = random.Random(number)
        names = (f"lease {number}.pdf", f"<i>letter</i> {number}.pdf")
        own = dict(zip(names, (document(*page_texts(chance, 3)), document(*page_texts(chance, 60))), strict=True))
        quotes, places = [], []
        for _ in range(8):
            name = chance.choice(names)
            page = chance.choice(own[name].pages)
            ends = [place for place, each in enumerate(page.text) if each in " \n"]
            start = chance.randrange(len(ends) - 12)
            quotes.append(page.text[ends[start] + 1 : ends[start + chance.randint(5, 11)]])
            places.append(f"{name}, page {page.number}")
        items.append(document_item(own, *quotes, number=number))
        wanted.append((quotes, places))
        documents.update({cid_of(name): each for name, each in own.items()})
    path = tmp_path / "page.html"
    write_page(path, render_page(items, TASKS, "Files", lambda shown: documents.get(shown["cid"])))
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(path)
    checked = 0
    for found, (quotes, places), item in zip(browser.run(MARKED), wanted, items, strict=True):
        kept = [quote for quote in item.values["quotes"] if quote["state"] != "not_found"]
        assert len(kept) == len(quotes)
        for number, (quote, place) in enumerate(zip(quotes, places, strict=True), 1):
            if item.values["quotes"][number - 1]["weak"]:
                continue
            assert (found["found"][str(number)]["text"], found["found"][str(number)]["title"]) == (
                in_page(quote),
                place,
            )
            checked += 1
        assert set(found["places"]) <= set(places)
    assert checked > 80
    assert browser.complaints == []
    assert [url for url in browser.requests if url != path.resolve().as_uri() and not url.startswith("data:")] == []


def test_a_quote_leads_to_its_passage(browser: Browser, tmp_path: Path) -> None:
    """A click lights the mark in the document that the quote is of."""
    made = {"a.pdf": document("Nothing is here."), "b.pdf": document("First page.", "He changed the lock at night.")}
    by_cid = {cid_of(name): each for name, each in made.items()}
    path = tmp_path / "page.html"
    item = document_item(made, "changed the lock at night")
    write_page(path, render_page([item], TASKS, "Files", lambda shown: by_cid[shown["cid"]]))
    browser.open(path)
    browser.run("document.querySelector('.answer .quote a').click()")
    assert browser.run("document.querySelector('mark.lit').textContent") == "changed the lock at night"
    assert (
        browser.run("document.querySelector('mark.lit').closest('.document').querySelector('h3').textContent")
        == "b.pdf"
    )


def test_a_phone_shows_documents_without_sideways_scrolling(tmp_path: Path) -> None:
    """Long names and long words of a document are broken."""
    made = {"x" * 200 + ".pdf": document("There was no heat " + "y" * 300, source="text layer of a scan")}
    by_cid = {cid_of(name): each for name, each in made.items()}
    path = tmp_path / "page.html"
    item = document_item(made, "There was no heat " + "y" * 300)
    write_page(path, render_page([item], TASKS, "Files", lambda shown: by_cid[shown["cid"]]))
    with Browser(need_peer("chromium"), width=390, height=844) as phone:
        phone.open(path)
        assert phone.run("document.documentElement.scrollWidth <= 390") is True
        assert phone.run("document.querySelectorAll('.document mark').length") == 1
    assert visible(joined_text(next(iter(made.values())))).startswith("There")
