"""``generate -x``: the code of an answer and no more, for scripts; and lists of answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.main import cli
from complaint_llm.testing import FaultyServer, Reply

ANSWER = "Two ways:\n\n```sh\nmv a b\n```\n\nor\n\n```python\nos.rename('a', 'b')\n```\nDone."
Ask = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer(Reply(ANSWER)) as made:
        yield made


@pytest.fixture
def ask(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    entry = {"id": "a", "type": "openai", "api_key": "sk-x", "model": "m", "base_url": f"{server.url}/v1"}
    Path("config.json").write_text(json.dumps({"BACKENDS": [entry]}), encoding="utf-8")
    Path("in.jsonl").write_text('{"prompt": "q"}\n', encoding="utf-8")
    return lambda *options: CliRunner().invoke(cli, options)


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        (("-x",), "mv a b\n"),
        (("--extract",), "mv a b\n"),
        (("--xl",), "os.rename('a', 'b')\n"),
        (("--extract-last",), "os.rename('a', 'b')\n"),
        (("-x", "--no-stream"), "mv a b\n"),
        (("-x", "-u"), "mv a b\n"),
        ((), f"{ANSWER}\n"),
    ],
)
def test_only_the_block_is_printed(ask: Ask, options: tuple[str, ...], printed: str) -> None:
    done = ask("generate", "q", *options)
    assert (done.exit_code, done.stdout) == (0, printed)


@pytest.mark.parametrize("option", ["-x", "--xl"])
def test_without_a_block_all_is_printed_and_stderr_says_so(ask: Ask, server: FaultyServer, option: str) -> None:
    """A script that goes on with it has something to look at."""
    server.script(Reply("No code is needed."))
    done = ask("generate", "q", option)
    assert (done.exit_code, done.stdout) == (0, "No code is needed.\n")
    assert done.stderr == "no fenced code block in the answer: all of it was printed\n"


@pytest.mark.parametrize("options", [("-x", "--xl"), ("-x", "--json"), ("--xl", "--json"), ("-x", "--stream")])
def test_two_ways_of_printing_one_answer_are_a_mistake(
    ask: Ask, server: FaultyServer, options: tuple[str, ...]
) -> None:
    done = ask("generate", "q", *options)
    assert done.exit_code == 2
    assert "give one of them" in done.stderr
    assert server.requests == []


@pytest.mark.parametrize("command", [("generate", "q"), ("batch", "in.jsonl", "-o", "out.jsonl")])
def test_a_list_is_asked_for(ask: Ask, server: FaultyServer, command: tuple[str, ...]) -> None:
    server.script(Reply('{"items": [{"name": "Ann", "age": 3}]}'))
    done = ask(*command, "--schema-multi", "name, age int")
    assert done.exit_code == 0, done.output
    shape = server.requests[0].body["response_format"]["json_schema"]["schema"]
    assert shape["properties"]["items"]["items"]["properties"]["age"] == {"type": "integer"}
