"""Our costs are the provider's bill, and no budget is passed by a cent, from threads and processes together."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.routing.policies.bound import NANO
from complaint_llm.routing.policies.budget_book import BudgetBook
from tests.money.biller import Biller, Line

CALLS = Path(__file__).with_name("billed_calls.py")


def asked(url: str, folder: Path, count: int, *, threads: int, budget: float, first: int = 0) -> dict[int, Any]:
    """What ``count`` requests from four processes came to, by number."""
    share = count // 4
    places = [first + share * place for place in range(4)]
    programs = [
        subprocess.Popen(
            [sys.executable, str(CALLS), url, str(folder), *map(str, (place, place + share, threads, budget))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for place in places
    ]
    found: dict[int, Any] = {}
    for program in programs:
        out, err = program.communicate(timeout=3000)
        assert program.returncode == 0, err
        found |= {line["number"]: line for line in map(json.loads, out.splitlines())}
    assert len(found) == share * 4
    return found


def compare(found: dict[int, Any], bill: dict[int, list[Line]]) -> None:
    """Each cost is what the provider billed for the attempts that answered; None where a fee is in it."""
    ours = theirs = Fraction(0)
    for number, line in found.items():
        answered = [entry for entry in bill.get(number, ()) if entry.answered]
        if line["state"] != "answered":
            continue
        if any(entry.fee for entry in answered):
            assert line["cost"] is None, (number, line)
            continue
        billed = sum((entry.dollars for entry in answered), Fraction(0))
        assert line["cost"] == pytest.approx(float(billed), abs=1e-12), (number, line, answered)
        ours, theirs = ours + Fraction(line["cost"]), theirs + billed
    assert abs(ours - theirs) < Fraction(1, 10**6)


def run(folder: Path, count: int, threads: int) -> tuple[Fraction, Fraction]:
    """Half of the requests without a budget, half with one that does not suffice. What was billed and the budget."""
    with Biller() as biller:
        free = asked(biller.url, folder / "free", count // 2, threads=threads, budget=0)
        compare(free, biller.bill())
        assert sum(line["state"] == "answered" for line in free.values()) >= 0.95 * len(free)
        assert any(line["state"] == "answered" and line["cost"] is None for line in free.values())
        billed = sum((line.dollars for lines in biller.bill().values() for line in lines), Fraction(0))
        budget = float(billed) * 0.7
        held = asked(biller.url, folder / "held", count // 2, threads=threads, budget=budget, first=10**6)
        bill = biller.bill()
    compare(held, bill)
    billed = sum((line.dollars for number, lines in bill.items() if number >= 10**6 for line in lines), Fraction(0))
    assert any(line["state"] == "refused" for line in held.values())
    assert billed <= Fraction(budget)
    book = BudgetBook(folder / "held" / ".complaint_llm" / "state.db")
    spent = Fraction(book.spent("mediator").total, NANO)
    book.close()
    assert billed <= spent <= Fraction(budget)
    return spent, Fraction(budget)


def test_a_sample_of_mixed_requests(tmp_path: Path) -> None:
    """Cache reads and writes, one hour, long prompts, tiers, cut streams, retries, fees: to the cent."""
    run(tmp_path, 400, threads=16)


@pytest.mark.endurance
@pytest.mark.timeout(3600)
def test_ten_thousand_mixed_requests_with_a_budget_and_as_many_without(tmp_path: Path) -> None:
    """The same at length, 64 threads in each of four processes; nine tenths of the budget are spent."""
    spent, budget = run(tmp_path, 20_000, threads=64)
    assert spent >= budget * Fraction(9, 10)
