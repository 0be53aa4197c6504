"""What each command prints and sends."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.main import COMMANDS, cli
from complaint_llm.testing.steady_clock import SteadyClock
from tests.end_to_end.everything import write_config
from tests.faults.mode import ANSWER, failed, said
from tests.faults.modes import WELL
from tests.peers import free_port
from tests.transport.faulty import REQUEST, FaultyServer, ok

ROOT = Path(__file__).resolve().parents[2]
MOCK = {"id": "offline", "type": "mock", "echo": True}
Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _logger() -> Iterator[None]:
    """The command line gives the library's logger a handler, as a program may; tests give it back."""
    logger = logging.getLogger("complaint_llm")
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(here: Path) -> Run:
    """Runs the program in this process; errors that become lines and codes in ``main`` come out as they are."""

    def called(*arguments: str, **more: Any) -> Result:
        done = CliRunner().invoke(cli, arguments, **more)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return called


def entry(port: int, **keys: Any) -> dict[str, Any]:
    base = {"id": "first", "type": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "api_key": "sk-x", "model": "m"}
    return {**base, "max_retries": 0, **keys}


def sent(server: FaultyServer) -> dict[str, Any]:
    """The body of the only request."""
    (request,) = server.requests
    body: dict[str, Any] = json.loads(request.partition(b"\r\n\r\n")[2])
    return body


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    """And a line in the overview."""
    done = run(command, "--help")
    assert done.exit_code == 0
    assert "Example" in done.stdout or "Examples" in done.stdout
    assert COMMANDS[command][1].split(";")[0][:30] in run("--help").stdout


def test_generate_sends_what_its_options_say(run: Run, here: Path) -> None:
    """Each option reaches the wire; none is parsed and forgotten."""
    with FaultyServer(WELL.plain) as server:
        write_config(here, [MOCK | {"id": "other"}, entry(server.port)])
        done = run(
            *("generate", "ask", "-s", "Be brief.", "-b", "first", "-m", "other-model"),
            *("--max-tokens", "77", "--temperature", "0.25", "--timeout", "9"),
        )
        assert (done.exit_code, done.stdout) == (0, ANSWER + "\n")
        body = sent(server)
    assert body["model"] == "other-model"
    assert body["temperature"] == 0.25
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert [(m["role"], m["content"]) for m in body["messages"]] == [("system", "Be brief."), ("user", "ask")]


def test_generate_as_json_is_the_whole_output(run: Run, here: Path) -> None:
    """Text, usage, attempts, in JSON that keeps letters as they are."""
    with FaultyServer(WELL.plain) as server:
        write_config(here, [entry(server.port)])
        done = run("generate", "ask", "--json")
    output = json.loads(done.stdout)
    assert (output["content"], output["backend"], output["finish_reason"]) == (ANSWER, "first", "stop")
    assert output["token_usage"]["total_tokens"] == 7
    assert [attempt["backend"] for attempt in output["attempts"]] == ["first"]
    assert "無効" in done.stdout


def test_the_timeout_option_ends_a_call(run: Run, here: Path, steady_clock: SteadyClock) -> None:
    """In seconds, for the whole call."""

    from complaint_llm.exceptions import BackendTimeoutError
    from tests.transport.faulty import HANG

    with FaultyServer([REQUEST, HANG]) as server:
        write_config(here, [entry(server.port)])
        started = steady_clock()
        with pytest.raises(BackendTimeoutError):
            run("generate", "ask", "--timeout", "0.3")
        assert steady_clock() - started < 3


