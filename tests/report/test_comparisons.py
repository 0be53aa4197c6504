"""``report --expect`` and ``--against``, on scripted answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.checks.quote_search import SearchableText, find_quote
from complaint_llm.exceptions import ConfigError
from complaint_llm.report import ReportItem
from complaint_llm.report.agreement import agreement_lines, compare_runs
from complaint_llm.report.expected import Comparison, compare_expected, expected_lines, read_expected
from complaint_llm.report.matching import amount_value, name_words, same_name
from complaint_llm.tasks.load import built_in
from tests.report.answers import claims_answer, failed, item

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT = (
    "I am Ana Gómez. Mr. Ed Tassler owes me $1,140 since May 6, 2026 for the overtime. He owes Rosa $1,140 too. "
    "On June 3 he threw us out."
)
PEOPLE = [
    {"ref": "P1", "name": "Ana Gómez", "kind": "person", "role": "client", "minor": None, "quote": "I am Ana Gómez."},
    {
        "ref": "P2",
        "name": "Ed Tassler",
        "kind": "person",
        "role": "other_side",
        "minor": None,
        "quote": "Mr. Ed Tassler",
    },
    {
        "ref": "P3",
        "name": None,
        "kind": "person",
        "role": "affected",
        "minor": None,
        "quote": "He owes Rosa $1,140 too",
    },
]
WAGES = {"type": "wages_unpaid", "claimant": "Ana Gomez", "respondent": "Tassler"}
MONEY = {"value": "1,140", "quote": "owes me $1,140 since"}
DAY = {"year": 2026, "month": 5, "day": 6, "quote": "May 6, 2026"}


def amount(value: str, quote: str) -> dict[str, Any]:
    return {
        "value": value,
        "currency": "$",
        "per": None,
        "qualifier": None,
        "what": "pay",
        "state": "unclear",
        "quote": quote,
    }


def date(year: int | None, month: int | None, day: int | None, quote: str) -> dict[str, Any]:
    return {"year": year, "month": month, "day": day, "event": "owed", "quote": quote}


def answer(**changes: Any) -> dict[str, Any]:
    whole = claims_answer(
        "owes me $1,140 since May 6, 2026",
        type="wages_unpaid",
        people=PEOPLE,
        amounts=[amount("1,140", "owes me $1,140 since May 6")],
        dates=[date(2026, 5, 6, "since May 6, 2026")],
    )
    whole["claims"][0] |= {"claimants": ["P1"], "respondents": ["P2"], **changes.pop("claim", {})}
    return {**whole, **changes}


def compare(given: ReportItem, tmp_path: Path, **wanted: Any) -> Comparison:
    path = tmp_path / "expected.json"
    path.write_text(json.dumps({"source": "by us", "items": [{"id": "item-1", **wanted}]}))
    return compare_expected([given], read_expected(path))


def test_what_was_expected_and_is_there_is_matched(tmp_path: Path) -> None:
    """Names without accents or forms of address, an amount whose quote is cut otherwise, a date by its parts."""
    (found,) = compare(item(TEXT, answer()), tmp_path, claims=[WAGES], amounts=[MONEY], dates=[DAY]).items
    assert found.matched == {"claims": 1, "amounts": 1, "dates": 1}
    assert not any(found.missed.values())
    assert not any(found.further.values())


@pytest.mark.parametrize(
    "claim",
    [
        {**WAGES, "type": "work_retaliation"},
        {**WAGES, "type": "wages_deductions_tips"},
        {**WAGES, "claimant": "Rosa"},
        {**WAGES, "claimant": "Ana Ruiz"},
        {**WAGES, "claimant": "Tassler"},
        {**WAGES, "respondent": "Gómez"},
        {**WAGES, "respondent": "Ted Tassler"},
        {**WAGES, "respondent": "Tasslers"},
        {**WAGES, "respondent": "Harrow Street Diner"},
        {**WAGES, "claimant": "dishwashers"},
    ],
)
def test_another_claim_is_missed(claim: dict[str, str], tmp_path: Path) -> None:
    """Another type, claimant or respondent is not what was expected, and what is there instead is told."""
    (found,) = compare(item(TEXT, answer()), tmp_path, claims=[claim]).items
    assert len(found.missed["claims"]) == 1
    assert len(found.further["claims"]) == 1


@pytest.mark.parametrize(
    ("value", "quote"),
    [
        ("1,140", "He owes Rosa $1,140 too"),
        ("1140.50", "owes me $1,140 since May 6"),
        ("11,40", "owes me $1,140 since May 6"),
        ("114", "owes me $1,140 since May 6"),
        ("1,141", "owes me $1,140 since May 6"),
        ("-1,140", "owes me $1,140 since May 6"),
        ("1,140", "owes me $1,140 since March 6"),
        ("1,140", "owes me 1,140 since May 6"),
        ("1,140", "threw us out"),
        ("", "owes me $1,140 since May 6"),
    ],
)
def test_another_amount_is_missed(value: str, quote: str, tmp_path: Path) -> None:
    """The value alone is not enough, nor the quote: the same sum owed to somebody else is another amount."""
    given = item(TEXT, answer(amounts=[amount(value, quote)]))
    (found,) = compare(given, tmp_path, amounts=[MONEY]).items
    assert len(found.missed["amounts"]) == 1


@pytest.mark.parametrize(
    "parts",
    [
        (2026, 5, 7), (2026, 6, 5), (2025, 5, 6), (None, 5, 6), (2026, None, 6), (2026, 5, None), (None, None, None),
        (2026, 6, 3), (5, 6, 2026), (26, 5, 6),
    ],
)  # fmt: skip
def test_another_date_is_missed(parts: tuple[int | None, int | None, int | None], tmp_path: Path) -> None:
    """A part that is not written was not read, and one that was made up is not right."""
    given = item(TEXT, answer(dates=[date(*parts, "since May 6, 2026")]))
    (found,) = compare(given, tmp_path, dates=[DAY]).items
    assert len(found.missed["dates"]) == 1


def test_one_answer_counts_for_one_expectation(tmp_path: Path) -> None:
    """Two like amounts or dates are expected twice, and one that is found is one."""
    (found,) = compare(item(TEXT, answer()), tmp_path, amounts=[MONEY, MONEY], dates=[DAY, DAY]).items
    assert (found.matched["amounts"], found.matched["dates"]) == (1, 1)


def test_a_claim_that_rests_on_nothing_in_the_text_is_missed(tmp_path: Path) -> None:
    """What the page shows apart counts for nothing."""
    lost = answer(
        facts=[{"ref": "F1", "statement": "s", "known_from": "unclear", "quote": "he confessed it all to us"}]
    )
    (found,) = compare(item(TEXT, lost), tmp_path, claims=[WAGES]).items
    assert len(found.missed["claims"]) == 1


def test_missed_claims_come_first_and_what_has_no_answer_is_told(tmp_path: Path) -> None:
    """The order of what is printed; a failed item misses everything and is named."""
    path = tmp_path / "expected.json"
    items = [{"id": "item-1", "claims": [WAGES], "dates": [DAY]}, {"id": "gone", "claims": [WAGES]}]
    path.write_text(json.dumps({"source": "by us", "items": items}))
    expected = read_expected(path)
    lines = list(expected_lines(compare_expected([failed(1)], expected), expected))
    assert lines[0] == "Expected answers: by us"
    assert lines[1] == "Missed claims"
    assert "  item-1: failed" in lines
    assert "  gone" in lines
    assert lines[-1] == "Matched in 1 items: claims 0 of 1, amounts 0 of 0, dates 0 of 1"


@pytest.mark.parametrize("id", ["item-1", "item-1.txt", "folder/item-1.md", "a/b/item-1.txt"])
def test_an_item_is_found_by_the_name_of_its_file(id: str, tmp_path: Path) -> None:
    """Expectations do not depend on the folder that a run read."""
    assert compare(item(TEXT, answer(), id=id), tmp_path, claims=[WAGES]).absent == ()


def test_a_demonstration_has_no_counts(tmp_path: Path) -> None:
    """Plain rules say nothing about a model."""
    demo = item(TEXT, answer(), metadata={"demo": True})
    path = tmp_path / "e.json"
    path.write_text(json.dumps({"source": "by us", "items": [{"id": "item-1", "claims": [WAGES]}]}))
    lines = list(expected_lines(compare_expected([demo], read_expected(path)), read_expected(path)))
    assert lines[0].startswith("DEMONSTRATION")
    assert not any(line.startswith("Matched") for line in lines)
    runs = list(agreement_lines(compare_runs([demo], [demo]), "a", "b"))
    assert runs[0].startswith("DEMONSTRATION")
    assert not any(" the same in " in line for line in runs)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", '{"items": {}}x', '{"items": [1]}', '{"items": [{}]}', '{"items": null}',
        '{"items": [{"id": "a", "claims": [{}]}]}', '{"items": [{"id": "a", "amounts": [{"value": 3}]}]}',
        '{"items": [{"id": "a", "dates": [3]}]}', '{"items": [{"id": "a", "claims": [{"type": 1, "claimant": "b"}]}]}',
    ],
)  # fmt: skip
def test_a_file_that_expects_nothing_is_one_clear_error(text: str, tmp_path: Path) -> None:
    """What is no file of expected answers is told with its name, before anything is compared."""
    path = tmp_path / "expected.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"expected\.json"):
        read_expected(path)


@pytest.mark.parametrize("name", ["intakes", "intakes-held-out"])
def test_every_expected_quote_stands_in_its_intake(name: str) -> None:
    """The expectations of the examples are for their texts: each file has one, each quote stands, each value and day is
    in its quote, each type is one of the task's."""
    expected = read_expected(EXAMPLES / "expected" / f"{name}.json")
    assert expected.source == "by the authors; no lawyer has reviewed it"
    paths = [
        *(EXAMPLES / name).glob("*.txt"),
        *((EXAMPLES / "document-texts").glob("*.txt") if name == "intakes" else ()),
    ]
    texts = {path.stem: path.read_text(encoding="utf-8") for path in paths}
    assert set(texts) == set(expected.items)
    types = built_in("claims").lists["claim_type"]
    for id, wanted in expected.items.items():
        text = SearchableText.of(texts[id])
        for each in (*wanted["amounts"], *wanted["dates"]):
            assert find_quote(each["quote"], [text]).state == "verbatim", (id, each)
        for each in wanted["amounts"]:
            assert each["value"] in each["quote"], (id, each)
        for each in wanted["dates"]:
            assert all(str(each[part]) in each["quote"] or each["quote"] == "received 08/19"
                       for part in ("year", "day") if each[part]), (id, each)  # fmt: skip
        assert {claim["type"] for claim in wanted["claims"]} <= set(types)
        assert bool(wanted["claims"]) == (wanted["no_claims_because"] is None)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Mr. Tassler", "Ed Tassler", True), ("Yolanda Iñíguez", "yolanda iniguez", True), ("Đặng", "Dang", True),
        ("the warehouse", "a warehouse", True), ("Strake & Bowlin", "Strake and Bowlin", True), ("Dr. Ng", "NG", True),
        ("Tassler", "Tasslers", False), ("Ana Gómez", "Ana Ruiz", False), ("", "Ana", False), ("P1", "P2", False),
        ("Mr.", "Mrs.", False),
    ],
)  # fmt: skip
def test_names(one: str, other: str, same: bool) -> None:
    """Names are the same if all words of one are among the other's."""
    assert same_name(name_words(one), name_words(other)) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1,140", "$1,140", True), ("1,140", "1140", True), ("17.50", "$17.50.", True), ("$ 9,860", "9860", True),
        ("quince", "Quince", True), ("€1,000,000", "1000000", True), ("17.50", "17.5", False),
        ("1.140", "1,140", False),
        ("11,40", "1,140", False), ("-5", "5", False), ("15", "1.5", False),
    ],
)  # fmt: skip
def test_amounts(one: str, other: str, same: bool) -> None:
    """Signs of currency, blanks and thousands commas make no other value; points and signs do."""
    assert (amount_value(one) == amount_value(other)) is same


