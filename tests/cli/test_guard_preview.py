"""What would leave is shown before it does (``explain --guard``, ``batch --preview``); a batch's columns give names."""

from __future__ import annotations

import csv
import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.main import cli
from complaint_llm.exceptions import GuardError
from complaint_llm.testing import FaultyServer

NAMES = [
    "Maria Lopez", "Jo Bloggs", "Nguyễn Thị Minh", "Anne-Marie O'Neil", "李小龙", "Al-Hassan Omar", "Zoë Müller",
    "D'Angelo Russo", "Mary Jane Watson", "Björk Guðmundsdóttir", "García Márquez", "José",
]  # fmt: skip


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A chat server that echoes, and a config in the working directory that leads to it."""
    monkeypatch.chdir(tmp_path)
    with FaultyServer() as made:
        write_config(made)
        yield made


def write_config(server: FaultyServer, **guard: Any) -> None:
    entry = {"id": "gpt", "type": "openai", "api_key": "sk-secret-1", "model": "m", "base_url": f"{server.url}/v1"}
    given = {"type": "pseudonyms", "for": "all", "names": {"columns": ["client", "landlord"]}, **guard}
    Path("config.json").write_text(json.dumps({"BACKENDS": [entry], "GUARDS": [given]}), encoding="utf-8")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def write_table(rows: list[tuple[str, str, str]]) -> None:
    with Path("in.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["client", "landlord", "story"])
        table.writerows(rows)


def sent_by(server: FaultyServer) -> str:
    return json.dumps([each.body for each in server.requests], ensure_ascii=False)


TEMPLATE = ("--prompt-template", "Read: {story}")


@pytest.mark.parametrize("name", NAMES)
def test_names_of_the_columns_do_not_leave_and_come_back(server: FaultyServer, name: str) -> None:
    """Each item's own; an empty cell is no name."""
    write_table([(name, "", f"{name} paid a@b.org."), ("", "Otto Katz", f"Otto Katz knows {name}.")])
    done = run("batch", "in.csv", *TEMPLATE, "-o", "out.jsonl")
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["text"] for line in lines] == [f"Read: {name} paid a@b.org.", f"Read: Otto Katz knows {name}."]
    bodies = {each.body["messages"][-1]["content"] for each in server.requests}
    assert bodies == {"Read: [NAME_1] paid [EMAIL_1].", f"Read: [NAME_1] knows {name}."}


def test_a_batch_ends_with_what_was_replaced_by_what_found_it(server: FaultyServer) -> None:
    """And says that names not listed were sent as written; as JSON too."""
    write_table([("Maria Lopez", "", "Maria Lopez, a@b.org"), ("Jo Bloggs", "", "Jo Bloggs")])
    done = run("batch", "in.csv", *TEMPLATE, "-o", "out.jsonl")
    said = "guard pseudonyms: replaced 2 by list, 1 by pattern, 0 by detector; names not listed were sent as written"
    assert said in done.output
    done = run("batch", "in.csv", *TEMPLATE, "-o", "again.jsonl", "--json")
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["guards"] == {"pseudonyms": {"list": 2, "pattern": 1, "detector": 0}}


def test_a_resumed_batch_counts_what_was_replaced_before(server: FaultyServer) -> None:
    """The journal keeps the counts with the answers."""
    write_table([("Maria Lopez", "", "Maria Lopez, a@b.org")])
    for _ in range(2):
        done = run("batch", "in.csv", *TEMPLATE, "-o", "out.jsonl")
        assert "replaced 1 by list, 1 by pattern" in done.output
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.csv", "client,story\nA B,C\n"),
        ("in.csv", "landlord,story\nA B,C\n"),
        ("in.csv", "Client,Landlord,story\nA B,C D,E\n"),
        ("in.csv", "klient,landlord,story\nA B,C D,E\n"),
        ("in.tsv", "client\tstory\nA B\tC\n"),
        ("in.jsonl", '{"prompt": "x"}\n'),
        ("in.jsonl", '{"prompt": "client"}\n'),
        ("in.txt", "one\ntwo\n"),
        ("in.ndjson", '{"prompt": "x"}\n'),
        ("in.txt", "client,landlord\n"),
    ],
)
def test_without_its_columns_a_batch_does_not_begin(server: FaultyServer, name: str, text: str) -> None:
    """Nothing is sent; which column is missing is said, by every way to begin."""
    Path(name).write_text(text, encoding="utf-8")
    template = TEMPLATE if name.endswith(("csv", "tsv")) else ()
    for more in ((), ("--dry-run",), ("--preview", "1")):
        done = run("batch", name, *template, *more)
        assert done.exit_code == 2
        assert "a guard takes names from the column" in done.output
    assert not server.requests


