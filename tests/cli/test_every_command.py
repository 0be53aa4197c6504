"""What holds for every command, also for one that is added tomorrow: they are found by walking the program."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest
from jsonschema import Draft202012Validator

from tests.cli.command_output import SCHEMAS, check_output
from tests.cli.every_command import COMMANDS, ITSELF, PROGRAM, ROOT, Found, Office
from tests.pseudo_terminal import PseudoTerminal, screen
from tests.usual_signals import usual_signals

SHOWN = (ITSELF, *COMMANDS.values())
"""All that has a help."""
EXAMPLES = [(found, example) for found in SHOWN for example in found.examples()]
LEAVES = [
    name
    for name, found in COMMANDS.items()
    if not isinstance(found.command, click.Group) or found.command.invoke_without_command
]
"""Those that do something by themselves."""
WITH_JSON = [name for name in LEAVES if COMMANDS[name].takes("--json")]
WITHOUT_JSON: Mapping[str, str] = {
    "init": "it prints what to type next",
    "chat": "a conversation; of one answer generate prints JSON",
    "config show": "what it prints is JSON",
    "config add": "it prints nothing",
    "config remove": "it prints nothing",
    "config set": "it prints nothing",
    "schema": "what it prints is JSON",
    "new-plugin": "it prints the names of the files that it made",
    "completion": "it prints a script of a shell",
}
"""Why the others need none."""
ASKING: Mapping[str, str] = {
    "generate": "generate hi",
    "chat": "chat < questions.txt",
    "batch": "batch narratives.csv --task claims -o c.csv",
    "embed": "embed hi",
    "check": "check --connect",
    "models": "models",
}
"""What asks a backend, each by a line."""
ROWS = (
    "logs",
    "check",
    "plugins",
    "explain hi",
    "evidence list",
    "evidence add letters",
    "batch narratives.csv --task claims -o c.csv --table",
    "report claims.jsonl --against claims.jsonl",
)
"""Lines that print rows."""
CODES = {"complaint-llm evidence sync": 1}
"""Exit codes of examples that are not 0: no IPFS node is configured here."""
WITHOUT_CONFIG = {"completion", "new-plugin", "init"}
"""They read no config."""
READS_INPUT = {"chat"}
"""What is said to them comes from standard input: on a terminal they wait for it."""
JSON_LINES: Mapping[str, tuple[str, ...]] = {
    "generate": ("generate hi", "generate --task claims < intake.txt"),
    "batch": (
        "batch narratives.csv --task claims -o c.csv",
        "batch narratives.csv --task claims -o c.csv --dry-run",
        "batch narratives.csv --task claims --preview 1",
    ),
    "check": ("check", "check --connect"),
    "embed": ("embed hi there",),
    "logs": ("logs",),
    "explain": ("explain hi", "explain hi --guard"),
    "evidence add": ("evidence add intake.txt", "evidence add letters"),
    "evidence get": ("evidence get bafkrei...",),
    "report": (
        f"report claims.jsonl --expect {ROOT / 'examples' / 'expected' / 'intakes.json'}",
        "report claims.jsonl --against claims.jsonl",
    ),
    "verify": ("verify bafyrei...", "verify bafkrei..."),
}
"""Lines of a command whose JSON has several forms; of the others it is their first example."""
ELSEWHERE = {
    "evidence sync": "it takes an IPFS node",
    "models": "it takes a service that lists its models: tests/cli/test_models.py",
    "models pull": "it takes a hub: tests/plugins/workstation/test_pull.py",
}
"""Whose JSON is looked at elsewhere."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = Office(tmp_path_factory.mktemp("office"))
    here = made.folder
    done = made.run("complaint-llm batch intakes --task claims -o claims.jsonl", here)
    assert done.returncode == 0, done.stderr
    yield made
    made.close()


def first_example(name: str) -> str:
    return COMMANDS[name].examples()[0]


def usual_code(example: str) -> int:
    return CODES.get(example, 0)


def check_quiet(done: subprocess.CompletedProcess[bytes]) -> None:
    """No traceback, no escape sequence, and all of it UTF-8."""
    said = done.stdout + done.stderr
    assert b"Traceback" not in said, said.decode()
    assert b"UnicodeEncodeError" not in said
    assert b"\x1b" not in said
    said.decode("utf-8")


def test_there_are_commands() -> None:
    assert {"generate", "batch", "config set", "evidence export", "verify", "completion"} <= set(COMMANDS)


@pytest.mark.parametrize("found", SHOWN, ids=lambda found: found.name or PROGRAM)
def test_help_has_an_example(found: Found) -> None:
    assert found.examples(), f"{found.name}: give its help a line 'Example: {PROGRAM} {found.name} ...'"


