"""What each check finds in a parsed answer, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from complaint_llm.checks.answer_checks import BUILT_IN, AnswerChecks
from complaint_llm.checks.numbers import holds_number
from complaint_llm.messages import InferenceOutput
from complaint_llm.tasks.load import built_in

MATERIAL = (
    "My landlord, Mr. Bly, owes me $1,400 since May 3, 2026. I paid $15 a day for 2.5 weeks. "
    "He said the Fair Housing Act is not for me. The heat was off for nine days."
)
QUOTE = "owes me $1,400 since May 3, 2026"


def answer(**parts: Any) -> dict[str, Any]:
    """An answer of the task claims in which everything holds, but for ``parts``."""
    person = {"ref": "P1", "name": None, "kind": "person", "role": "client", "minor": None, "quote": QUOTE}
    fact = {"ref": "F1", "statement": "Money is owed.", "known_from": "unclear", "quote": QUOTE}
    claim = {
        "type": "deposit_rent_fees",
        "label": "money owed",
        "claimants": ["P1"],
        "respondents": [],
        "facts_for": ["F1"],
        "facts_against": [],
        "support": "said_outright",
    }
    names = ("amounts", "dates", "stated_deadlines", "time_limit_triggers", "documents", "urgent", "missing")
    empty: dict[str, Any] = {name: [] for name in names}
    made = {"languages": ["en"], "people": [person], "facts": [fact], "claims": [claim], **empty}
    return {**made, "instructions_in_text": [], "no_claims_because": None, **parts}


def found(parsed: Any, *names: str) -> list[tuple[str, str]]:
    """The check and the place of each finding."""
    schema = built_in("claims").schema
    assert schema is not None
    checks = tuple((name, BUILT_IN[name]) for name in names or BUILT_IN)
    output = AnswerChecks(schema, (MATERIAL,), checks).examine(InferenceOutput("", parsed=parsed))
    return [(finding.check, finding.pointer) for finding in output.findings]


def fact(number: int = 1, statement: str = "Money is owed.", quote: str = QUOTE) -> dict[str, Any]:
    return {"ref": f"F{number}", "statement": statement, "known_from": "unclear", "quote": quote}


def claim(**parts: Any) -> dict[str, Any]:
    made: dict[str, Any] = answer()["claims"][0]
    return {**made, **parts}


def test_an_answer_in_which_everything_holds_has_no_findings() -> None:
    """Else every other test here would say nothing."""
    assert found(answer()) == []


@pytest.mark.parametrize(
    "quote",
    [
        "owes me $1400 since May 3, 2026",
        "owes me $400 since May 3, 2026",
        "owed me $1,400 since May 3, 2026",
        "owes me $1,400 since May 3, 2025",
        "owes me not $1,400 since May 3, 2026",
        "Owes me $1,400 since May 3, 2026",
        "I paid $15 a day. He said",
        "I paid $15 a week",
        "wes me $1,400 since May",
        "",
        "The heat was off for nine day",
    ],
)
def test_a_quote_that_does_not_stand_in_the_material_is_found(quote: str) -> None:
    """Whatever differs in it: a number, a word, a letter's case, where it is cut."""
    assert found(answer(facts=[fact(quote=quote)]), "quotes") == [("quotes", "/facts/0/quote")]


REFERENCES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("a fact that is not there", {"claims": [claim(facts_for=["F1", "F2"])]}, ["/claims/0/facts_for/1"]),
    ("a claimant who is not there", {"claims": [claim(claimants=["P9"])]}, ["/claims/0/claimants/0"]),
    ("a respondent who is not there", {"claims": [claim(respondents=["P2"])]}, ["/claims/0/respondents/0"]),
    ("a fact against that is not there", {"claims": [claim(facts_against=["f1"])]}, ["/claims/0/facts_against/0"]),
    ("a claim without facts", {"claims": [claim(facts_for=[])]}, ["/claims/0/facts_for"]),
    ("a number twice", {"facts": [fact(), fact()]}, ["/facts/1/ref"]),
    (
        "a person's number as a fact's",
        {"facts": [{**fact(), "ref": "P1"}]},
        ["/facts/0/ref", "/claims/0/facts_for/0", "/claims/0/facts_for"],
    ),
    (
        "a claim on a fact whose quote is not there",
        {"facts": [fact(quote="he never paid me anything")]},
        ["/claims/0/facts_for"],
    ),
    (
        "two claims, one on nothing",
        {"claims": [claim(), claim(type="other", facts_for=[])]},
        ["/claims/1/facts_for"],
    ),
    (
        "a trigger on a fact that is not there",
        {"time_limit_triggers": [{"event": "other", "fact": "F7", "date_known": "no"}]},
        ["/time_limit_triggers/0/fact"],
    ),
    ("blanks in a number", {"claims": [claim(claimants=["P1 "])]}, ["/claims/0/claimants/0"]),
]


