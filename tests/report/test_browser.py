"""The page in a real browser."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.report import ReportItem, render_page, write_page
from complaint_llm.report.visible import visible
from complaint_llm.tasks.load import built_in
from complaint_llm.tasks.names import BUILT_IN
from tests.peers import need_peer
from tests.report.answers import claims_answer, failed, item
from tests.report.browser import Browser

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.xdist_group("chromium")]
TASKS = {id: built_in(id) for id in BUILT_IN}

MARKED = """
(() => {
  const found = {};
  for (const item of document.querySelectorAll('details.item')) {
    const lines = item.querySelector('.lines');
    if (!lines) continue;
    const walker = document.createTreeWalker(lines, NodeFilter.SHOW_TEXT);
    const quotes = {};
    let place = 0, line = null, lineNumber = -1;
    while (walker.nextNode()) {
      const p = walker.currentNode.parentElement.closest('p');
      if (!p || walker.currentNode.parentElement === lines) continue;
      const mark = walker.currentNode.parentElement.closest('mark');
      if (!mark && !walker.currentNode.nodeValue) continue;
      if (mark) for (const q of mark.dataset.q.split(' ')) {
        quotes[q] = quotes[q] || {start: place, text: ''};
        quotes[q].text += walker.currentNode.nodeValue;
      }
      place += walker.currentNode.nodeValue.length;
    }
    found[item.id] = {quotes, whole: lines.textContent};
  }
  return found;
})()
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(need_peer("chromium")) as opened:
        yield opened


def show(browser: Browser, folder: Path, items: list[ReportItem]) -> Path:
    path = folder / "page.html"
    write_page(path, render_page(items, TASKS, "Intakes"))
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(path)
    return path


WORDS = [
    "the",
    "landlord",
    "changed",
    "lock",
    "on",
    "Sunday",
    "and",
    "kept",
    "passports",
    "لم",
    "يدفع",
    "الإيجار",
    "señora",
    "Đặng",
    "said",
    "$1,140",
    "later",
]


def written(seed: int) -> tuple[str, list[str]]:
    """A text of some paragraphs, and quotes of it: apart, within each other, overlapping, over line ends."""
    chance = random.Random(seed)
    lines = [" ".join(chance.choices(WORDS, k=chance.randint(5, 30))) + f" n{seed}x{n}." for n in range(6)]
    text = "\n\n".join(lines) if seed % 2 else "\n".join(lines)
    quotes = []
    for _ in range(8):
        places = [place for place, each in enumerate(text) if each == " "]
        start, end = sorted(chance.sample(places, 2))
        quotes.append(text[start + 1 : end])
    return text, quotes


def in_page(text: str) -> str:
    """What is left of a text once its lines are paragraphs."""
    return visible(text).replace("\n", "")


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def test_every_standing_quote_is_marked_where_it_stands(browser: Browser, tmp_path: Path) -> None:
    """Each quote's marks hold its words, all of them and no others, at its own place: 24 texts of 8 quotes each, which
    overlap, lie in one another and run over line ends; nothing is fetched and the console stays silent."""
    items = []
    for seed in range(24):
        text, quotes = written(seed)
        items.append(item(text, claims_answer(*quotes), number=seed + 1))
    path = show(browser, tmp_path, items)
    found = browser.run(MARKED)
    checked = 0
    for each in items:
        assert each.material is not None
        lines = found[f"i{each.number}"]
        assert "".join(lines["whole"].split("\n")) == in_page(each.material)
        for number, quote in enumerate(each.values["quotes"], 1):
            if quote["state"] not in ("verbatim", "normalised"):
                continue
            marked = lines["quotes"][str(number)]
            assert marked["text"] == in_page(each.material[quote["start"] : quote["end"]])
            assert marked["start"] == utf16(in_page(each.material[: quote["start"]]))
            checked += 1
        assert set(lines["quotes"]) == {
            str(n) for n, quote in enumerate(each.values["quotes"], 1) if quote["state"] in ("verbatim", "normalised")
        }
    assert checked > 150
    assert browser.complaints == []
    assert [url for url in browser.requests if url != path.resolve().as_uri() and not url.startswith("data:")] == []


HOSTILE = [
    "<script>window.ran = 1</script> is what the letter said here",
    "<img src=x onerror='window.ran=1'> is what the letter said here",
    '"><svg onload=window.ran=1> is what the letter said here',
    "' onmouseover='window.ran=1' is what the letter said here",
    "</script><script>window.ran=1</script> is what the letter said",
    "{{ 7 * 7 }} {% raw %} is what the letter said here",
    "javascript:window.ran=1 is what the letter said here",
    "<style>*{display:none}</style> is what the letter said here",
    "<base href='https://example.org/'> is what the letter said here",
    "<meta http-equiv=refresh content='0;url=https://example.org'> is what it said",
    "<link rel=stylesheet href=https://example.org/x.css> is what it said here",
    "\u202egnihton\u202c is what the letter said here, turned around",
]


