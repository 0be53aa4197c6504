"""What a second answer may change: quotes, and entries that rested on what failed. All else is another answer."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.checks.check import Finding
from complaint_llm.checks.mending import only_mended
from complaint_llm.tasks.load import built_in

SCHEMA = built_in("claims").schema
assert SCHEMA is not None


def first() -> dict[str, Any]:
    """Two facts, of which the second one's quote failed, and a claim on each."""
    facts = [
        {"ref": f"F{n}", "statement": f"s{n}", "known_from": "unclear", "quote": f"words of fact {n}"} for n in (1, 2)
    ]
    claims = [
        {
            "type": "other",
            "label": f"l{n}",
            "claimants": ["P1"],
            "respondents": [],
            "facts_for": [f"F{n}"],
            "facts_against": [],
            "support": "a_hint_only",
        }
        for n in (1, 2)
    ]
    person = {"ref": "P1", "name": "A", "kind": "person", "role": "client", "minor": None, "quote": "q"}
    made: dict[str, Any] = {"languages": ["en"], "people": [person], "facts": facts, "claims": claims}
    for name in ("amounts", "dates", "stated_deadlines", "documents", "urgent", "missing", "instructions_in_text"):
        made[name] = []
    made["time_limit_triggers"] = [{"event": "other", "fact": "F2", "date_known": "no"}]
    return {**made, "no_claims_because": None}


FAILED = (Finding("quotes", "/facts/1/quote", ""), Finding("references", "/claims/1/facts_for", ""))
Change = Callable[[dict[str, Any]], Any]


def changed(change: Change) -> dict[str, Any]:
    second = deepcopy(first())
    change(second)
    return second


ALLOWED: dict[str, Change] = {
    "nothing": lambda a: None,
    "the quote that failed": lambda a: a["facts"][1].update(quote="other words"),
    "a quote that stood": lambda a: a["facts"][0].update(quote="better words"),
    "a person's quote": lambda a: a["people"][0].update(quote="his words"),
    "the fact is left out": lambda a: (a["facts"].pop(), a["claims"].pop(), a["time_limit_triggers"].pop()),
    "only the fact is left out": lambda a: a["facts"].pop(),
    "only the claim is left out": lambda a: a["claims"].pop(),
    "the trigger that names it is left out": lambda a: a["time_limit_triggers"].pop(),
    "the number is left out of the claim": lambda a: a["claims"][1]["facts_for"].clear(),
    "a quote replaced and a trigger left out": lambda a: (
        a["facts"][1].update(quote="other words"),
        a["time_limit_triggers"].pop(),
    ),
}
FORBIDDEN: dict[str, Change] = {
    "a statement": lambda a: a["facts"][0].update(statement="another"),
    "the failed fact's statement": lambda a: a["facts"][1].update(statement="another"),
    "a fact that held": lambda a: a["facts"].pop(0),
    "a claim that held": lambda a: a["claims"].pop(0),
    "a new fact": lambda a: a["facts"].append({**a["facts"][0], "ref": "F3"}),
    "a new claim": lambda a: a["claims"].append(deepcopy(a["claims"][0])),
    "another type": lambda a: a["claims"][0].update(type="insurance"),
    "another order": lambda a: a["facts"].reverse(),
    "another person": lambda a: a["people"][0].update(name="B"),
    "a person left out": lambda a: a["people"].pop(),
    "a new number in a claim": lambda a: a["claims"][0]["facts_for"].append("F2"),
    "a null filled": lambda a: a["people"][0].update(minor=True),
    "no reason is needed": lambda a: a.update(no_claims_because="not_an_intake"),
    "a key less": lambda a: a.pop("missing"),
    "a question more": lambda a: a["missing"].append({"ask": "?", "settles": "!"}),
    "another support": lambda a: a["claims"][1].update(support="said_outright"),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_was_asked_for_may_change(name: str) -> None:
    """Any quote may be replaced; what failed, and what names it, may go."""
    assert only_mended(first(), changed(ALLOWED[name]), SCHEMA or {}, FAILED)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_nothing_else_may_change(name: str) -> None:
    """A model that answers anew has not mended its answer."""
    assert not only_mended(first(), changed(FORBIDDEN[name]), SCHEMA or {}, FAILED)


def test_a_reason_may_be_given_where_all_claims_went() -> None:
    """The schema wants one where there is no claim; it was null while there were some."""
    one = changed(lambda a: (a["claims"].pop(0), a["facts"].pop(0)))
    findings = (Finding("quotes", "/facts/0/quote", ""),)
    second = {
        **one,
        "facts": [],
        "claims": [],
        "time_limit_triggers": [],
        "no_claims_because": "no_grievance_described",
    }
    assert only_mended(one, second, SCHEMA or {}, findings)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(_JSON, _JSON)
def test_without_marks_and_findings_only_the_same_answer_passes(one: Any, other: Any) -> None:
    """Of any two values, under a schema that marks nothing."""
    assert only_mended(one, one, {}, ())
    same = one == other and type(one) is type(other) and repr(one) == repr(other)
    assert only_mended(one, other, {}, ()) is same or (one == other and not same)
