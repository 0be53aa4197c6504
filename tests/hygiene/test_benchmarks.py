"""``make benchmark`` runs unattended: nobody that is slow, hangs or fails takes the others' figures away."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import __main__ as whole
from benchmarks.measure import PEER_SECONDS, Contender, figures, interleaved
from benchmarks.report import Options, Table

CONTENDERS = """
import time

def quick():
    return lambda prompt: "The intake supports"

def slow():
    def one(prompt):
        time.sleep(0.02)
        return "The intake supports"
    return one

def wrong():
    return lambda prompt: "nothing"
"""


def test_all_of_it_is_to_end_within_twenty_minutes() -> None:
    assert sum(whole.MEASURED.values()) <= 20 * 60


def test_a_slow_peer_is_asked_less_often_and_a_failing_one_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "with_fakes.py").write_text(CONTENDERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("benchmarks.measure.PEER_SECONDS", 0.2)
    asked = [
        Contender("complaint-llm", "with_fakes", "quick", {}),
        Contender("quick", "with_fakes", "quick", {}, peer=True),
        Contender("slow", "with_fakes", "slow", {}, peer=True),
        Contender("wrong", "with_fakes", "wrong", {}, peer=True),
        Contender("missing", "with_fakes", "missing", {}, peer=True),
    ]
    measured = interleaved(asked, "each", 100, 1)
    found = {name: row[0].n for name, row in measured.samples.items()}
    assert found == {"complaint-llm": 100, "quick": 100, "slow": found["slow"]}
    assert 5 <= found["slow"] <= 10
    cpu = {name: [each.cpu / each.n for each in row] for name, row in measured.samples.items()}
    table = Table("One call: CPU", "µs", 1e6, figures(cpu, "quick"), note=f"A server took 3.4 µs. {measured.note}")
    told = table.findings()
    assert f"One call. Asked a round: slow {found['slow']} times." in told
    missing = {each.partition(" is missing")[0] for each in told if " is missing" in each}
    assert missing == {"One call. wrong", "One call. missing"}
    assert len(told) == 3
    assert PEER_SECONDS > 1


@pytest.mark.endurance
def test_what_does_not_end_is_ended_and_the_others_are_in_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "MEASURED", {"policies": 0.2, "nowhere": 60, "config_load": 300})
    document = tmp_path / "performance.md"
    assert whole.write_document(["policies", "nowhere", "config_load"], Options(1, peers=False), document) == 1
    text = document.read_text(encoding="utf-8")
    assert "| Load and check a config of 1,000 backends: CPU beyond imports: JSON |" in text
    assert "- Not measured: `policies` (ended after 0 s)." in text
    assert "- Not measured: `nowhere` (it failed, as the terminal says)." in text