def test_check_tells_ready_from_left_out_and_demo(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0: what is optional may be left out. Nothing is contacted."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    left_out = entry(9, id="gone", api_key="$NO_SUCH_KEY", optional=True)
    write_config(here, [left_out, entry(free_port()), MOCK])
    done = run("check", "--json")
    assert done.exit_code == 0
    findings = {finding["id"]: finding for finding in json.loads(done.stdout)}
    assert list(findings) == ["gone", "first", "offline"]
    assert findings["gone"]["state"] == "left out"
    assert "NO_SUCH_KEY" in findings["gone"]["note"]
    assert (findings["first"]["state"], findings["first"]["model"]) == ("ready", "m")
    assert findings["offline"]["note"] == "demo text, not a model"
    table = run("check").stdout.splitlines()
    assert [line.split()[0] for line in table] == ["backend", "gone", "first", "offline"]


def test_check_connect_asks_each_backend_and_sends_no_prompt(run: Run, here: Path) -> None:
    """Ready, unreachable, broken where the key is refused; exit code 1 for the last two."""
    with FaultyServer([REQUEST, ok(b'{"data": []}')]) as well, FaultyServer([REQUEST, failed(401, said("no"))]) as bad:
        write_config(here, [entry(well.port)])
        assert run("check", "--connect").exit_code == 0
        write_config(here, [entry(well.port), entry(bad.port, id="refused"), entry(free_port(), id="dead")])
        done = run("check", "--connect", "--json")
        assert all(request.startswith(b"GET /v1/models ") for request in [*well.requests, *bad.requests])
    assert done.exit_code == 1
    findings = {finding["id"]: finding for finding in json.loads(done.stdout)}
    assert {id: finding["state"] for id, finding in findings.items()} == {
        "first": "ready",
        "refused": "broken",
        "dead": "unreachable",
    }
    assert "HTTP 401" in findings["refused"]["note"]


def test_check_under_privacy_contacts_nobody_beyond_this_machine(run: Run, here: Path) -> None:
    """What may never be asked is shown as left out, and not contacted either."""
    far = entry(9, id="far", base_url="http://192.0.2.7/v1")
    write_config(here, [far, entry(free_port(), location="local")], MEDIATOR={"privacy": "local", "timeout": 5})
    findings = {finding["id"]: finding for finding in json.loads(run("check", "--connect", "--json").stdout)}
    assert findings["far"]["state"] == "left out"
    assert findings["first"]["state"] == "unreachable"


def test_check_names_models_that_were_retired(run: Run, here: Path) -> None:
    """A model that is over is named with its day, so that a night's batch does not find out."""
    from complaint_llm.prices import today

    days = json.loads((ROOT / "complaint_llm" / "data" / "retirements.json").read_text(encoding="utf-8"))
    model, day = min(((name, told["day"]) for name, told in days["models"]["openai"].items()), key=lambda item: item[1])
    assert day <= today()
    write_config(here, [{"id": "old", "type": "openai", "api_key": "sk-x", "model": model}])
    (finding,) = json.loads(run("check", "--json").stdout)
    assert f"RETIRED on {day}" in finding["note"]


def test_plugins_lists_every_built_in_type(run: Run) -> None:
    """Without a config: what is installed, nothing broken."""
    done = run("plugins", "--json")
    assert done.exit_code == 0
    records = json.loads(done.stdout)
    types = {type for record in records for type in record["types"]}
    assert {"openai", "anthropic", "google", "lmstudio", "mock", "fallback", "ollama", "groq"} <= types
    assert not any(record["error"] for record in records)
    assert run("plugins").stdout.splitlines()[0].split() == ["plugin", "came", "by", "from", "sha256", "types"]


def test_plugins_answers_whatever_else_is_wrong_with_the_config(run: Run, here: Path) -> None:
    """It is the command to look with when a config is refused."""
    write_config(here, [{**MOCK, "temperatur": 1}, {"id": "x", "type": "opnai"}])
    done = run("plugins", "--json")
    assert done.exit_code == 0
    assert {"openai", "mock"} <= {record["name"] for record in json.loads(done.stdout)}


def test_plugins_lists_what_is_dropped_in(run: Run, here: Path) -> None:
    """A broken one with its reason on one line, and exit code 1."""
    (here / "plugins").mkdir()
    (here / "plugins" / "broken.py").write_text("1 / 0\n")
    write_config(here, [MOCK], PLUGINS={"paths": ["plugins"]})
    done = run("plugins", "--json")
    assert done.exit_code == 1
    (record,) = [record for record in json.loads(done.stdout) if record["error"]]
    assert record["name"] == "broken"
    assert "ZeroDivisionError" in record["error"]
    assert "\n" not in record["error"]


def test_schema_is_a_json_schema_that_takes_the_example(run: Run) -> None:
    """And refuses what the loader refuses."""
    from jsonschema import Draft202012Validator

    schema = json.loads(run("schema").stdout)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    example = json.loads((ROOT / "config.example.json").read_text(encoding="utf-8"))
    assert list(validator.iter_errors(example)) == []
    example["BACKENDS"][0]["temperatur"] = 1
    assert list(validator.iter_errors(example))


def test_explain_sends_nothing(run: Run, here: Path) -> None:
    """The order, and the reason for what would be passed over."""
    with FaultyServer([REQUEST]) as server:
        write_config(here, [entry(server.port), entry(server.port, id="second", location="local")])
        done = run("explain", "ask", "--privacy", "local", "--json")
        assert server.connections == 0
    assert done.exit_code == 0
    candidates = {each["backend"]: each["skip"] for each in json.loads(done.stdout)["candidates"]}
    assert candidates["second"] is None
    assert "not local" in candidates["first"]


def test_embed_prints_a_vector_a_line(run: Run, here: Path) -> None:
    """From arguments, or from the lines of standard input."""
    write_config(here, [MOCK])
    vectors = [json.loads(line) for line in run("embed", "one", "two").stdout.splitlines()]
    assert len(vectors) == 2
    assert vectors[0] != vectors[1]
    assert [json.loads(line) for line in run("embed", input="one\ntwo\n").stdout.splitlines()] == vectors


def test_the_config_is_found_by_option_then_environment_then_folder(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest to the command line wins."""
    for name in ("option", "environment", "folder"):
        (here / name).mkdir()
        write_config(here / name, [{"id": name, "type": "mock", "echo": True}])
    monkeypatch.chdir(here / "folder")

    def used(*arguments: str) -> str:
        backend: str = json.loads(run(*arguments, "generate", "ask", "--json").stdout)["backend"]
        return backend

    assert used() == "folder"
    monkeypatch.setenv("COMPLAINT_LLM_CONFIG", str(here / "environment" / "config.json"))
    assert used() == "environment"
    assert used("-c", str(here / "option" / "config.json")) == "option"


def test_the_log_level_of_the_config_holds(run: Run, here: Path) -> None:
    """LOG.level is the level of the library's logger; --debug goes below it."""
    write_config(here, [MOCK], LOG={"level": "ERROR"})
    run("generate", "ask")
    assert logging.getLogger("complaint_llm").level == logging.ERROR
    run("--debug", "generate", "ask")
    assert logging.getLogger("complaint_llm").level == logging.DEBUG
