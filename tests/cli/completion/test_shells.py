"""bash, zsh and fish complete what is typed; a shell that asks is never contradicted, kept waiting or written to."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from complaint_llm.cli.completion import written
from complaint_llm.cli.completion.shells import PROGRAM, SHELLS, VARIABLE
from complaint_llm.cli.main import COMMANDS, cli
from complaint_llm.config.source import DEFAULT_NAMES
from complaint_llm.testing import FaultyServer
from tests.peers import need_peer
from tests.pseudo_terminal import PseudoTerminal

PLUGIN = """
import click
print("loud at import")
from complaint_llm import hookimpl

@click.command("my-command")
def mine():
    '''Do mine.'''

@hookimpl
def complaint_llm_commands():
    print("loud in a hook")
    return [mine]
"""
CID = "bafkreidtzm4frjuhvbeuzizsgbjqcyuc6pnnhhkcz5rmuttz3wrkvr6zvq"

COMPLETED = {
    "gen": "generate",
    "evi": "evidence",
    "evidence exp": "export",
    "config rem": "remove",
    "batch --max-w": "--max-workers",
    "generate --tempe": "--temperature",
    "generate -b off": "offline",
    "embed --backend off": "offline",
    "batch -b hos": "hosted",
    "explain x -b hos": "hosted",
    "generate --task chron": "chronology",
    "batch --task our": "ours",
    "generate -m gpt-5": "gpt-5-mini",
    "embed -m vec": "vectors-1",
    "generate --privacy lo": "local",
    "config add x moon": "moonshot",
    "config remove off": "offline",
    "config show MED": "MEDIATOR",
    "config set hos": "hosted",
    "evidence get bafk": CID,
    "verify bafk": CID,
    "generate --evidence bafk": CID,
    "my-c": "my-command",
    "-c oth": "other.json",
    "-c other.json generate -b els": "elsewhere",
    "generate -c other.json -b els": "elsewhere",
    "batch lines.js": "lines.jsonl",
    "batch lines.jsonl -o old": "old.csv",
    "generate -f let": "letter.txt",
    "generate --schema oth": "other.json",
    "completion zs": "zsh",
}
"""What is typed after the program's name, and how its last word ends after a Tab."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, FaultyServer]]:
    """A folder with all that can be completed, whose backends lead to a server that nobody should ask."""
    folder = tmp_path_factory.mktemp("office")
    with FaultyServer() as server:
        hosted = {"id": "hosted", "type": "openai", "base_url": server.url, "api_key": "$NO_KEY", "model": "gpt-5-mini"}
        hosted |= {"embedding_model": "vectors-1", "optional": True}
        document = {
            "BACKENDS": [{"id": "offline", "type": "mock", "echo": True}, hosted],
            "MEDIATOR": {"timeout": 60},
            "PLUGINS": {"paths": ["plugins"]},
            "TASKS": {"ours": {"system": "Read.", "prompt": "{text}"}},
        }
        (folder / "config.json").write_text(json.dumps(document), encoding="utf-8")
        other = {"BACKENDS": [{"id": "elsewhere", "type": "mock", "echo": True}]}
        (folder / "other.json").write_text(json.dumps(other), encoding="utf-8")
        (folder / "plugins").mkdir()
        (folder / "plugins" / "mine.py").write_text(PLUGIN, encoding="utf-8")
        for name in ("lines.jsonl", "old.csv"):
            (folder / name).touch()
        (folder / "letter.txt").write_text("x\n", encoding="utf-8")
        programs = folder / "programs"
        programs.mkdir()
        program = programs / PROGRAM
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m complaint_llm "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        add = [program, "-c", "other.json", "evidence", "add", "letter.txt"]
        subprocess.run(add, cwd=folder, check=True, env=env_of(folder))
        yield folder, server


