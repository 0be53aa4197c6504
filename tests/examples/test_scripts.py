"""The scripts of examples/ do what examples/README.md says, as programs, against a server on this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator, load_config
from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.testing import FaultyServer, Reply
from tests import forked
from tests.report.answers import claims_answer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TEXT = "My landlord shut off the heat in November. I paid rent on the first of each month."
STANDS, INVENTED = "shut off the heat in November", "I was told to leave by Friday"


def answer(*quotes: str) -> Reply:
    return Reply(json.dumps(claims_answer(*quotes)))


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


@pytest.fixture
def office(tmp_path: Path, server: FaultyServer) -> Path:
    """A folder with a config, two backends of the server, and three intakes."""
    entry: dict[str, Any] = {"type": "openai", "base_url": f"{server.url}/v1", "api_key": "sk-test", "max_retries": 0}
    entry |= {"location": "local", "pricing": {"input": 1, "output": 2}}
    entries = [{**entry, "id": name, "model": "gpt-4o-mini"} for name in ("one", "two")]
    config = {"BACKENDS": entries, "MEDIATOR": {"backends": ["one"], "max_workers": 1, "provenance": "digests"}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "in" / f"{name}.txt").write_text(f"{TEXT} I am {name}.", encoding="utf-8")
    return tmp_path


def run(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script as a program in the folder."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COMPLAINT_LLM_")}
    return forked.run(
        [sys.executable, str(EXAMPLES / f"{script}.py"), *arguments],
        cwd=folder, capture_output=True, text=True, timeout=120, env=environ,
    )  # fmt: skip


@pytest.mark.parametrize("script", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_a_script_is_short_and_listed(script: str) -> None:
    """Each that there is: under 60 lines, in the README's table, without a private name of the package."""
    text = (EXAMPLES / f"{script}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert re.search(rf"`{script}\.py[ `]", (EXAMPLES / "README.md").read_text(encoding="utf-8"))
    assert "import _" not in text
    assert "._" not in text


