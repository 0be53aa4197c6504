"""The page of what calls cost, without a browser."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import exceptions
from complaint_llm.ledger.summary import Summary, summarise
from complaint_llm.report.spend import render_spend
from complaint_llm.report.spend_words import duration, error_words, money, share
from complaint_llm.report.visible import visible
from tests.ledger.made_ledgers import ATTEMPT, make_ledger, office_calls

NOW = 1_795_843_000.0


def read(folder: Path, calls: Any, batches: Any = ()) -> Summary:
    return summarise(make_ledger(folder / "ledger.db", calls, batches))


def page(summary: Summary) -> str:
    return render_spend(summary, "What the calls cost", NOW)


def plain(text: str) -> str:
    """What a reader reads: no tags, single blanks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.S)))


def test_the_first_sentences_say_what_it_cost_and_what_failed(tmp_path: Path) -> None:
    """With what is of unknown price beside the sum, never within it."""
    calls = [{"cost": 1.25}, {"cost": 2.5}, {"cost": None}, {"cost": None, "error": "RateLimitError", "backend": None}]
    said = plain(page(read(tmp_path, calls)))
    assert "4 calls cost $3.75, and 1 more answer cost an amount that is not known." in said
    assert "1 call (25 %) got no answer; most often: the provider asked to slow down." in said
    assert "Spent $3.75 + 1 answer of unknown price, not in this sum" in said


def test_demonstrations_and_the_cache_are_told_and_cost_nothing(tmp_path: Path) -> None:
    """Whatever price stands in their rows."""
    said = plain(page(read(tmp_path, [{"cost": 1.0}, {"cost": 5.0, "demo": 1}, {"cost": 7.0, "cached": 1}])))
    assert "2 calls cost $1.00." in said
    assert "1 of them from the cache, at no new cost 1 demonstration not counted" in said
    assert "1 demonstration, not counted" in said
    assert "$5.00" not in said
    assert "$7.00" not in said


def test_what_may_be_charged_besides_is_told(tmp_path: Path) -> None:
    """Attempts that failed when the provider had all of them."""
    attempts = [{"backend": "a", "error": "BackendTimeoutError", "maybe_received": 1}, {"backend": "b"}]
    said = plain(page(read(tmp_path, [{"backend": "b", "attempts": attempts}])))
    assert "1 failed attempt may be charged too: the provider had all of it" in said
    assert "1 call went on to another backend after one failed" in said
    assert "Every call was answered" in said


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([], "No call is recorded here."),
        ([{"demo": 1}], "No call is recorded here. 1 demonstration cost nothing"),
        ([{}], "1 call cost $0.01. Every call was answered."),
        ([{"cost": 0.0}], "1 call cost $0.00. Every call was answered."),
        ([{"error": "unfinished", "cost": None}], "1 call (100 %) got no answer"),
        ([{"error": "OddPluginError", "cost": None}], "1 call (100 %) got no answer."),
    ],
)
def test_a_small_ledger_has_a_sensible_page(calls: Any, words: str, tmp_path: Path) -> None:
    """None, one, only a demonstration, only a failure."""
    assert words in plain(page(read(tmp_path, calls)))


def test_a_sum_of_nothing_known_is_not_nothing(tmp_path: Path) -> None:
    """Where no price is known, "unknown" stands instead of $0.00: in the first sentence, the tile, the tables."""
    text = page(read(tmp_path, [{"cost": None}, {"cost": None}]))
    said = plain(text.split("<section><h2>Spend per")[0])
    assert "2 calls cost an amount that is not known." in said
    assert "Spent unknown" in said
    assert "$0.00" not in said


def test_what_the_ledger_could_not_keep_is_told(tmp_path: Path) -> None:
    """Figures that are too small say so."""
    path = make_ledger(tmp_path / "ledger.db", [{}])
    with closing(sqlite3.connect(path)) as ledger:
        ledger.execute("INSERT INTO gaps VALUES (?, 7), (?, 5)", (NOW, NOW))
        ledger.commit()
    assert summarise(path).missed_events == 12
    assert "12 events could not be written to the ledger" in plain(page(summarise(path)))


HOSTILE = [
    "</script><script>window.ran=1</script>",
    "<img src=x onerror=window.ran=1>",
    "<!--<script>",
    "]]>",
    "{{ 7 * 7 }}{% raw %}",
    "a\u202eb\u2066c",
    "\x1b[31m\x00\x07",
    '" onmouseover="window.ran=1',
    "&lt;b&gt;&amp;",
    "\u2028\u2029",
    "</style><style>*{display:none}",
    "</title>",
]


