"""What is known of a provider and what is required: unknown is not good enough, the strictest of all levels holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.handling import (
    STAYS_HERE,
    UNKNOWN,
    Handling,
    Requirements,
    TypeHandling,
    data_fault,
    provider_handling,
    read_requirements,
    strictest,
    with_switches,
)
from tests.sampled import sampled

KNOWN = {"trains": False, "retention_days": 30, "region": "us", "zero_retention": False}

PLACES = st.sampled_from(("us", "eu", "de", "fr", "cn", "ch"))
REQUIREMENTS = st.builds(
    Requirements,
    trains=st.sampled_from((None, False)),
    retention_days=st.one_of(st.none(), st.integers(0, 60)),
    region=st.one_of(st.none(), st.lists(PLACES, min_size=1, max_size=3, unique=True).map(tuple)),
    zero_retention=st.sampled_from((None, True)),
)
HANDLINGS = st.builds(
    Handling,
    trains=st.sampled_from((None, False, True)),
    retention_days=st.one_of(st.none(), st.integers(0, 60)),
    region=st.one_of(st.none(), st.lists(PLACES, min_size=1, max_size=3, unique=True).map(tuple)),
    zero_retention=st.sampled_from((None, False, True)),
)


@pytest.mark.parametrize(
    ("required", "known", "unmet"),
    [
        ({"trains": False}, {"trains": False}, None),
        ({"trains": False}, {"trains": True}, "trains is true, false is required"),
        ({"trains": False}, {}, "trains is unknown, false is required"),
        ({"retention_days": 30}, {"retention_days": 30}, None),
        ({"retention_days": 30}, {"retention_days": 30.5}, "retention_days is 30.5, at most 30 is required"),
        ({"retention_days": 0}, {"retention_days": 0}, None),
        ({"retention_days": 0}, {"retention_days": 1}, "retention_days is 1, at most 0 is required"),
        ({"retention_days": 30}, {"zero_retention": True}, "retention_days is unknown, at most 30 is required"),
        ({"region": "us"}, {"region": "us"}, None),
        ({"region": ["us", "eu"]}, {"region": ["eu", "us"]}, None),
        ({"region": "us"}, {"region": ["us", "cn"]}, "region is us and cn, us is required"),
        ({"region": "eu"}, {"region": "de"}, None),
        ({"region": "de"}, {"region": "eu"}, "region is eu, de is required"),
        ({"region": "eu"}, {"region": "ch"}, "region is ch, eu is required"),
        ({"region": "eu"}, {}, "region is unknown, eu is required"),
        ({"zero_retention": True}, {"zero_retention": True}, None),
        ({"zero_retention": True}, {"retention_days": 0}, "zero_retention is unknown, true is required"),
        ({"zero_retention": True}, {"zero_retention": False}, "zero_retention is false, true is required"),
    ],
)
def test_a_provider_is_asked_only_if_it_is_known_to_keep_to_what_is_required(
    required: Any, known: Any, unmet: str | None
) -> None:
    """Each value, met, broken and unknown; the reason says what is known, what is required, and the source."""
    data = {**known, "source": "a page", "as_of": "2026-11-28"} if known else {}
    handling = provider_handling(TypeHandling.read(data), {})
    said = read_requirements(required).unmet_by(handling)
    source = "a page, 2026-11-28" if known else "no source"
    assert said == (None if unmet is None else f"requires: {unmet} ({source})")


@given(REQUIREMENTS, REQUIREMENTS, HANDLINGS)
@sampled(100, of=3000)
def test_two_levels_are_met_exactly_where_each_is(one: Requirements, other: Requirements, handling: Handling) -> None:
    """Nothing passes by being required on another level."""
    together = one.with_others(other)
    both = one.unmet_by(handling) is None and other.unmet_by(handling) is None
    assert (together.unmet_by(handling) is None) == both
    assert (other.with_others(one).unmet_by(handling) is None) == both


@given(REQUIREMENTS)
@sampled(50, of=500)
def test_what_stays_here_meets_everything_and_what_is_unknown_nothing(required: Requirements) -> None:
    """There is no provider where nothing leaves; of one that nobody knows nothing may be assumed."""
    assert required.unmet_by(STAYS_HERE) is None
    assert (required.unmet_by(UNKNOWN) is None) == (not required.fields)


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ("us", "is a mapping"),
        ([], "is a mapping"),
        ({"train": False}, "has no 'train'"),
        ({"trains": True}, "trains is false, or left out, not True"),
        ({"trains": 0}, "trains is false"),
        ({"zero_retention": False}, "zero_retention is true"),
        ({"retention_days": -1}, "retention_days is a number"),
        ({"retention_days": True}, "retention_days is a number"),
        ({"retention_days": float("nan")}, "retention_days is a number"),
        ({"retention_days": "30"}, "retention_days is a number"),
        ({"region": []}, "region is a code"),
        ({"region": ["US"]}, "region is a code"),
        ({"region": {"us": 1}}, "region is a code"),
        ({"region": [1]}, "region is a code"),
    ],
)
def test_a_requirement_that_says_nothing_or_nonsense_is_refused(given_: Any, says: str) -> None:
    """One that is read as something else would let through what it was to stop."""
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        read_requirements(given_)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"retention_days": 0}, "trains false, retention_days 0, region us, zero_retention false (said in config; "),
        ({"zero_retention": True}, "retention_days 0, region us, zero_retention true (said in config; "),
        ({"zero_retention": True, "retention_days": 2}, "retention_days 2, region us, zero_retention false (said in"),
        ({"region": ["eu"]}, "region eu, zero_retention false (said in config; trains and retention_days and zero"),
        ({**KNOWN, "source": "contract", "as_of": "2026-05-02"}, "(said in config: contract, 2026-05-02)"),
        ({"trains": True}, "trains true"),
    ],
)
def test_an_entry_stands_above_its_types_data_and_says_so(entry: dict[str, Any], says: str) -> None:
    """A contract of the office, key by key; what it leaves out stays the type's, with the type's source."""
    data = TypeHandling.read({**KNOWN, "source": "a page", "as_of": "2026-11-28"})
    line = provider_handling(data, entry).line()
    assert says in line


def test_a_switch_is_sent_above_everything_where_it_is_required_and_nowhere_else() -> None:
    """What the caller lays over the body must not turn it off again."""
    data = TypeHandling.read(
        {
            "source": "a page",
            "as_of": "2026-11-28",
            "switches": [{"for": ["zero_retention"], "body": {"provider": {"zdr": True}}, "gives": {"trains": False}}],
        }
    )
    body = {"provider": {"zdr": False, "order": ["a"]}, "store": True}
    required = read_requirements({"zero_retention": True})
    assert with_switches(body, data, None) is body
    assert with_switches(body, data, read_requirements({"trains": False})) is body
    assert with_switches(body, data, required) == {"provider": {"zdr": True, "order": ["a"]}, "store": True}
    assert body["provider"] == {"zdr": False, "order": ["a"]}
    assert provider_handling(data, {}).trains is None
    assert provider_handling(data, {}, required).trains is False
    assert provider_handling(data, {"trains": True}, required).trains is True


@pytest.mark.parametrize(
    "data",
    [
        {"trains": False},
        {"trains": False, "source": "a page"},
        {"trains": "no", "source": "a", "as_of": "b"},
        {"region": "US", "source": "a", "as_of": "b"},
        {"retention_days": -3, "source": "a", "as_of": "b"},
        {"hosts": "api.example.org"},
        {"switches": [{"for": ["trains"]}]},
        {"switches": [{"for": ["train"], "body": {}}]},
        {"switches": [{"for": [], "body": {}}]},
        {"retention": 30},
        [],
    ],
)
def test_data_without_source_or_of_another_shape_is_refused(data: Any) -> None:
    """What a plugin says of its provider is what offices rely on."""
    with pytest.raises(ValueError, match="handling"):
        TypeHandling.read(data)


def test_the_strictest_of_nothing_is_nothing() -> None:
    """Calls without requirements cost nothing."""
    assert strictest(None, None) is None
    assert strictest(None, {}) is None
    assert strictest({"retention_days": 9}, None, {"retention_days": 3}) == Requirements(retention_days=3)


@pytest.mark.parametrize("days", [0.5, 1, 2, 3, 7, 14, 29, 30, 31, 90, 365, 36_500])
@pytest.mark.parametrize("of_type", [{}, {"retention_days": 0, "zero_retention": True}])
def test_days_above_zero_are_no_zero_retention_whatever_else_is_said(days: float, of_type: dict[str, Any]) -> None:
    """An entry that says both is taken by the stricter of them; a type's data that says both is refused."""
    known = TypeHandling(of_type)
    for entry in ({"retention_days": days}, {"retention_days": days, "zero_retention": True}):
        found = provider_handling(known, entry)
        assert (found.retention_days, found.zero_retention) == (days, False)
        assert read_requirements({"zero_retention": True}).unmet_by(found) is not None
    data = {"retention_days": days, "zero_retention": True, "source": "a page", "as_of": "2026-11-28"}
    assert "one of them is wrong" in (data_fault(data) or "")