def env_of(folder: Path) -> dict[str, str]:
    gone = {"COMPLAINT_LLM_CONFIG", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR", "BASH_COMPLETION_USER_DIR"}
    kept = {name: value for name, value in os.environ.items() if name not in gone}
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return {**kept, "HOME": str(home), "PATH": f"{folder / 'programs'}:{os.environ['PATH']}"}


def install(folder: Path, shell: str) -> Path:
    """Put the script where the shell looks for it; its path."""
    done = subprocess.run(
        [folder / "programs" / PROGRAM, "completion", shell, "--install"],
        cwd=folder, env=env_of(folder), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shell in done.stderr
    return Path(done.stdout.strip())


RUNS = PROGRAM + """() { printf 'ran'; printf ' <%s>' "$@"; echo; }"""
"""In the place of the program, when the completed line is run."""
BEGINS = {
    "bash": (("bash", "--norc", "--noprofile", "-i"), "bind 'set enable-bracketed-paste off'; . {script}"),
    "zsh": (("zsh", "-f", "-i"), "fpath+=({folder}); autoload -Uz compinit; compinit -u -D; unset zle_bracketed_paste"),
}


@pytest.mark.rows(1)
@pytest.mark.parametrize("shell", BEGINS)
def test_a_tab_completes_what_is_typed(office: tuple[Path, FaultyServer], shell: str) -> None:
    """In the shell itself, on a terminal, by the script where it was installed."""
    need_peer(shell)
    folder, server = office
    script = install(folder, shell)
    command, begin = BEGINS[shell]
    ran: dict[str, str] = {}
    with PseudoTerminal(folder, *command, columns=300, env={**env_of(folder), "INPUTRC": "/dev/null"}) as terminal:
        terminal.press(begin.format(script=script, folder=script.parent) + f"; {RUNS}; echo set up\n")
        terminal.wait_for(lambda shown: "\rset up" in shown or "\nset up" in shown)
        for count, typed in enumerate(COMPLETED, 1):
            terminal.press(f"{PROGRAM} {typed}\t\n")
            terminal.wait_for(lambda shown, count=count: shown.count("ran <") >= count)  # type: ignore[misc]
            terminal.wait_for(lambda shown: "\n" in shown.rsplit("ran <", 1)[1])
            ran[typed] = terminal.shown.rsplit("ran ", 1)[1].split("\n", 1)[0].strip()
    assert {typed: ran[typed] for typed, word in COMPLETED.items() if not ran[typed].endswith(f"<{word}>")} == {}
    assert server.requests == []


@pytest.mark.endurance
def test_fish_offers_what_can_be_typed(office: tuple[Path, FaultyServer]) -> None:
    """Asked as fish asks itself when Tab is pressed; the script is found where it was installed."""
    fish = need_peer("fish")
    folder, server = office
    install(folder, "fish")
    lines = [f"{PROGRAM} {typed}" for typed in COMPLETED]
    asked = "; ".join(f"complete -C {shlex.quote(line)}; echo ---" for line in lines)
    done = subprocess.run(
        [fish, "-c", asked], cwd=folder, env=env_of(folder), capture_output=True, text=True, check=False, timeout=150
    )
    found = [[line.split("\t")[0] for line in each.splitlines() if line] for each in done.stdout.split("---")]
    offered = dict(zip(COMPLETED, found, strict=False))
    assert {typed: offered[typed] for typed, word in COMPLETED.items() if word not in offered[typed]} == {}
    assert done.stderr == ""
    assert server.requests == []


def ask(folder: Path, *words: str, shell: str = "bash", env: Mapping[str, str] | None = None) -> list[str]:
    """What the program answers a shell; nothing on standard error, exit code 0."""
    given = {
        **env_of(folder),
        VARIABLE: f"{shell}_complete",
        "COMP_WORDS": shlex.join([PROGRAM, *words]),
        **(env or {}),
    }
    given["COMP_CWORD"] = str(len(words))
    done = subprocess.run(
        [sys.executable, "-m", "complaint_llm"],
        cwd=folder,
        env=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return [line for line in done.stdout.splitlines() if line]


def pipe_without_writer(path: Path) -> None:
    os.mkfifo(path)


def text(written: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(written, encoding="utf-8") and None


def plugin(source: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        (path.parent / "plugins").mkdir()
        (path.parent / "plugins" / "bad.py").write_text(
            f"{source}\n# complaint_llm_commands\ndef complaint_llm_commands():\n    return []\n", encoding="utf-8"
        )
        document = {
            "BACKENDS": [{"id": "offline", "type": "mock"}],
            "PLUGINS": {"paths": ["plugins"], "enable": ["bad"]},
        }
        path.write_text(json.dumps(document), encoding="utf-8")

    return write


BROKEN: dict[str, Callable[[Path], None]] = {
    "empty": text(""),
    "no JSON": text('{"BACKENDS": ['),
    "a list": text("[1, 2]"),
    "a number": text("7"),
    "backends that are none": text('{"BACKENDS": 3, "TASKS": 4, "PLUGINS": 5, "EVIDENCE": 6}'),
    "entries that are none": text('{"BACKENDS": [1, null, {"id": 2}, {"id": null}, [], {"type": "openai"}]}'),
    "deep": text("[" * 100_000),
    "bytes": lambda path: path.write_bytes(bytes(range(256))) and None,
    "a folder": lambda path: path.mkdir(),
    "a pipe that nobody writes to": pipe_without_writer,
    "ids that act on a terminal": text(json.dumps({"BACKENDS": [{"id": "a\nb", "type": "x"}, {"id": "\x1b[2J"}]})),
    "a plugin that prints": plugin("import sys; print('x'); print('y', file=sys.stderr)"),
    "a plugin that raises": plugin("raise RuntimeError('x')"),
    "a plugin that exits": plugin("raise SystemExit(3)"),
    "a plugin that never ends": plugin("import time\nwhile True: time.sleep(0.05)"),
    "a plugin that closes the streams": plugin("import os; os.close(2)"),
}


@pytest.mark.rows(1)
@pytest.mark.parametrize("broken", BROKEN)
def test_a_shell_hears_nothing_of_what_is_broken(tmp_path: Path, broken: str) -> None:
    """No error, no traceback, no text of a plugin, no waiting: the command itself says what is wrong."""
    BROKEN[broken](tmp_path / "config.json")
    for words in (("",), ("gen",), ("generate", "-b", ""), ("generate", "--task", ""), ("config", "add", "x", "")):
        answer = ask(tmp_path, *words)
        assert all(line.startswith(("plain,", "file,")) for line in answer)
        if words == ("gen",):
            assert answer == ([] if "never" in broken else ["plain,generate"])
        if words[-2:] == ("-b", ""):
            assert answer == (["plain,offline"] if "plugin" in broken else [])


WRONG = [("nothing", ""), ("generate", "--no-such", ""), ("evidence", "no", ""), ("-c",), ("--", "")]


@pytest.mark.rows(4)
@pytest.mark.parametrize("words", WRONG)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_line_that_is_wrong_is_answered_with_nothing_wrong(
    tmp_path: Path, words: tuple[str, ...], shell: str
) -> None:
    ask(tmp_path, *words, shell=shell)


@pytest.mark.rows(4)
@pytest.mark.parametrize("suffix", [".json", ".yaml", ".yml"])
@pytest.mark.parametrize("how", ["here", "variable", "option"])
def test_it_is_the_config_that_the_command_would_read(tmp_path: Path, suffix: str, how: str) -> None:
    name = f"config{suffix}" if how == "here" else f"office{suffix}"
    written_as = json.dumps({"BACKENDS": [{"id": "mine", "type": "mock"}]})
    (tmp_path / name).write_text(written_as if suffix == ".json" else "BACKENDS:\n- id: mine\n  type: mock\n")
    before = ("-c", name) if how == "option" else ()
    env = {"COMPLAINT_LLM_CONFIG": name} if how == "variable" else {}
    assert ask(tmp_path, *before, "generate", "-b", "", env=env) == ["plain,mine"]


def test_what_is_read_quickly_is_what_is_read_with_care() -> None:
    """Names that stand in two places, because to import the other takes too long."""
    from complaint_llm.assembly import EVIDENCE_PATH
    from complaint_llm.cli import plugins, schema
    from complaint_llm.config.schema_file import SCHEMA_NAME
    from complaint_llm.host.trial import SECONDS

    assert (plugins.USUAL_SECONDS, schema.SCHEMA_NAME) == (SECONDS, SCHEMA_NAME)
    assert written.NAMES == DEFAULT_NAMES
    assert written.EVIDENCE == EVIDENCE_PATH


FEW = 60
"""Modules of ours that a shell waits for: those of the options, and what these read."""
COUNT = """
import json, sys
from complaint_llm.cli.completion.shells import SHELLS
from complaint_llm.cli.main import cli
shell = SHELLS["bash"](cli, {}, "complaint-llm", "_COMPLAINT_LLM_COMPLETE")
found = shell.get_completions(json.loads(sys.argv[1]), sys.argv[2])
print(json.dumps([[each.value for each in found], [name for name in sys.modules if name.startswith("complaint_llm")]]))
"""


@pytest.mark.rows(6)
@pytest.mark.parametrize(
    ("words", "last", "offered"),
    [
        (["config", "add", "x"], "moon", "moonshot"),
        (["config", "set"], "hos", "hosted"),
        (["evidence", "get"], "bafk", CID),
        (["batch"], "--dry", "--dry-run"),
        (["init"], "--ty", "--type"),
        (["verify"], "bafk", CID),
        *(([name], "--he", "--help") for name in COMMANDS),
    ],
)
def test_little_is_imported_to_complete(
    office: tuple[Path, FaultyServer], words: list[str], last: str, offered: str
) -> None:
    """What reads configs, evidence and plugins takes longer than a person waits between two keys."""
    folder, _ = office
    env = {**env_of(folder), VARIABLE: "bash_complete", "COMPLAINT_LLM_CONFIG": "other.json"}
    if offered == "hosted":
        env["COMPLAINT_LLM_CONFIG"] = "config.json"
    done = subprocess.run(
        [sys.executable, "-c", COUNT, json.dumps(words), last], cwd=folder, env=env, capture_output=True, check=True
    )
    found, modules = json.loads(done.stdout)
    assert offered in found
    assert len(modules) < FEW, sorted(modules)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(tmp_path: Path, shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "complaint_llm", "completion"],
        cwd=tmp_path, env={**env_of(tmp_path), "SHELL": f"/bin/{shell}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == SHELLS[shell](cli, {}, PROGRAM, VARIABLE).source().strip()


def test_a_shell_that_is_none_of_them_is_a_usage_mistake(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "complaint_llm", "completion"],
        cwd=tmp_path, env={**env_of(tmp_path), "SHELL": "/bin/tcsh"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "bash, zsh, fish" in done.stderr