@pytest.mark.parametrize(("what", "parts", "places"), REFERENCES, ids=[each[0] for each in REFERENCES])
def test_numbers_lead_to_entries_and_claims_rest_on_quotes(what: str, parts: dict[str, Any], places: list[str]) -> None:
    """Each number is given once and leads somewhere; a claim has a fact whose quote stands."""
    assert sorted(found(answer(**parts), "references")) == sorted(("references", place) for place in places)


@pytest.mark.parametrize(
    ("number", "quote", "holds"),
    [
        ("1,400", "owes me $1,400 since", True),
        ("1400", "owes me $1,400 since", False),
        ("400", "owes me $1,400 since", False),
        ("15", "I paid $15 a day", True),
        ("15", "I paid $15,000 a day", False),
        ("15", "I paid $1.15 a day", False),
        ("15", "in 2015 he paid", False),
        ("2.5", "for 2.5 weeks", True),
        ("5", "for 2.5 weeks", False),
        ("2026", "since May 3, 2026", True),
        ("2026", "since May '26 he", True),
        ("2025", "since May '26 he", False),
        ("21", "on the 21st of May", True),
        ("2", "on the 21st of May", False),
        ("3", "on 5/3/2026 he", True),
        ("2026", "on 5/3/2026 he", True),
        ("nine days", "off for nine days", True),
        ("nine day", "off for nine days", False),
        ("", "off for nine days", False),
        ("1 400", "owes 1\u00a0400 euros", True),
        ("17.50", "paid $17.50 an hour", True),
        ("17.5", "paid $17.50 an hour", False),
    ],
)
def test_a_number_stands_in_its_quote_as_it_is_written(number: str, quote: str, holds: bool) -> None:
    """A part of a number is another number, and so is one that is written in another way."""
    assert holds_number(quote, number) is holds


def test_a_year_that_the_quote_does_not_have_is_found() -> None:
    """The schema says which values are in the quote beside them; null is none."""
    date = {"year": 2025, "month": 5, "day": None, "event": "x", "quote": QUOTE}
    assert found(answer(dates=[date]), "numbers_in_quote") == [("numbers_in_quote", "/dates/0/year")]
    assert found(answer(dates=[{**date, "year": 2026, "day": 3}]), "numbers_in_quote") == []


LAW = [
    "He broke 42 U.S.C. 1983 here.",
    "This falls under 29 CFR 825.",
    "See § 1981a for it.",
    "It is against the Residential Tenancy Act too.",
    "Smith v. Jones is like it.",
    "The FLSA covers this.",
    "The statute of limitations runs.",
    "This is illegal in every way.",
    "He violated the law by it.",
    "A prima facie case is made.",
    "Section 8 was not honoured.",
    "There is a good chance of success.",
    "The Civil Rights Ordinance covers it.",
]


@pytest.mark.parametrize("statement", LAW)
def test_law_that_the_material_does_not_name_is_found(statement: str) -> None:
    """In any free text; that a word is a quote or a choice from a list says nothing."""
    assert found(answer(facts=[fact(statement=statement)]), "no_law_added") == [("no_law_added", "/facts/0/statement")]


@pytest.mark.parametrize(
    "statement",
    [
        "He said the Fair Housing Act is not for the client.",
        "The client acted at once.",
        "The owner ruled it out.",
        "The code of the door was changed.",
        "The client asks whether it was right.",
        "He has a law degree.",
        "The chance was good.",
        "He was in the right section of the shop.",
        "She titled it so.",
        "The rules of the house were on the door.",
    ],
)
def test_what_the_material_names_and_plain_words_are_no_added_law(statement: str) -> None:
    """A law that the client spoke of may be told."""
    assert found(answer(facts=[fact(statement=statement)]), "no_law_added") == []
