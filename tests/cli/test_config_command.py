"""``complaint-llm config``: the file is changed as asked, and nothing else in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.main import cli
from complaint_llm.config import load_config
from complaint_llm.exceptions import ConfigError

Run = Callable[..., Result]
TEXT = """\
# our office
BACKENDS:
  - {id: a, type: mock, echo: true}     # for trying out
  - {id: gpt, type: openai, api_key: sk-literal-1234567890, model: m}
MEDIATOR:
  backends: [a]   # the order
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(TEXT)

    def called(*arguments: str) -> Result:
        done = CliRunner().invoke(cli, ["config", *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return called


def written() -> str:
    return Path("config.yaml").read_text()


def test_a_key_is_set_in_place(run: Run) -> None:
    run("set", "MEDIATOR", "timeout", "120")
    run("set", "a", "latency", "5")
    assert written() == TEXT.replace("echo: true}", "echo: true, latency: 5}") + "  timeout: 120\n"


def test_a_backend_is_added_to_the_order_and_taken_out_of_it(run: Run) -> None:
    run("add", "local", "ollama", "model", "llama3.2", "optional", "true")
    assert "  - {id: local, type: ollama, model: llama3.2, optional: true}\n" in written()
    assert "backends: [a, local]   # the order" in written()
    run("remove", "local")
    assert written() == TEXT.replace("[a]", "[a]")


def test_a_backend_may_be_added_for_calls_by_its_id_alone(run: Run) -> None:
    run("add", "b", "mock", "--by-id-only")
    assert load_config("config.yaml").mediator["backends"] == ["a"]


def test_a_secret_on_the_command_line_is_saved_as_a_reference(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("add", "c", "anthropic", "api_key", "sk-given-in-the-shell-123", "model", "m")
    assert "sk-given" not in written()
    assert "$ANTHROPIC_API_KEY" in written()
    assert "set that variable" in done.stderr


def test_show_prints_what_is_written_without_secrets(run: Run) -> None:
    shown = json.loads(run("show").stdout)
    assert shown["BACKENDS"][1] == {"id": "gpt", "type": "openai", "api_key": "***", "model": "m"}
    assert json.loads(run("show", "MEDIATOR").stdout) == {"backends": ["a"]}
    assert json.loads(run("show", "a").stdout)["echo"] is True
    assert run("show", "nobody").exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("set", "a", "latenzy", "1"),
        ("set", "a", "max_retries", "-1"),
        ("set", "nobody", "latency", "1"),
        ("set", "MEDIATOR", "backends", '["x"]'),
        ("add", "a", "mock"),
        ("add", "n", "mok"),
        ("add", "n", "mock", "temperatur", "1"),
        ("remove", "nobody"),
        ("remove", "a"),
        ("set", "MEDIATOR", "strategy", "falback"),
    ],
)
def test_what_would_be_no_config_changes_nothing(run: Run, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigError):
        run(*arguments)
    assert written() == TEXT


def test_a_key_without_a_value_is_a_usage_error(run: Run) -> None:
    assert run("add", "n", "mock", "echo").exit_code == 2
    assert written() == TEXT


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "n", "http"), ["http needs base_url: text. The address", "http needs body", "http needs text"]),
        (("add", "n", "http", "base_url", "http://h"), ["http needs body", "http also takes endpoint, model"]),
        (("add", "n", "llm_router"), ["llm_router needs provider"]),
        (("add", "n", "fallback", "primary", "a"), ["fallback needs fallbacks: list. The ids of the backends"]),
        (("add", "n", "load_balanced"), ["load_balanced needs backends"]),
        (("add", "n", "openai", "modl", "m"), ['did you mean "model"?', "openai also takes organization"]),
        (("add", "n", "opnai"), ['did you mean "openai"?']),
        (("remove", "gptt"), ["no backend 'gptt'; did you mean 'gpt'?"]),
        (("remove", "nobody"), ["there are: a, gpt"]),
        (("set", "gptt", "timeout", "1"), ["did you mean 'gpt'?"]),
        (("set", "mediator", "timeout", "1"), ["did you mean 'MEDIATOR'?"]),
        (("set", "nobody", "timeout", "1"), ["there are: a, gpt, PLUGINS, MEDIATOR"]),
    ],
)
def test_a_refusal_says_what_there_is(run: Run, arguments: tuple[str, ...], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        run(*arguments)
    assert [each for each in words if each not in "\n".join(caught.value.problems)] == []
    assert written() == TEXT


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "n"), ["TYPE is missing, one of: ", "openai", "mock"]),
        (("set", "gpt"), ["KEY is missing", "  organization: text", "  further: ", "temperature: number from 0 to 2"]),
        (("set", "a"), ["  latency: number from 0, 0 by default"]),
        (("set", "MEDIATOR"), ["  strategy: text", "  max_workers: integer from 1 to 4096, 8 by default"]),
        (("set", "gpt", "temperature"), ["VALUE is missing. temperature: number from 0 to 2"]),
        (("set", "MEDIATOR", "circuit_breaker.cooldown"), ["circuit_breaker.cooldown: number above 0"]),
        (("set", "EVIDENCE", "show"), ['show: local | any, "local" by default']),
        (("set", "gpt", "temperatur"), ["gpt has no key 'temperatur'", "  temperature: "]),
        (("set", "nobody"), ["no backend and no section 'nobody'"]),
        (("set", "mediator"), ["did you mean 'MEDIATOR'?"]),
        (("show", "mediator"), ["did you mean 'MEDIATOR'?"]),
    ],
)
def test_what_is_left_out_is_told(run: Run, arguments: tuple[str, ...], words: list[str]) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert [each for each in words if each not in done.stderr] == []
    assert written() == TEXT


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (("add", "new", "mock"), ["a", "gpt", "new"]),
        (("add", "local", "ollama", "model", "m", "optional", "true"), ["a", "gpt", "local"]),
        (("add", "x", "mock", "--by-id-only"), ["a", "gpt", "x"]),
        (("remove", "gpt"), ["a"]),
        (("set", "gpt", "id", "best"), ["a", "best"]),
        (("set", "MEDIATOR", "timeout", "9"), ["a", "gpt"]),
    ],
)
def test_the_schema_beside_the_config_follows_it(run: Run, words: tuple[str, ...], ids: list[str]) -> None:
    """Editors offer the ids that the config has now."""
    assert CliRunner().invoke(cli, ["schema", "--write"]).exit_code == 0
    schema = Path("config.schema.json")
    schema.write_text(json.dumps({"$id": json.loads(schema.read_text())["$id"]}))
    assert run(*words).exit_code == 0, words
    assert json.loads(schema.read_text()) == json.loads(CliRunner().invoke(cli, ["schema"]).stdout)
    text = schema.read_text()
    assert [id for id in ("a", "gpt", "new", "local", "x", "best") if f'"{id}"' in text and id in ids] == ids