def renumbered(given: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(given)
    for ref in ("P1", "P2", "P3", "F1"):
        text = text.replace(f'"{ref}"', f'"{ref}0"')
    whole: dict[str, Any] = json.loads(text)
    return {**whole, "people": whole["people"][::-1]}


def test_runs_agree_whatever_numbers_and_order_they_use() -> None:
    """The same claims, people, amounts, dates and facts under other numbers are no difference."""
    (found,) = compare_runs([item(TEXT, answer())], [item(TEXT, renumbered(answer()))]).items
    assert found.differences == ()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"claim": {"type": "other"}}, "claims"),
        ({"claim": {"respondents": ["P3"]}}, "claims"),
        ({"claim": {"claimants": []}}, "claims"),
        ({"claims": []}, "claims"),
        ({"amounts": [amount("1,141", "owes me $1,140 since")]}, "amounts"),
        ({"amounts": []}, "amounts"),
        ({"dates": [date(2026, 5, 7, "May 6, 2026")]}, "dates"),
        ({"dates": [date(None, 5, 6, "May 6, 2026")] * 2}, "dates"),
        ({"people": [*PEOPLE, {**PEOPLE[0], "ref": "P9", "name": "Rosa"}]}, "people"),
        ({"stated_deadlines": [{"what": "w", "limit_as_written": "9 days", "said_by": "he", "quote": "q"}]},
         "stated_deadlines"),
    ],
)  # fmt: skip
def test_runs_differ_in_the_field_that_differs(changes: dict[str, Any], field: str) -> None:
    """One change is told in its field, with what only the one and only the other has."""
    (found,) = compare_runs([item(TEXT, answer())], [item(TEXT, answer(**changes))]).items
    assert [each.field for each in found.differences] == [field]
    assert found.differences[0].only_here or found.differences[0].only_there