@pytest.mark.rows(1)
@pytest.mark.parametrize(("found", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_each_example_works(office: Office, tmp_path: Path, found: Found, example: str) -> None:
    """It is the command that it stands for, it is run as it stands, and it ends as it should."""
    assert found.is_called_by(example)
    done = office.run(office.line(example), office.copy(tmp_path))
    assert done.returncode == usual_code(example), done.stderr.decode()
    check_quiet(done)


def test_what_prints_data_prints_it_as_json() -> None:
    """A command without ``--json`` needs none, for a reason."""
    assert set(LEAVES) - set(WITH_JSON) == set(WITHOUT_JSON)
    assert set(SCHEMAS) == set(WITH_JSON)


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", WITH_JSON)
def test_json_fits_the_commands_schema(office: Office, tmp_path: Path, name: str) -> None:
    assert name in SCHEMAS, f"{name}: describe its JSON in complaint_llm/data/command_output.json"
    if name in ELSEWHERE:
        return
    lines = JSON_LINES.get(name) or (first_example(name).removeprefix(f"{PROGRAM} "),)
    for place, line in enumerate(lines):
        (tmp_path / str(place)).mkdir()
        done = office.run(office.line(f"{PROGRAM} {line} --json"), office.copy(tmp_path / str(place)))
        assert done.returncode in (0, 1), done.stderr.decode()
        check_output(name, done.stdout.decode("utf-8"))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_refuses_what_does_not_fit(name: str) -> None:
    """Each says something: a text, and an object without keys, fit none."""
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert name in WITH_JSON
    assert not Draft202012Validator(SCHEMAS[name]).is_valid("text")
    assert not Draft202012Validator(SCHEMAS[name]).is_valid({})
    assert not Draft202012Validator(SCHEMAS[name]).is_valid([{}])


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", LEAVES)
def test_a_reader_that_goes_away_ends_it_quietly(office: Office, tmp_path: Path, name: str) -> None:
    """``| head -1``, and a reader who takes nothing at all."""
    example = office.line(first_example(name))
    for at, reader in enumerate(("head -1", "true")):
        (tmp_path / str(at)).mkdir()
        done = office.run(f"{{ {example}; }} | {reader}", office.copy(tmp_path / str(at)))
        check_quiet(done)
        assert done.returncode in {usual_code(first_example(name)), 1}


@pytest.mark.rows(1)
@pytest.mark.parametrize("name", LEAVES)
def test_it_needs_neither_a_terminal_nor_standard_input_nor_a_locale(office: Office, tmp_path: Path, name: str) -> None:
    """Standard input closed, ``LC_ALL=C``: the same exit code; what is printed is UTF-8 or escaped."""
    example = first_example(name)
    shut = "</dev/null" if name in READS_INPUT else "<&-"
    closed = f"( {office.line(example)} )" + (f" {shut}" if "<" not in example else "")
    done = office.run(closed, office.copy(tmp_path), env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert done.returncode == usual_code(example), done.stderr.decode()
    check_quiet(done)


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", LEAVES)
@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_a_terminal_that_wants_no_colour_gets_none(
    office: Office, tmp_path: Path, name: str, env: dict[str, str]
) -> None:
    """On a terminal of 40 columns: no colour, and on a dumb one no escape sequence at all."""
    line = office.line(first_example(name)) + (" < questions.txt" if name in READS_INPUT else "")
    given = {**office.env, "TERM": "xterm", **env}
    with PseudoTerminal(office.copy(tmp_path), *office.command(line), columns=40, env=given) as terminal:
        assert terminal.end() == usual_code(first_example(name)), terminal.shown
    assert "Traceback" not in terminal.shown
    assert re.findall(r"\x1b\[[0-9;]*m", terminal.shown) == []
    if "TERM" in env:
        assert "\x1b" not in terminal.shown


@pytest.mark.rows(2)
@pytest.mark.parametrize("line", ROWS)
def test_rows_can_be_read_on_40_columns(office: Office, tmp_path: Path, line: str) -> None:
    """None is broken between its cells, and none stands on the line of a bar."""
    command = office.command(office.line(f"{PROGRAM} {line}"))
    with PseudoTerminal(office.copy(tmp_path), *command, columns=40, env=office.env) as terminal:
        assert terminal.end() == 0, terminal.shown
    lines = screen(re.sub(r"\x1b\[\?25[hl]|\x1b\[[0-9;]*m", "", terminal.shown))
    assert any(lines)
    assert [each for each in lines if each.startswith("adding")] == []
    # What begins with a CID is wider than the terminal whatever stands behind it.
    assert [each for each in lines if re.search(r"^(?! *\S{40}).*\S {2,}\S", each) and len(each) > 40] == []


@pytest.mark.rows(2)
@pytest.mark.parametrize("found", SHOWN, ids=lambda found: found.name or PROGRAM)
def test_help_fits_40_columns(office: Office, tmp_path: Path, found: Found) -> None:
    """But for words that are longer, and examples, which are to be copied."""
    done = office.run(f"{PROGRAM} {found.name} --help", tmp_path, env={"COLUMNS": "40"})
    assert done.returncode == 0
    text = done.stdout.decode()
    long = [line for line in text.splitlines() if len(line) > 40 and len(line.split()) > 1]
    shown = [line for line in long if PROGRAM not in line and not re.match(r" *-{1,2}\w", line)]
    assert shown == []


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", LEAVES)
def test_exit_codes_of_mistakes(office: Office, tmp_path: Path, name: str) -> None:
    """2 for a usage mistake and for a config that is not there, with a line and nothing on standard output."""
    here = office.copy(tmp_path)
    done = office.run(f"{PROGRAM} {name} --no-such-option", here)
    assert (done.returncode, done.stdout) == (2, b""), done.stderr
    check_quiet(done)
    if name in WITHOUT_CONFIG:
        return
    line = office.line(first_example(name)).replace(f"{PROGRAM} ", f"{PROGRAM} -c nowhere.json ")
    done = office.run(line.split(" && ")[-1], here)
    # A page is made without a config, too; here of a batch that is not there.
    assert done.returncode == (1 if name == "report" else 2), done.stderr.decode()
    assert b"nowhere.json" in done.stderr or b"case-17.car" in done.stderr
    check_quiet(done)


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", ASKING)
def test_nobody_answers_is_exit_code_1(office: Office, tmp_path: Path, name: str) -> None:
    """With a line that names the backend, once, and what to do."""
    here = office.copy(tmp_path)
    config = (here / "config.json").read_text(encoding="utf-8")
    (here / "config.json").write_text(config.replace(office.server.url, "http://127.0.0.1:9"), encoding="utf-8")
    done = office.run(f"{PROGRAM} {ASKING[name]}", here)
    assert done.returncode == 1, done.stderr.decode()
    check_quiet(done)
    said = (done.stdout + done.stderr).decode()
    assert said.count("connection refused: is the server running?") == 1
    assert "gpt: http://127.0.0.1:9" in said


def interrupt(process: subprocess.Popen[bytes]) -> bytes:
    """Type Ctrl-C, and again where it came between two calls to the system, which nothing wakes; standard error."""
    for _ in range(12):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=5)[1]
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    raise AssertionError(f"it goes on after Ctrl-C: {process.args}")


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", [name for name in LEAVES if name not in WITHOUT_CONFIG])
def test_interrupted_is_130(office: Office, tmp_path: Path, name: str) -> None:
    """While it waits for its config, which a pipe does not hand over."""
    here = office.copy(tmp_path)
    if name != "evidence export":  # which would not write over it
        (here / "case-17.car").touch()
    os.mkfifo(here / "pipe.json")
    line = office.line(first_example(name)).split(" && ")[-1].replace(f"{PROGRAM} ", f"exec {PROGRAM} -c pipe.json ")
    pipe = subprocess.PIPE
    command = ["bash", "-c", line]
    with subprocess.Popen(
        command, cwd=here, env=office.env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, preexec_fn=usual_signals
    ) as process:
        number = -1
        until = time.monotonic() + 60
        while number < 0 and process.poll() is None:
            assert time.monotonic() < until
            try:
                number = os.open(here / "pipe.json", os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                time.sleep(0.02)
        said = interrupt(process)
    if number >= 0:
        os.close(number)
    assert process.returncode == 130, said
    assert b"Traceback" not in said


def test_what_is_not_ascii_is_utf_8_in_any_locale(office: Office, tmp_path: Path) -> None:
    here = office.copy(tmp_path)
    env = {"LC_ALL": "C"}
    (here / "echo.json").write_text('{"BACKENDS": [{"id": "echo", "type": "mock", "echo": true}]}', encoding="utf-8")
    done = office.run(f"{PROGRAM} -c echo.json generate 'Räumung “heute”'", here, env=env)
    assert done.stdout.decode("utf-8") == "Räumung “heute”\n"
    with PseudoTerminal(
        here, "bash", "-c", f"{PROGRAM} evidence list", columns=40, env={**office.env, **env}
    ) as terminal:
        assert terminal.end() == 0
    assert "CID: bafkrei" in terminal.shown, "a paragraph a row"