@pytest.mark.parametrize("there", [None, "{}", "no JSON", '{"$id": "somebody-elses"}', "[]", ""])
def test_no_schema_is_made_and_none_of_somebody_else_is_touched(run: Run, there: str | None) -> None:
    schema = Path("config.schema.json")
    if there is not None:
        schema.write_text(there)
    assert run("set", "MEDIATOR", "timeout", "9").exit_code == 0
    assert schema.exists() == (there is not None)
    if there is not None:
        assert schema.read_text() == there


def test_a_change_that_is_refused_leaves_the_schema_as_it_was(run: Run) -> None:
    CliRunner().invoke(cli, ["schema", "--write"])
    before = Path("config.schema.json").read_bytes()
    with pytest.raises(ConfigError):
        run("set", "MEDIATOR", "timeout", "soon")
    assert Path("config.schema.json").read_bytes() == before


@pytest.mark.parametrize("named", [True, False])
def test_check_says_which_of_two_configs_is_read(run: Run, named: bool) -> None:
    """Under the names that are looked for; where one is named there is no question."""
    Path("complaint-llm.json").write_text('{"BACKENDS": [{"id": "own", "type": "mock"}]}')
    done = CliRunner().invoke(cli, [*(("-c", "config.yaml") if named else ()), "check"])
    assert ("own" in done.stdout) is not named
    assert ("complaint-llm.json is read and config.yaml is not" in done.stderr) is not named