def test_two_runs_in_lines() -> None:
    """First difference first, agreement by field, cost and seconds of each run, items, and those of one run only."""
    here = [item(TEXT, answer()), item(TEXT, answer(), number=2), failed(3)]
    there = [item(TEXT, answer()), item(TEXT, answer(dates=[]), number=2, cost=None), failed(4)]
    lines = list(agreement_lines(compare_runs(here, there), "a.csv", "b.csv"))
    assert lines[:2] == ["First difference: item-2, dates", "  only in a.csv: May 6, 2026"]
    assert "dates: the same in 1 of 2" in lines
    assert "claims: the same in 2 of 2" in lines
    assert "a.csv: $0.0200, 0.0 s" in lines
    assert "b.csv: $0.0100 and 1 of unknown cost, 0.0 s" in lines
    assert lines[-4:] == [
        "  item-1: agrees",
        "  item-2: differs in dates",
        "only in a.csv: item-3",
        "only in b.csv: item-4",
    ]


def test_other_answers_are_compared_by_their_own_fields() -> None:
    """Texts, and objects of any schema."""
    texts = compare_runs([item(None, None, content="a")], [item(None, None, content="b")]).items[0]
    assert [each.field for each in texts.differences] == ["text"]
    one, two = ({"points": [{"statement": word, "quote": ""}], "wants": []} for word in ("a", "b"))
    summaries = compare_runs([item(TEXT, one, task="summary")], [item(TEXT, two, task="summary")]).items[0]
    assert [each.field for each in summaries.differences] == ["points"]
