"""``complaint-llm init``: from an empty folder to a first answer, by questions and by options."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from complaint_llm.config import load_config
from tests import forked
from tests.pseudo_terminal import Session, at_terminal

KEY = "sk-typed-canary-0123456789"
MODELS = ("small-1", "large-2")


class Handler(http.server.BaseHTTPRequestHandler):
    """A list of models, and chat completions that say which model and key they were asked with."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def answer(self, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.answer({"object": "list", "data": [{"id": name} for name in MODELS]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = "the key" if self.headers.get("Authorization") == f"Bearer {KEY}" else "no key"
        message = {"role": "assistant", "content": f"{asked['model']} was asked with {key}"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": asked["model"]}
        self.answer({**body, "choices": [choice], "usage": usage})


@pytest.fixture
def address() -> Iterator[str]:
    """The address of a server on OpenAI's API."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


def environ(**more: str) -> dict[str, str]:
    """The environment without any key in it."""
    kept = ("PATH", "HOME", "PYTHONPATH", "VIRTUAL_ENV", "LANG")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, "TERM": "xterm", **more}


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return forked.run(
        [sys.executable, "-m", "complaint_llm", *arguments],
        cwd=folder,
        env=environ(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def session(folder: Path, *arguments: str, typed: list[tuple[str, str]], **more: str) -> Session:
    return at_terminal(folder, ["init", *arguments], typed, environ(**more))


def follow(folder: Path, commands: str) -> str:
    """Do what ``init`` said was next; the answer of the last."""
    first, second = (line for line in commands.splitlines() if line.startswith("complaint-llm"))
    check, generate = first.split(), second.partition(' "')[0].split()
    assert run(folder, *check[1:]).returncode == 0
    done = run(folder, *generate[1:], "Say hello.")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_questions_lead_from_an_empty_folder_to_a_first_answer(tmp_path: Path, address: str) -> None:
    done = session(
        tmp_path,
        typed=[
            ("Number or type", "4\n"),
            ("Address", f"{address}\n"),
            ("Key", "\n"),
            ("Number or name", "2\n"),
            ("keep what it is asked", "y\n"),
            ("Folder for evidence", "\n"),
        ],
    )
    assert done.code == 0, done.shown
    assert follow(tmp_path, done.shown) == "large-2 was asked with no key"
    assert json.loads((tmp_path / "config.json").read_text())["BACKENDS"][0]["location"] == "local"
    assert not (tmp_path / ".env").exists()


def test_a_key_is_typed_unseen_and_only_the_owner_reads_it(tmp_path: Path, address: str) -> None:
    (tmp_path / ".git").mkdir()
    done = session(
        tmp_path,
        "--yaml",
        typed=[
            ("Number or type", "4\n"),
            ("Address", "127.0.0.1\n"),
            ("Address", f"{address}\n"),
            ("Key", f"{KEY}\n"),
            ("Number or name", "small-1\n"),
            ("keep what it is asked", "n\n"),
            ("Folder for evidence", "kept\n"),
        ],
    )
    assert done.code == 0, done.shown
    assert KEY not in done.shown
    assert follow(tmp_path, done.shown) == "small-1 was asked with the key"
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".gitignore").read_text() == ".env\n"
    text = (tmp_path / "config.yaml").read_text()
    assert KEY not in text
    assert text.startswith("# yaml-language-server: $schema=./config.schema.json\n")
    assert yaml.safe_load(text)["EVIDENCE"] == {"path": "kept"}


def test_what_answers_here_and_which_keys_are_set_is_offered_first(tmp_path: Path, address: str) -> None:
    done = session(
        tmp_path,
        typed=[("Number or type", "1\n"), ("Number or name", "1\n"), ("keep", "y\n"), ("Folder", "\n")],
        OPENAI_BASE_URL=address,
        OPENAI_API_KEY=KEY,
        ANTHROPIC_API_KEY="sk-ant-canary",
    )
    assert f"1  openai: answers at {address}, 2 models" in done.shown
    assert "($ANTHROPIC_API_KEY is set)" in done.shown
    assert "canary" not in done.shown
    entry = json.loads((tmp_path / "config.json").read_text())["BACKENDS"][0]
    assert (entry["api_key"], entry["model"]) == ("$OPENAI_API_KEY", "small-1")


@pytest.mark.rows(1)
@pytest.mark.parametrize("keys", ["\x03", "\x04"])
@pytest.mark.parametrize("step", ["Number or type", "Key", "Model", "US dollars"])
def test_who_stops_leaves_the_folder_as_it_was(tmp_path: Path, step: str, keys: str) -> None:
    answers = [("Number or type", "anthropic\n"), ("Key", f"{KEY}\n"), ("Model", "\n"), ("US dollars", "20\n")]
    before = answers[: [words for words, _ in answers].index(step)]
    done = session(tmp_path, typed=[*before, (step, keys)])
    assert done.code == 130, done.shown
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_answer_is_asked_again_with_the_reason(tmp_path: Path) -> None:
    done = session(
        tmp_path,
        typed=[
            ("Number or type", "opnai\n"),
            ("did you mean", ""),
            ("Number or type", "77\n"),
            ("there are 1 to", ""),
            ("Number or type", "fallback\n"),
            ("is made of other backends", ""),
            ("Number or type", "google\n"),
            ("Key", "\n"),
            ("Model", "\n"),
            ("US dollars", "much\n"),
            ("a number of dollars", ""),
            ("US dollars", "2.5\n"),
            ("Folder", "\n"),
        ],
    )
    assert done.code == 0, done.shown
    assert json.loads((tmp_path / "config.json").read_text())["MEDIATOR"] == {"budget": {"month": 2.5}}
    assert "GOOGLE_API_KEY is not set yet" in done.shown
    assert (tmp_path / ".env").read_text() == "GOOGLE_API_KEY=\n"


def test_options_lead_to_a_first_answer_without_a_terminal(tmp_path: Path, address: str) -> None:
    arguments = ("--type", "openai", "--base-url", address, "-m", "small-1", "--key-env", "OFFICE_KEY")
    done = run(tmp_path, "init", *arguments, "--id", "office", "-p", "max_tokens", "50", OFFICE_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / ".env").exists()
    document = json.loads((tmp_path / "config.json").read_text())
    assert document == {
        "$schema": "./config.schema.json",
        "BACKENDS": [
            {
                "id": "office",
                "type": "openai",
                "base_url": address,
                "api_key": "$OFFICE_KEY",
                "model": "small-1",
                "max_tokens": 50,
            }
        ],
        "EVIDENCE": {"path": ".complaint_llm/evidence"},
    }
    answer = run(tmp_path, "generate", "hello", OFFICE_KEY=KEY).stdout
    assert answer == "small-1 was asked with the key\n"


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "without a terminal give --type"),
        (("--type", "opnai", "-m", "x"), 'did you mean "openai"?'),
        (("--type", "fallback"), "made of other backends"),
        (("--type", "ollama"), "--model is missing"),
        (("--type", "openai", "-m", "m", "--key-env", "sk-canary-key"), "the name of an environment variable"),
        (("--type", "ollama", "-m", "m", "--budget", "-1"), "--budget"),
        (("--type", "ollama", "-m", "m", "--base-url", "localhost"), "/BACKENDS/0/base_url: an address is http://"),
        (("--type", "ollama", "-m", "m", "-p", "temperatur", "1"), 'did you mean "temperature"?'),
        (("--type", "http", "-m", "m"), 'the key "body" is missing'),
        (("--type", "azure_openai", "-m", "m"), "no base_url"),
        (("--type", "ollama", "-m", "m", "--id", "two words"), "an id has no spaces"),
        (("--type", "ollama", "-m", "m", "-c", "no/such/config.json"), "there is no folder"),
        (("--type", "ollama", "-m", "m", "-c", "a.json", "--yaml"), "is no name of a YAML file"),
    ],
)
def test_what_makes_no_config_writes_nothing(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run(tmp_path, "init", *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "sk-canary" not in done.stderr
    assert list(tmp_path.iterdir()) == []


OLLAMA = ("init", "--type", "ollama", "-m", "m")


@pytest.mark.rows(2)
@pytest.mark.parametrize("there", ["config.json", "config.yaml", "config.yml"])
@pytest.mark.parametrize("flags", [(), ("--yaml",)])
def test_a_config_that_is_there_is_never_written_over(tmp_path: Path, there: str, flags: tuple[str, ...]) -> None:
    (tmp_path / there).write_text("mine")
    done = run(tmp_path, *OLLAMA, *flags)
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"


def test_force_replaces_the_config_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("mine")
    (tmp_path / ".env").write_text("OLLAMA_API_KEY=k\nMINE=1")
    assert run(tmp_path, *OLLAMA, "--force").returncode == 0
    assert json.loads((tmp_path / "config.json").read_text())["BACKENDS"][0]["type"] == "ollama"
    assert (tmp_path / ".env").read_text() == "OLLAMA_API_KEY=k\nMINE=1"


def test_a_schema_that_is_not_ours_is_in_the_way_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "config.schema.json").write_text("{}")
    assert run(tmp_path, *OLLAMA).returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["config.schema.json"]


def test_a_config_elsewhere_is_named_in_the_next_commands(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    done = run(tmp_path, "-c", "a b/office.yaml", "init", "--type", "mock")
    assert done.stdout.splitlines()[0] == "complaint-llm -c 'a b/office.yaml' check --connect"
    assert sorted(path.name for path in (tmp_path / "a b").iterdir()) == ["config.schema.json", "office.yaml"]
    assert load_config(tmp_path / "a b" / "office.yaml", environ={}).order == ("mock",)


@pytest.mark.rows(2)
@pytest.mark.parametrize("type", ["anthropic", "claude", "groq", "openrouter", "xai", "mistral", "huggingface"])
@pytest.mark.parametrize("yaml_too", [False, True])
def test_a_line_for_the_key_waits_in_the_env_file(tmp_path: Path, type: str, yaml_too: bool) -> None:
    done = run(tmp_path, "init", "--type", type, "-m", "m", "--budget", "20", *(["--yaml"] if yaml_too else []))
    assert done.returncode == 0, done.stderr
    (line,) = (tmp_path / ".env").read_text().splitlines()
    name = line.removesuffix("=")
    assert f"{name} is not set yet: put the key into .env" in done.stderr
    file = tmp_path / ("config.yaml" if yaml_too else "config.json")
    config = load_config(file, environ={name: "k"})
    assert config.mediator["budget"] == {"month": 20}
