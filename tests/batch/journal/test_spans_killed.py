"""A process that is killed at any moment of a long batch leaves spans that hold, or none."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from complaint_llm.batch.journal.journal import Journal
from complaint_llm.batch.journal.spans import LENGTH

NUMBER = 8 * LENGTH + 30
PROGRAM = """
    import sys
    from complaint_llm.batch import run_batch
    from complaint_llm.messages import InferenceOutput

    journal, log, number, shift = sys.argv[1], open(sys.argv[2], "a", buffering=1), int(sys.argv[3]), int(sys.argv[4])

    def ask(prompt, params):
        log.write(prompt + "\\n")
        return InferenceOutput(f"<{prompt}>")

    passed_over = []
    items = [f"p{each}" for each in range(number)]
    print("begins", flush=True)
    with run_batch(ask, items[shift:] + items[:shift], journal=journal, on_recorded=passed_over.append) as run:
        for result in run:
            pass
    print(run.summary.answered, len(passed_over))
"""


def answered(path: Path) -> set[str]:
    if not path.exists():
        return set()
    with Journal(path) as journal:
        return {each.output.content[1:-1] for each in journal.recorded_items(earlier=True) if each.output}


@pytest.mark.rows(1)
@pytest.mark.parametrize("seed", range(12))
def test_nothing_that_is_recorded_is_asked_again_however_often_it_is_killed(tmp_path: Path, seed: int) -> None:
    """Some runs have the input in another order: what they passed over or moved holds for the next one."""
    chance, path, log = random.Random(seed), tmp_path / "j", tmp_path / "asked"
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(path), str(log), str(NUMBER)]
    log.touch()
    for _ in range(4):
        known, begun = answered(path), len(log.read_text().splitlines())
        shift = chance.choice([0, 0, 3])
        with subprocess.Popen([*command, str(shift)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
            try:
                process.wait(chance.uniform(0.01, 0.6))
            except subprocess.TimeoutExpired:
                process.kill()
        assert not known & set(log.read_text().splitlines()[begun:])
    for last in (False, True):
        known, begun = answered(path), len(log.read_text().splitlines())
        done = subprocess.run([*command, "0"], capture_output=True, text=True, check=True)
        assert not known & set(log.read_text().splitlines()[begun:])
        total, passed_over = map(int, done.stdout.split()[1:])
        assert total == NUMBER
        with Journal(path) as journal:
            found = [(each.position, each.output and each.output.content) for each in journal.recorded_items()]
        assert found == [(place, f"<p{place}>") for place in range(NUMBER)]
        assert not last or passed_over == 8