def test_text_from_outside_is_text(browser: Browser, tmp_path: Path) -> None:
    """Markup in the text, in quotes, ids, names, labels and errors runs nowhere and fetches nothing."""
    items = []
    for number, hostile in enumerate(HOSTILE, 1):
        answer = claims_answer(hostile, type=hostile, languages=[hostile], no_claims_because=hostile)
        answer["claims"][0]["label"] = hostile
        items.append(item(hostile, answer, number=number, id=hostile, model=hostile))
        items.append(failed(100 + number, message=hostile))
    path = show(browser, tmp_path, items)
    assert browser.run("window.ran === undefined") is True
    assert browser.run("document.querySelectorAll('details.item').length") == len(items)
    shown = browser.run("[...document.querySelectorAll('.lines mark')].map((mark) => mark.textContent)")
    assert [visible(each) for each in HOSTILE] == shown
    assert browser.complaints == []
    assert [url for url in browser.requests if url != path.resolve().as_uri() and not url.startswith("data:")] == []


def test_items_are_chosen_by_state_by_type_and_by_words(browser: Browser, tmp_path: Path) -> None:
    """Troubled items stand first; each filter leaves just what fits it."""
    text = "There was no heat in the house since October."
    items = [
        item(text, claims_answer(text, type="home_conditions"), number=1),
        item(text, claims_answer(text, type="eviction_lockout"), number=2),
        failed(3),
        item(text, None, number=4, finish_reason="length", content="half an ans"),
        item(text, None, number=5, finish_reason="content_filter"),
        failed(6, "NothingToReadError", "it is empty"),
    ]
    show(browser, tmp_path, items)
    order = browser.run("[...document.querySelectorAll('details.item')].map((each) => each.dataset.state)")
    assert order == ["failed", "not_read", "refused", "cut", "answered", "answered"]

    def chosen(field: str, value: str) -> list[str]:
        return browser.run(
            f"(() => {{ const f = document.getElementById('{field}'); f.value = '{value}';"
            " f.dispatchEvent(new Event('input'));"
            " const ids = [...document.querySelectorAll('details.item')].filter((e) => e.checkVisibility())"
            ".map((e) => e.id); f.value = ''; f.dispatchEvent(new Event('input')); return ids; })()"
        )

    assert chosen("state", "failed") == ["i3"]
    assert chosen("state", "cut") == ["i4"]
    assert chosen("state", "refused") == ["i5"]
    assert chosen("state", "not_read") == ["i6"]
    assert chosen("type", "eviction_lockout") == ["i2"]
    assert chosen("find", "EVICTION lock") == ["i2"]
    assert chosen("find", "nobody has this") == []
    assert len(chosen("state", "")) == 6


DIFFERENT = 300


def long_text(number: int) -> tuple[str, list[str]]:
    text, quotes = written(number % DIFFERENT)
    return text + " " + " ".join(random.Random(number % DIFFERENT).choices(WORDS, k=120)), quotes


def many(count: int) -> Iterator[ReportItem]:
    """Items over 300 different texts: more than are compressed together."""
    made = []
    for number in range(DIFFERENT):
        text, quotes = long_text(number)
        made.append(item(text, claims_answer(*quotes[:6], type=("home_conditions", "insurance")[number % 2])))
    for number in range(1, count + 1):
        known = made[number % DIFFERENT]
        yield known._replace(number=number, values={**known.values, "id": f"item-{number}"})


@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.endurance)])
def test_a_large_batch_is_unpacked_as_it_is_read(browser: Browser, tmp_path: Path, count: int) -> None:
    """10,000 items are one file under 30 MB; any of them opens with its marks, and filters still answer."""
    path = show(browser, tmp_path, list(many(count)))
    assert path.stat().st_size < 3_000 * count
    assert browser.run("document.querySelectorAll('details.item').length") == count
    for number in (1, 20, 21, count // 2 + 3, count):
        text, _ = long_text(number)
        browser.run(f"document.getElementById('i{number}').open = true")
        browser.wait_for(f"document.querySelector('#i{number} mark') !== null")
        whole = browser.run(f"document.querySelector('#i{number} .lines').textContent")
        assert "".join(whole.split("\n")) == in_page(text)
    browser.run(
        "(() => { const f = document.getElementById('find'); f.value = 'item-77';"
        " f.dispatchEvent(new Event('input')); })()"
    )
    assert browser.run("[...document.querySelectorAll('details.item')].filter((e) => !e.hidden).length") == sum(
        f"item-{number}".startswith("item-77") for number in range(1, count + 1)
    )
    assert browser.complaints == []
    assert [url for url in browser.requests if url != path.resolve().as_uri() and not url.startswith("data:")] == []


def test_a_phone_needs_no_sideways_scrolling(tmp_path: Path) -> None:
    """At 390 px nothing is wider than the screen, long words and long ids included."""
    text = "There was no heat " + "x" * 300 + " in the house since October."
    with Browser(need_peer("chromium"), width=390, height=844) as phone:
        show(phone, tmp_path, [item(text, claims_answer(text), id="a" * 200), failed(2, message="y" * 300)])
        assert phone.run("document.documentElement.scrollWidth <= 390") is True


def test_each_item_prints_on_a_page_of_its_own(browser: Browser, tmp_path: Path) -> None:
    """Three short items are three pages, opened whether they were open or not."""
    text = "There was no heat in the house since October."
    show(browser, tmp_path, [item(text, claims_answer(text), number=n) for n in (1, 2, 3)])
    browser.run("document.querySelectorAll('details.item').forEach((each) => { each.open = false; })")
    pages: Any = browser.pdf().count(b"/Type /Page\n") or browser.pdf().count(b"/Type /Page ")
    assert pages == 3
