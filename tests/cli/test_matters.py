"""Matters on the command line: given with a call, in what is kept, listed and exported; and what check says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.batch import Journal
from complaint_llm.evidence import EvidenceStore
from tests.matters.holdings import command


def write_config(folder: Path, **mediator: Any) -> None:
    """A config with an echo, and the settings of MEDIATOR."""
    config = {
        "BACKENDS": [{"id": "m", "type": "mock", "echo": True}],
        "MEDIATOR": mediator,
        "EVIDENCE": {"path": "evidence"},
    }
    (folder / "config.json").write_text(json.dumps(config))


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of OUT."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_matter_of_a_command_and_of_a_line_is_in_journal_and_out(tmp_path: Path) -> None:
    """A line's own stands above the command's; one that cannot be read has the command's."""
    write_config(tmp_path)
    given = [{"prompt": "a"}, {"prompt": "b", "params": {"matter": "2"}}, {"id": "c", "prompt": "c"}]
    text = "".join(json.dumps(line) + "\n" for line in given) + "no json\n"
    (tmp_path / "in.jsonl").write_text(text)
    command(tmp_path, "batch", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl"), "--matter", "1")
    assert [line["matter"] for line in lines(tmp_path / "out.jsonl")] == ["1", "2", "1", "1"]
    with Journal(tmp_path / "out.jsonl.journal") as journal:
        assert len(journal.entries_of_matter("1")) == 3
        assert len(journal.entries_of_matter("2")) == 1


def test_a_batch_without_a_journal_says_it_too(tmp_path: Path) -> None:
    """On standard output."""
    write_config(tmp_path)
    (tmp_path / "in.jsonl").write_text('{"prompt": "a"}\n')
    _, said = command(tmp_path, "batch", str(tmp_path / "in.jsonl"), "--matter", "1")
    assert json.loads(next(line for line in said.splitlines() if line.startswith("{")))["matter"] == "1"


def test_answers_of_before_get_the_matter_of_the_run_that_goes_on(tmp_path: Path) -> None:
    """They are not asked again for it."""
    write_config(tmp_path)
    (tmp_path / "in.jsonl").write_text('{"prompt": "a"}\n')
    arguments = ["batch", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "out.jsonl")]
    command(tmp_path, *arguments)
    command(tmp_path, *arguments, "--matter", "1")
    with Journal(tmp_path / "out.jsonl.journal") as journal:
        (entry,) = journal.entries_of_matter("1")
    assert entry.sends == 1


@pytest.mark.parametrize("arguments", [["generate", "hi"], ["batch", "in.jsonl", "-o", "out.jsonl"]])
def test_where_a_matter_is_required_nothing_is_asked_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """Not even the first item; with one it goes."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, matter_required=True)
    (tmp_path / "in.jsonl").write_text('{"prompt": "a"}\n')
    with pytest.raises(Exception, match="no matter"):
        command(tmp_path, *arguments)
    code, _ = command(tmp_path, *arguments, "--matter", "2026-0417")
    assert code == 0


def test_evidence_of_a_matter_is_listed_and_exported_and_nothing_of_another(tmp_path: Path) -> None:
    """Content that two matters handed in goes with the one's record alone."""
    write_config(tmp_path, provenance="full")
    (tmp_path / "a.txt").write_text("shared letter")
    (tmp_path / "b.txt").write_text("other letter")
    for matter, file, words in (("1", "a.txt", "of mine"), ("2", "a.txt", "of theirs"), ("2", "b.txt", "theirs too")):
        command(tmp_path, "evidence", "add", str(tmp_path / file), "--matter", matter, "--description", words)
    with Mediator.from_config(tmp_path / "config.json") as mediator:
        mediator.infer("question of mine", matter="1")
        mediator.infer("question of theirs", matter="2")
    _, said = command(tmp_path, "evidence", "list", "--matter", "1", "--json")
    (record,) = [json.loads(line) for line in said.splitlines()] if said.startswith('{"') else json.loads(said)
    assert (record["matter"], record["description"]) == ("1", "of mine")
    car = tmp_path / "one.car"
    code, _ = command(tmp_path, "evidence", "export", "--matter", "1", "-o", str(car))
    assert code == 0
    data = car.read_bytes()
    assert b"of mine" in data
    assert b"shared letter" in data
    assert b"theirs" not in data
    assert b"other letter" not in data
    with EvidenceStore(tmp_path / "elsewhere") as store:
        done = store.import_archive(car)
        assert [each["matter"] for each in done["records"]] == ["1"]
        assert len(done["provenance"]) == 1
        assert len(store.matter_holdings("1").answers) == 1


def test_check_names_what_requirements_leave_out_and_does_not_contact_it(tmp_path: Path) -> None:
    """With the reason and its source; nothing listens at that address, and nothing is unreachable."""
    closed = {"type": "openai", "api_key": "k", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    config = {
        "BACKENDS": [
            {"id": "gpt", "type": "openai", "api_key": "k", "model": "m"},
            {"id": "gateway", **closed, "location": "remote"},
            {"id": "here", **closed, "location": "local"},
        ],
        "MEDIATOR": {"requires": {"trains": False, "region": "eu"}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    _, said = command(tmp_path, "check", "--connect", "--json")
    found = {each["id"]: each for each in json.loads(said[said.index("[") : said.rindex("]") + 1])}
    assert found["gpt"]["state"] == found["gateway"]["state"] == "left out"
    assert 'region is unknown, eu is required (OpenAI, "Data controls' in found["gpt"]["note"]
    assert "no source" in found["gateway"]["note"]
    assert found["here"]["state"] == "unreachable"
    assert "nothing leaves this machine" in found["here"]["handling"][0]