def hostile_calls() -> list[dict[str, Any]]:
    """Each hostile text in every column that holds one."""
    return [
        {"backend": text, "model": text, "matter": text, "task": text, "call": text, "batch": text, "cost": 1.0 + place,
         "attempts": [{**ATTEMPT, "backend": text, "error": text}, {"backend": "b"}]}
        for place, text in enumerate(HOSTILE)
    ] + [{"error": text, "backend": text, "cost": None} for text in HOSTILE]  # fmt: skip


def test_text_from_outside_is_text(tmp_path: Path) -> None:
    """Nothing that a backend, model, matter, task, batch or error is called ends an element or turns text around."""
    batches = [{"batch": text, "began": NOW, "counts": json.dumps({text: 1})} for text in HOSTILE]
    text = page(read(tmp_path, hostile_calls(), batches))
    assert text.count("<script") == text.count("</script>") == 2
    assert text.count("<style>") == 1
    assert not set("\u202e\u2066\x1b\x00\x07") & set(text)
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    names = {each["name"] for each in json.loads(data)["latency"]}
    assert {visible(HOSTILE[-1]), visible(HOSTILE[-3])} <= names


def test_every_matter_that_is_named_is_noted_for_who_deletes_it(tmp_path: Path) -> None:
    """``forget --matter`` finds pages by this."""
    text = page(read(tmp_path, [{"matter": "2026-1"}, {"matter": "2026-2"}, {"matter": None}]))
    assert '<meta name="complaint-llm-matters" content="[&#34;2026-1&#34;, &#34;2026-2&#34;]">' in text


def test_each_chart_has_its_numbers_in_tables(tmp_path: Path) -> None:
    """With captions and headers that say of what they are; in order, each period of the chart."""
    summary = read(tmp_path, office_calls(400, 5))
    text = page(summary)
    assert text.count('<details class="numbers">') == 3
    assert text.count("<table") == text.count("<caption")
    (table,) = re.findall(r"<caption>US dollars per day, by backend</caption>.*?</table>", text, re.S)
    assert re.findall(r'<th scope="row">([^<]*)</th><td>([^<]*)</td>', table) == [
        (period.label, money(figures.spend)) for period, figures in zip(summary.periods, summary.over_time, strict=True)
    ]


def test_a_page_stays_small(tmp_path: Path) -> None:
    """However many matters, backends and models there are, and however long the range is."""
    calls = [
        {**call, "matter": f"m{number}", "backend": f"b{number % 90}", "model": f"model {number}"}
        for number, call in enumerate(office_calls(4000, 3600))
    ]
    assert len(page(read(tmp_path, calls)).encode()) < 1_000_000


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (None, "unknown"),
        (0.0, "$0.00"),
        (0.00001, "under $0.0001"),
        (0.0042, "$0.0042"),
        (0.01, "$0.01"),
        (0.0999, "$0.0999"),
        (0.12, "$0.12"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money_is_never_nothing_for_something(amount: float | None, words: str) -> None:
    """Small amounts keep their digits."""
    assert money(amount) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.004, "4 ms"), (1.25, "1.2 s"), (99.94, "99.9 s"), (150, "2.5 min"), (9000, "2.5 h")],
)
def test_durations_are_short(seconds: float | None, words: str) -> None:
    """In the unit that suits."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("part", "total", "words"),
    [(0, 0, "0 %"), (1, 4, "25 %"), (1, 5000, "under 0.1 %"), (4999, 5000, "99.9 %"), (3, 3, "100 %")],
)
def test_a_share_is_never_rounded_to_none_or_all(part: int, total: int, words: str) -> None:
    """One lost call in five thousand is not 0 %."""
    assert share(part, total) == words


def test_every_error_of_ours_has_plain_words() -> None:
    """The classes that a call may end with."""

    kinds = [
        each
        for each in vars(exceptions).values()
        if isinstance(each, type) and issubclass(each, exceptions.BackendError)
    ]
    assert [
        each.__name__ for each in kinds if each is not exceptions.BackendError and not error_words(each.__name__)
    ] == []


@pytest.mark.endurance
def test_a_million_calls_are_a_small_page(tmp_path: Path) -> None:
    """Under 3 MB, and at most nine times the work of reading as many rows of a table once."""
    path = make_ledger(tmp_path / "ledger.db", office_calls(1_000_000, 200))
    began = time.process_time()
    with closing(sqlite3.connect(path)) as ledger:
        assert (
            sum(1 for _ in ledger.execute("SELECT id, context, matter, batch, cost, seconds FROM entries")) == 1_000_000
        )
    yardstick = time.process_time() - began
    began = time.process_time()
    text = page(summarise(path))
    spent = time.process_time() - began
    assert len(text.encode()) < 3_000_000
    assert spent < 9 * yardstick, (spent, yardstick)
