"""Which rows of a table the suite runs."""

from __future__ import annotations

import pytest

from tests import sampled


@pytest.fixture
def items(request: pytest.FixtureRequest) -> list[pytest.Item]:
    """A table of twenty rows, of which three are asked for, and two tests without a mark."""

    def item(name: str) -> pytest.Item:
        return pytest.Function.from_parent(request.node.parent, name=name, callobj=lambda: None)

    rows = [item(f"test_a_table[{at}]") for at in range(20)]
    for each in rows:
        each.add_marker(pytest.mark.rows(3))
    return [*rows, item("test_b[0]"), item("test_b[1]")]


def test_the_suite_draws_the_same_rows_each_time(items: list[pytest.Item], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is always among them, what has no mark is kept, and the order is the given one."""
    monkeypatch.setattr(sampled, "ALL", False)
    kept, left_out = sampled.drawn_rows(items)
    assert len(kept) == 3 + 2
    assert len(left_out) == 17
    assert kept[0] is items[0]
    assert [each for each in items if each in kept] == kept
    again, _ = sampled.drawn_rows(list(reversed(items[1:])) + items[:1])
    assert {each.name for each in again if each.name.startswith("test_b")} == {"test_b[0]", "test_b[1]"}
    assert sampled.drawn_rows(items)[0] == kept


def test_the_long_runs_have_every_row(items: list[pytest.Item], monkeypatch: pytest.MonkeyPatch) -> None:
    """They choose by the mark ``sampled``, which each row gets."""
    monkeypatch.setattr(sampled, "ALL", True)
    kept, left_out = sampled.drawn_rows(items)
    assert (len(kept), left_out) == (22, [])
    assert [each.get_closest_marker("sampled") is not None for each in kept] == [True] * 20 + [False] * 2