@pytest.mark.parametrize("as_json", [False, True])
def test_a_preview_shows_exactly_what_leaves_and_sends_nothing(server: FaultyServer, as_json: bool) -> None:
    """What is then sent has the same messages."""
    rows = [(name, "", f"{name} paid 4111 1111 1111 1111 by a@b.org.") for name in NAMES]
    write_table(rows)
    done = run("batch", "in.csv", *TEMPLATE, "--preview", "5", *(["--json"] if as_json else []))
    assert done.exit_code == 0, done.output
    assert not server.requests
    assert not any(name in done.stdout for name in NAMES)
    run("batch", "in.csv", *TEMPLATE, "-w", "1", "-o", "out.jsonl")
    sent = [each.body["messages"] for each in server.requests][:5]
    if as_json:
        shown = [json.loads(line) for line in done.stdout.splitlines()]
        assert [each["backends"][0]["messages"] for each in shown] == sent
    else:
        assert done.stdout.count("item ") == 5
        assert all(messages[-1]["content"] in done.stdout for messages in sent)


def test_explain_shows_what_each_backend_would_be_asked(server: FaultyServer) -> None:
    """With the counts of the guards; nothing is sent."""
    done = run("explain", "--guard", "I am a@b.org", "-s", "Be kind to b@c.org")
    assert done.exit_code == 0, done.output
    assert "a@b.org" not in done.stdout
    assert "[EMAIL_2]" in done.stdout
    assert "replaced 0 by list, 2 by pattern" in done.stdout
    found = json.loads(run("explain", "--guard", "I am a@b.org", "--json").stdout)
    assert [each["content"] for each in found[0]["messages"]] == ["I am [EMAIL_1]"]
    assert not server.requests


FAULTS = {
    "refuses": "raise GuardRefusal('not this one')",
    "raises": "raise RuntimeError(f'cannot read {text}')",
    "ends": "raise SystemExit(text)",
    "is late": "time.sleep(1)",
    "gives nothing": "return None",
    "gives a text": "return text",
}
FAILING = """
import time
from complaint_llm import hookimpl
from complaint_llm.guards.guard import Guard, GuardRefusal
class Failing(Guard):
    def before(self, request, target_kind):
        text = request.messages[-1].text
        {body}
@hookimpl
def complaint_llm_guards():
    return {{"failing": lambda: Failing()}}
"""


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "command",
    [
        ("explain", "--guard", "Maria Lopez, a@b.org"),
        ("explain", "--guard", "--json", "Maria Lopez, a@b.org"),
        ("batch", "in.csv", *TEMPLATE, "--preview", "2"),
        ("batch", "in.csv", *TEMPLATE, "--preview", "2", "--json"),
        ("--debug", "generate", "Maria Lopez, a@b.org"),
    ],
    ids=lambda command: " ".join(each for each in command if each.isalpha() or each.startswith("--")),
)
def test_a_guard_that_fails_shows_nothing(
    server: FaultyServer, tmp_path: Path, command: tuple[str, ...], fault: str
) -> None:
    """As it would send nothing: one line says so, and no word of the text is printed or sent; nor behind a guard that
    works."""
    Path("plugins").mkdir(mode=0o755)
    plugin = f"failing_{tmp_path.name}.py"
    Path("plugins", plugin).write_text(FAILING.format(body=FAULTS[fault]), encoding="utf-8")
    write_config(server, names="none")
    config = json.loads(Path("config.json").read_text(encoding="utf-8"))
    config["GUARDS"] += [{"type": "failing", "for": "all", "timeout": 0.1}]
    config["PLUGINS"] = {"paths": ["plugins"]}
    Path("config.json").write_text(json.dumps(config), encoding="utf-8")
    write_table([("Maria Lopez", "", "Maria Lopez, a@b.org")] * 3)
    done = run(*command)
    assert isinstance(done.exception, GuardError)
    assert "nothing was sent" in str(done.exception)
    printed = done.output + "".join(traceback.format_exception(done.exception))
    assert not [word for word in ("Lopez", "a@b.org", "EMAIL_1", "[user]") if word in printed]
    assert sent_by(server) == "[]"


def test_lines_may_name_who_is_to_be_hidden(server: FaultyServer) -> None:
    """A line may set no other parameter than how its answer is made, and this."""
    write_config(server, names="none")
    Path("in.jsonl").write_text('{"prompt": "Maria Lopez", "params": {"names": ["Maria Lopez"]}}\n', encoding="utf-8")
    assert run("batch", "in.jsonl", "-o", "out.jsonl").exit_code == 0
    assert server.requests[0].body["messages"][-1]["content"] == "[NAME_1]"
    assert "Maria Lopez" in Path("out.jsonl").read_text(encoding="utf-8")


def test_without_guards_a_preview_says_so(server: FaultyServer) -> None:
    """What leaves is what was written."""
    config = json.loads(Path("config.json").read_text(encoding="utf-8"))
    del config["GUARDS"]
    Path("config.json").write_text(json.dumps(config), encoding="utf-8")
    done = run("explain", "--guard", "I am a@b.org")
    assert "I am a@b.org" in done.stdout
    assert "no guard stands before it" in done.stdout
    assert sent_by(server) == "[]"
