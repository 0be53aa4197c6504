"""``complaint-llm report`` over what ``complaint-llm batch`` wrote."""

from __future__ import annotations

import html
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.batch import Journal
from complaint_llm.exceptions import BatchError
from complaint_llm.report import read_items
from tests import forked
from tests.report.answers import claims_answer

HEAT = "no heat in the house since October"
TEXTS = {"a.txt": "There was no heat in the house since October.", "b.txt": "Nothing at all is wrong here, thank you."}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "complaint_llm", "-c", "config.json", *arguments]
    return forked.run(command, cwd=folder, capture_output=True, text=True, timeout=150)


@pytest.fixture(scope="module", params=["claims.csv", "claims.jsonl"])
def batch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch of two files, one answer for both, as a table and as JSON lines."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "in").mkdir()
    for name, text in TEXTS.items():
        (folder / "in" / name).write_text(text)
    answer = json.dumps(claims_answer(HEAT))
    backend: dict[str, Any] = {"id": "scripted", "type": "mock", "responses": [answer] * 6}
    (folder / "config.json").write_text(json.dumps({"BACKENDS": [backend]}))
    done = run(folder, "batch", "in", "--task", "claims", "-o", request.param)
    outs = [path for path in folder.iterdir() if path.name.startswith("claims") and path.suffix in (".csv", ".jsonl")]
    assert len(outs) == 1, done.stderr
    return outs[0]


@pytest.mark.rows(1)
def test_the_journal_beside_either_format_makes_the_page(batch: Path) -> None:
    """The texts come from the journal; what stands in its own text is marked, what does not is apart."""
    done = run(batch.parent, "report", batch.name, "-o", "page.html")
    assert done.returncode == 0, done.stderr
    named = batch.parent / done.stderr.splitlines()[-1].split(" (")[0]
    assert stat.S_IMODE(named.stat().st_mode) == 0o600
    page = html.unescape(named.read_text(encoding="utf-8"))
    assert f'data-q="1">{HEAT}</mark>' in page
    assert TEXTS["b.txt"] in page
    assert page.count("NOT in the text</small>") == 1
    assert page.count('<section class="unsupported">') == 1


def test_the_items_are_those_of_the_input(batch: Path) -> None:
    """In its order, each with its own text."""
    assert [(item.id, item.material) for item in read_items(batch)] == list(TEXTS.items())


def test_a_comparison_writes_no_page(batch: Path) -> None:
    """``--expect`` and ``--against`` print, and leave files alone; ``--json`` is one object."""
    expected = {"source": "by us", "items": [{"id": "a", "claims": [{"type": "other", "claimant": "x"}]}]}
    (batch.parent / "expected.json").write_text(json.dumps(expected))
    before = sorted(path.name for path in batch.parent.iterdir())
    done = run(batch.parent, "report", batch.name, "--expect", "expected.json")
    assert done.returncode == 0, done.stderr
    assert "Missed claims" in done.stdout
    told = run(batch.parent, "report", batch.name, "--against", batch.name, "--json")
    assert [each["differences"] for each in json.loads(told.stdout)["items"]] == [[], []]
    assert sorted(path.name for path in batch.parent.iterdir()) == before


def test_what_is_not_there_is_one_line(batch: Path) -> None:
    """No OUT, no journal: exit 1, and nothing is made."""
    done = run(batch.parent, "report", "nothing.csv")
    assert done.returncode == 1
    assert done.stderr.strip() == "nothing.csv: is not there, and neither is its journal nothing.csv.journal"
    assert not (batch.parent / "nothing.csv.journal").exists()


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "{}",
        '{"id": "a"}',
        "null",
        '"text"',
        '{"id": 1, "text": 2}',
        "\n",
        "{",
        '{"text": "", "error": 1}',
    ],
)
def test_a_file_of_somebody_else_is_one_line(text: str, tmp_path: Path) -> None:
    """JSON lines that no batch wrote are told by their line."""
    out = tmp_path / "out.jsonl"
    out.write_text(f"{text}\n")
    with pytest.raises(BatchError, match=r"out\.jsonl: line 1"):
        list(read_items(out))


def test_a_table_without_its_journal_is_not_enough(tmp_path: Path) -> None:
    """A table has no quotes with places."""
    (tmp_path / "out.csv").write_text("id,state\n")
    with pytest.raises(BatchError, match="its journal"):
        list(read_items(tmp_path / "out.csv"))


def test_a_journal_in_use_is_told(tmp_path: Path) -> None:
    """While the batch runs there is no page, and the batch goes on."""
    out = tmp_path / "out.csv"
    with Journal(tmp_path / "out.csv.journal"), pytest.raises(BatchError, match="another process uses it"):
        list(read_items(out))