def test_claims_come_with_evidence_and_an_outage_is_named(office: Path, server: FaultyServer) -> None:
    """Each answered intake has its CID and its quotes; one that failed is 1 and no line without claims."""
    server.script(answer(STANDS), answer(STANDS), Reply.error(500))
    done = run(office, "claims_with_evidence", "config.json", "in", "claims.jsonl")
    assert done.returncode == 1, done.stderr
    assert "c.txt: no answer, which is not the same as no claims" in done.stderr
    lines = [json.loads(line) for line in (office / "claims.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == ["a", "b"]
    assert lines[0]["quotes"] == [{"text": STANDS, "stands": True}]
    with Mediator.from_config(office / "config.json") as mediator:
        assert mediator.retrieve_evidence(lines[0]["evidence"]) == (office / "in" / "a.txt").read_bytes()


def test_a_draft_rests_on_what_stands_alone(office: Path, server: FaultyServer) -> None:
    """An invented quotation does not reach the model that drafts, nor the draft."""
    line = {"id": "a", "evidence": "", "answer": claims_answer(STANDS, INVENTED)}
    line["quotes"] = [{"text": STANDS, "stands": True}, {"text": INVENTED, "stands": False}]
    with Mediator.from_config(office / "config.json") as mediator:
        line["evidence"] = mediator.submit_evidence(TEXT.encode(), "intake")["cid"]
    (office / "claims.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    server.script(Reply("The heat was shut off [F1]."))
    done = run(office, "draft_complaint", "config.json", "claims.jsonl", "a")
    assert done.returncode == 0, done.stderr
    assert "The heat was shut off [F1]." in done.stdout
    sent = json.dumps(server.requests[-1].body)
    assert STANDS in sent
    assert INVENTED not in sent + done.stdout


def test_nothing_is_drafted_where_nothing_stands(office: Path, server: FaultyServer) -> None:
    """It ends with 1 and asks nothing."""
    line = {"id": "a", "evidence": "", "answer": claims_answer(INVENTED)}
    line["quotes"] = [{"text": INVENTED, "stands": False}]
    (office / "claims.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert run(office, "draft_complaint", "config.json", "claims.jsonl", "a").returncode == 1
    done = run(office, "draft_complaint", "config.json", "claims.jsonl", "unknown")
    assert (done.returncode, done.stderr) == (1, "unknown: claims.jsonl has no line for it\n")
    assert not server.requests


def test_a_model_that_fails_is_a_line_and_no_draft(office: Path, server: FaultyServer) -> None:
    """No traceback, and nothing that could be taken for a draft."""
    line = {"id": "a", "evidence": "", "answer": claims_answer(STANDS), "quotes": [{"text": STANDS, "stands": True}]}
    with Mediator.from_config(office / "config.json") as mediator:
        line["evidence"] = mediator.submit_evidence(TEXT.encode(), "intake")["cid"]
    (office / "claims.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    server.script(Reply.error(401))
    done = run(office, "draft_complaint", "config.json", "claims.jsonl", "a")
    assert (done.returncode, done.stdout) == (1, "")
    assert "\nnothing was drafted: one: HTTP 401" in f"\n{done.stderr}"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", ["claims_with_evidence", "draft_complaint", "compare_backends", "nightly_batch"])
@pytest.mark.parametrize("arguments", [(), ("config.json",)])
def test_a_script_without_its_arguments_says_what_it_wants(
    office: Path, script: str, arguments: tuple[str, ...]
) -> None:
    """Its first line, and no traceback."""
    done = run(office, script, *arguments)
    assert done.returncode == 1
    assert f"python examples/{script}.py CONFIG" in done.stderr
    assert "Traceback" not in done.stderr


def test_backends_are_compared_on_the_same_intakes(office: Path, server: FaultyServer) -> None:
    """Each has a row; failures are counted and make it 1."""
    server.script(*[answer(STANDS)] * 5, Reply.error(401))
    done = run(office, "compare_backends", "config.json", "in", "one", "two")
    assert done.returncode == 1, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[1][:8] == ["one", "3", "of", "3", "3", "3", "of", "3"]
    assert rows[2][:8] == ["two", "2", "of", "3", "2", "2", "of", "2"]


def test_the_nightly_batch_goes_on_and_says_what_is_missing(office: Path, server: FaultyServer) -> None:
    """A failure is 1 and in the mail; the next night asks it alone, and ends with 0."""
    server.script(answer(STANDS), answer(STANDS), Reply.error(401))
    done = run(office, "nightly_batch", "config.json", "in", "night.journal", "5")
    assert done.returncode == 1, done.stderr
    assert "answered 2, 0 of them in an earlier run" in done.stdout
    assert "Failed 1, not asked 0" in done.stdout
    server.script(answer(STANDS))
    before = len(server.requests)
    done = run(office, "nightly_batch", "config.json", "in", "night.journal", "5")
    assert (done.returncode, len(server.requests) - before) == (0, 1), done.stdout
    assert "answered 3, 2 of them in an earlier run" in done.stdout


def test_the_nightly_batch_stops_at_its_cap(office: Path, server: FaultyServer) -> None:
    """What the cap left is 1, never a silent end."""
    server.script(*[answer(STANDS)] * 3)
    done = run(office, "nightly_batch", "config.json", "in", "night.journal", "0.0000001")
    assert done.returncode == 1, done.stderr
    assert "Stopped: the cost reached" in done.stdout
    assert len(server.requests) < 3


def test_the_nightly_batch_with_a_broken_config_is_two(office: Path) -> None:
    """Cron's mail has the fault's place."""
    (office / "config.json").write_text('{"BACKENDS": [{"id": "x", "type": "opnai"}]}', encoding="utf-8")
    done = run(office, "nightly_batch", "config.json", "in", "night.journal", "5")
    assert done.returncode == 2
    assert "/BACKENDS/0/type" in done.stdout


def test_the_office_config_asks_the_other_pc_and_not_under_privacy_local(server: FaultyServer, tmp_path: Path) -> None:
    """Its handling meets its requirements; where nothing may leave the machine it is refused unsent."""
    text = (EXAMPLES / "config.office.json").read_text(encoding="utf-8")
    assert [each.id for each in load_config(EXAMPLES / "config.office.json", environ={}).backends] == ["studio"]
    here = text.replace("http://${STUDIO_HOST:-192.168.1.20}:1234", server.url)
    (tmp_path / "config.json").write_text(here, encoding="utf-8")
    server.script(Reply("received"))
    with Mediator.from_config(tmp_path / "config.json") as mediator:
        assert mediator.generate("an intake") == "received"
        sent = len(server.requests)
        with pytest.raises(Exception, match="local"):
            mediator.generate("an intake", privacy="local")
        assert len(server.requests) == sent


@pytest.mark.parametrize(
    ("keys", "missing"),
    [({"retention_days": 30}, ""), ({"trains": True}, ""), ({"region": "cn"}, ""), ({"region": ["us", "cn"]}, "")]
    + [({}, name) for name in ("retention_days", "trains", "region")],
)
def test_the_office_config_sends_nothing_where_its_word_is_not_good_enough(
    server: FaultyServer, tmp_path: Path, keys: dict[str, Any], missing: str
) -> None:
    """A log that is kept longer than the office wants, or of which nothing is said, shuts the PC out."""
    config = json.loads((EXAMPLES / "config.office.json").read_text(encoding="utf-8"))
    studio = config["BACKENDS"][0]
    handling = {**studio["handling"], **keys}
    studio |= {"base_url": server.url, "handling": {key: handling[key] for key in handling if key != missing}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    server.script(Reply("received"))
    with Mediator.from_config(tmp_path / "config.json") as mediator, pytest.raises(ComplaintLLMError, match="requires"):
        mediator.generate("an intake")
    assert server.requests == []
