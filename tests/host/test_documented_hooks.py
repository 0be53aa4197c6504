"""Each hook has an example in docs/plugins.md, and each example does what its page says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from complaint_llm import Mediator, hookspecs
from complaint_llm.cli.main import cli
from complaint_llm.exceptions import GuardError
from complaint_llm.messages import Document, Message, TextPart

DOCUMENT = Path(__file__).parents[2] / "docs" / "plugins.md"
HOOKS = [name for name in vars(hookspecs) if name.startswith("complaint_llm_")]


def section(hook: str) -> str:
    """What the page says below the heading of a hook; nothing where there is none."""
    found = re.search(rf"^### {hook}\n(.*?)(?=^##)", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def example(hook: str, language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", section(hook), re.DOTALL)
    return str(found)


def answers_as_its_backend(here: Path) -> None:
    with Mediator.from_config(here) as mediator:
        assert mediator.generate("hello") == "You said: hello"


def asks_the_last_one_first(here: Path) -> None:
    with Mediator.from_config(here) as mediator:
        assert mediator.generate("x") == "from b"


def refuses_what_its_guard_refuses(here: Path) -> None:
    with Mediator.from_config(here) as mediator:
        assert mediator.generate("an open file") == "an open file"
        with pytest.raises(GuardError, match="a word of the list"):
            mediator.generate("a sealed file")


def writes_a_line_a_call(here: Path) -> None:
    with Mediator.from_config(here) as mediator:
        mediator.generate("x")
    assert Path("tally.txt").read_text() == "a\n"


def finds_what_its_check_finds(here: Path) -> None:
    with Mediator.from_config(here) as mediator:
        output = mediator.infer("my heat", task="brief")
    assert [finding.pointer for finding in output.findings] == ["/summary"]


def knows_its_task(here: Path) -> None:
    with Mediator.from_config(here) as mediator:
        assert mediator.generate("to my landlord", task="letter") == "Dear judge"
        assert mediator.generate("to my landlord", task="short_letter") == "Dear judge"
    done = CliRunner().invoke(cli, ["generate", "--task", "letter", "to my landlord"])
    assert (done.exit_code, done.stdout) == (0, "Dear judge\n")


def reads_as_its_reader(here: Path) -> None:
    lease = Document(data=b"a lease", media_type="text/plain", name="lease.txt")
    prompt = [Message("user", (TextPart("Read:"), lease))]
    with Mediator.from_config(here) as mediator:
        assert "A LEASE" in mediator.generate(prompt)


def runs_a_batch_where_it_says(here: Path) -> None:
    Path("in.txt").write_text("one\ntwo\n")
    done = CliRunner().invoke(cli, ["batch", "in.txt", "-o", "out.jsonl", "--executor", "queue://"])
    assert done.exit_code == 0, done.output
    assert [json.loads(line)["text"] for line in Path("out.jsonl").read_text().splitlines()] == ["Yes.", "Yes."]


def keeps_blocks_where_it_says(here: Path) -> None:
    with Mediator.from_config(here) as mediator:
        cid = mediator.submit_evidence(b"hello world\n", "document")["cid"]
        assert mediator.retrieve_evidence(cid) == b"hello world\n"


def runs_its_command(here: Path) -> None:
    done = CliRunner().invoke(cli, ["twice", "hello"])
    assert (done.exit_code, done.stdout) == (0, "hello\nhello\n")
    assert "twice" in CliRunner().invoke(cli, ["--help"]).stdout


def stands_under_the_file(here: Path) -> None:
    shown = json.loads(CliRunner().invoke(cli, ["config", "show"]).stdout)
    assert shown["MEDIATOR"] == {"timeout": 20}
    expected = {"MEDIATOR": {"on_truncation": "error"}, "APPLICATION": {"office": "downtown"}}
    assert shown["x-defaults"] == {"office": expected}
    with Mediator.from_config(here) as mediator:
        assert mediator.config is not None
        assert mediator.config.mediator["timeout"] == 20
        assert mediator.config.mediator["on_truncation"] == "error"
        assert mediator.config.application == {"office": "downtown"}


SHOWN: Mapping[str, Callable[[Path], Any]] = {
    "complaint_llm_backend_types": answers_as_its_backend,
    "complaint_llm_strategies": asks_the_last_one_first,
    "complaint_llm_guards": refuses_what_its_guard_refuses,
    "complaint_llm_observers": writes_a_line_a_call,
    "complaint_llm_checks": finds_what_its_check_finds,
    "complaint_llm_tasks": knows_its_task,
    "complaint_llm_document_readers": reads_as_its_reader,
    "complaint_llm_batch_executors": runs_a_batch_where_it_says,
    "complaint_llm_block_stores": keeps_blocks_where_it_says,
    "complaint_llm_commands": runs_its_command,
    "complaint_llm_config_defaults": stands_under_the_file,
}


@pytest.mark.rows(4)
@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_is_documented_with_an_example_that_works(
    hook: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook without example, or without a line here that runs it, fails."""
    assert hook in SHOWN, f"show here what the example of {hook} does"
    monkeypatch.chdir(tmp_path)
    Path("plugins").mkdir(mode=0o755)
    Path("plugins", "office.py").write_text(example(hook, "python"), encoding="utf-8")
    Path("config.json").write_text(example(hook, "json"), encoding="utf-8")
    SHOWN[hook](Path("config.json"))


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_says_when_it_is_called_and_what_none_means(hook: str) -> None:
    """In its own docstring, and in the table of the page."""
    words = " ".join(str(vars(hookspecs)[hook].__doc__).split())
    assert "Called " in words
    assert "None offers nothing" in words
    assert re.search(r"\braise[sd]?\b|Error|fault", words), "what may be raised"
    assert re.search(rf"^\| `{hook}` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
