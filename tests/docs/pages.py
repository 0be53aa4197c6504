"""The code blocks of a page, run as a reader would: in order, in one folder, against a server of this machine.

What a block is comes from its language, and from comments of HTML directly above it, which readers do not see:

- ``<!-- file: NAME -->``: it is written to this file.
- ``<!-- before: CODE -->``: code that is run before it: Python in the same names, or a command.
- ``<!-- reply: TEXT -->``: what the server answers to the next request; JSON ``{"calls": [[name, arguments], ...]}``
  asks for tools.
- ``<!-- exit: N -->``: the exit code that its last command has.
- ``<!-- not run: REASON -->``: it cannot be run here.
- ``<!-- run by: TEST -->``: a test of its own runs it.

A config asks this machine's server in the place of each provider. A plugin goes into ``plugins/`` for those below.
"""

from __future__ import annotations

import configparser
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import yaml
from openpyxl import Workbook
from reportlab.pdfgen.canvas import Canvas

from complaint_llm import Mediator, load_config
from complaint_llm.testing import FaultyServer, Reply
from complaint_llm.testing.dialects import WIRES
from complaint_llm.testing.server import Received

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"(?P<comments>(?:^<!--(?:(?!-->).)*-->\n)*)^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.S | re.M)
COMMENT = re.compile(r"^<!-- (file|before|reply|exit|not run|run by): (.*?) ?-->$", re.S | re.M)
PROGRAM = re.compile(r"^(?:\.venv\w*/bin/|\.venv-\w+/bin/)?complaint-llm$")
KEY = "sk-not-a-real-key-0123456789"
BASES = {"anthropic": "anthropic", "claude": "anthropic", "google": "gemini", "gemini": "gemini", "xai": "responses"}
COMPOSED = {"fallback", "load_balanced", "llm_router"}
SERVED_HERE = {"mock", *COMPOSED, "workstation", "llama.cpp", "claude_cli", "codex", "copilot_cli"}
DECLARED = {"type": "example", "like": "openai", "presets": {"base_url": "https://api.example.org/v1"}}
"""A service that a page's YAML says a part of."""
DEFAULT = {
    "BACKENDS": [
        {"id": "gpt", "type": "openai", "model": "gpt-5.6-terra", "max_tokens": 4000},
        {"id": "claude", "type": "anthropic", "model": "claude-sonnet-5-5", "max_tokens": 4000},
    ],
    "MEDIATOR": {"provenance": "digests"},
}


class Block(NamedTuple):
    """A fenced block, with the comments above it."""

    page: Path
    line: int
    language: str
    code: str
    said: tuple[tuple[str, str], ...]

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def first(self, word: str) -> str | None:
        """What the first comment of this kind says."""
        return next((text for kind, text in self.said if kind == word), None)

    @property
    def runs_here(self) -> bool:
        """Whether it is run with its page: it says nothing else."""
        return self.first("not run") is None and self.first("run by") is None


def pages() -> list[Path]:
    """Every page whose blocks are run."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    found += [*(ROOT / "examples").rglob("README.md"), *(ROOT / "plugins").rglob("README.md")]
    return sorted(path for path in found if "node_modules" not in path.parts)


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page that are code: all but those of the language ``text``."""
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start("language")) + 1
        if found["language"] != "text":
            said = tuple((kind, words) for kind, words in COMMENT.findall(found["comments"]))
            yield Block(page, line, found["language"], found["code"], said)


class Desk(FaultyServer):
    """A provider that answers in the shape that is asked for: an instance of the schema, else the prompt again."""

    def take(self, received: Received) -> Reply:
        """Note a request; how to answer it."""
        scripted = super().take(received)
        schema = None if scripted is not self.reply else find_schema(received.body)
        return scripted if schema is None else Reply(json.dumps(smallest(schema)))


def find_schema(body: Any) -> Mapping[str, Any] | None:
    """The JSON Schema in a request, on any wire."""
    if isinstance(body, Mapping):
        for key in ("json_schema", "schema", "responseJsonSchema", "responseSchema"):
            if isinstance(value := body.get(key), Mapping):
                return find_schema(value) or value
        for value in body.values():
            if (found := find_schema(value)) is not None:
                return found
    return None


def smallest(schema: Mapping[str, Any]) -> Any:
    """A small instance of a schema, of the kinds that pages use."""
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return smallest(schema[word][-1])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[-1] if isinstance(kind, list) else kind
    if kind == "object":
        return {key: smallest(schema["properties"][key]) for key in schema.get("required", ())}
    return {"array": [], "string": "en", "integer": 1, "number": 1, "boolean": False}.get(str(kind))


class Folder:
    """A folder in which the blocks of one page are run, with what an office has in it."""

    def __init__(self, path: Path, server: FaultyServer) -> None:
        self.path = path
        self.server = server
        self.module = ModuleType("page_of_the_documentation")
        self.names: dict[str, Any] = vars(self.module)
        self.ran = 0
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("COMPLAINT_LLM_", "XDG_"))},
            **dict.fromkeys(re.findall(r"\$\{?<?([A-Z_]+_(?:KEY|TOKEN))\b", _all_text()), KEY),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "NO_COLOR": "1",
            "SHELL": "/bin/bash",  # a service that starts programs has none
            "HOME": str(path),  # what a command installs stays in the folder
        }
        _furnish(path)
        self.configure(DEFAULT)
        self.configure(json.loads((ROOT / "config.example.json").read_text(encoding="utf-8")), "config.example.json")

    def run(self, block: Block) -> None:
        """Do what the block says. Raises AssertionError, or what its code raises."""
        for kind, text in block.said:
            if kind == "reply":
                self.server.script(_reply(text))
        name = block.first("file")
        if name is not None:
            self.write(name, block.code)
        elif block.language == "python":
            self.python(block)
        elif block.language in ("json", "yaml"):
            self.config(block)
        elif block.language in ("sh", "console"):
            self.shell(block)
        elif block.language == "ini":
            configparser.ConfigParser().read_string(block.code)
        else:
            raise AssertionError(f"{block.place}: say the block's language; `text` is for what is no code")
        self.ran += 1

    def write(self, name: str, text: str) -> None:
        """Write a file of the folder; a config also as it is run here."""
        file = self.path / name
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    # -- Python ------------------------------------------------------------------------------------------------------

    def python(self, block: Block) -> None:
        """Run it; a plugin becomes a file of ``plugins/`` instead, as one of the next config."""
        if "@hookimpl" in block.code:
            shutil.rmtree(self.path / "plugins", ignore_errors=True)  # each config has the plugin above it
            self.write(f"plugins/office_{block.line}.py", block.code)
            return
        if (before := block.first("before")) is not None:
            exec(compile(before, f"{block.place} (before)", "exec"), self.names)
        lines = "\n" * block.line + block.code
        exec(compile(lines, str(block.page), "exec"), self.names)

    # -- configs -----------------------------------------------------------------------------------------------------

    def config(self, block: Block) -> None:
        """Load it as it stands there, then use it with this machine's server for the commands and programs below it."""
        given = _read(block)
        if block.language == "yaml" and "BACKENDS" not in given:
            self.declare({**DECLARED, **given}, block)
        elif isinstance(given, dict) and "id" in given and "type" in given:
            others = [{"id": name, "type": "mock"} for name in ("huggingface", "other")]
            self.load({"BACKENDS": [{**given, "optional": True}, *others]}, block)
        else:
            asked = given if "BACKENDS" in given else {**DEFAULT, **given}
            self.load(asked, block)
            self.configure(asked)

    def declare(self, service: Mapping[str, Any], block: Block) -> None:
        """Load a config with a service that YAML declares, or a part of one."""
        self.write(f"providers/{service['type']}.yaml", yaml.safe_dump(dict(service)))
        entry = {"id": "declared", "type": service["type"], "model": "m", "api_key": KEY}
        self.load({"PLUGINS": {"paths": ["providers"]}, "BACKENDS": [entry]}, block)

    def load(self, config: Mapping[str, Any], block: Block) -> None:
        """Read a config as users do. Raises ConfigError with its place on the page."""
        file = self.path / "as-written.json"
        file.write_text(json.dumps(config), encoding="utf-8")
        loaded = load_config(file, environ=self.environ)
        known = {each.id for each in loaded.backends} | {*dict(loaded.left_out)}
        assert known >= {each["id"] for each in config["BACKENDS"]}, block.place

    def configure(self, config: Mapping[str, Any], name: str = "config.json") -> None:
        """Write a config with this machine's server in the place of each provider."""
        backends = [self.served(each) for each in config["BACKENDS"]]
        (self.path / name).write_text(json.dumps({**config, "BACKENDS": backends}), encoding="utf-8")

    def served(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """An entry that asks this machine's server; ``local``, for what may not leave it."""
        kind = entry["type"]
        own = any(f'"{kind}"' in each.read_text(encoding="utf-8") for each in self.path.glob("plugins/*.py"))
        if kind in SERVED_HERE or own or "responses" in entry:
            return dict(entry)
        base = f"{self.server.url}{WIRES[BASES.get(kind, 'openai')].base_path}"
        keys = {"base_url": base, "api_key": KEY, "max_retries": 0, "location": "local"}
        return {**{key: value for key, value in entry.items() if key != "handling"}, **keys}

    # -- commands ----------------------------------------------------------------------------------------------------

    def shell(self, block: Block) -> None:
        """Run each command; below one of a console, the output that the page shows, with ``...`` for any."""
        if (before := block.first("before")) is not None:
            self.program(before, "", block, 0)
        found = list(commands(block))
        assert found, f"{block.place}: no command"
        for at, (command, shown) in enumerate(found, 1):
            last = at == len(found)
            self.command(command, shown, block, int(block.first("exit") or 0) if last else 0)

    def command(self, command: str, shown: str, block: Block, code: int) -> None:
        """Run ``complaint-llm``, look for the target of ``make``, and for the files of an installation."""
        words = shlex.split(command, comments=True)
        if words[0] == "make":
            rules = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert [each for each in words[1:] if "=" not in each and f"\n{each}:" not in rules] == [], block.place
        elif words[0] in ("pip", "git", "bash"):
            paths = [each.removeprefix("/path/to/this/folder") for each in words if each.startswith("/path/to")]
            paths += [each for each in words if each == ".ci/run"]
            assert [each for each in paths if not (ROOT / each.lstrip("/")).exists()] == [], block.place
        elif any(PROGRAM.match(each) for each in words) or words[0] in ("cat", "printf"):
            self.program(command, shown, block, code)
        else:
            raise AssertionError(f"{block.place}: what is {words[0]}? Say why it is not run")

    def program(self, command: str, shown: str, block: Block, code: int) -> None:
        """Run a line of a shell in the folder."""
        line = re.sub(r"(?<![\w/.-])\.venv[\w-]*/bin/complaint-llm", "complaint-llm", self.with_cids(command))
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.path, env=self.environ, capture_output=True, text=True, timeout=120,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, f"{block.place}: {line}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        if shown:
            wanted = ".*".join(re.escape(part) for part in shown.strip().split("..."))
            said = f"{done.stderr}{done.stdout}".strip()
            assert re.fullmatch(wanted, said, re.S), f"{block.place}: {line} said:\n{said}"

    def with_cids(self, line: str) -> str:
        """A shortened CID stands for some evidence, or for the record of an answer that rests on it."""
        if "..." not in line or not re.search(r"\bbaf[ky]\w+\.\.\.", line):
            return line
        with Mediator.from_config(self.path / "config.json") as mediator:
            evidence = mediator.submit_evidence(b"a notice of 1 December", "document")["cid"]
            record = mediator.infer("Which?", cite=[evidence]).provenance or ""
        return re.sub(r"\bbafy\w+\.\.\.", record, re.sub(r"\bbafk\w+\.\.\.", evidence, line))


def run_page(page: Path, folder: Path) -> int:
    """Run every block of a page that can be; how many were run."""
    with Desk() as server, chdir(folder):
        office = Folder(folder, server)
        before = dict(os.environ)
        sys.modules[office.module.__name__] = office.module  # where dataclasses and pydantic look for names
        os.environ.update({key: value for key, value in office.environ.items() if key not in before})
        try:
            for block in blocks(page):
                if block.runs_here:
                    office.run(block)
        finally:
            del sys.modules[office.module.__name__]
            os.environ.clear()
            os.environ.update(before)
        return office.ran


def _all_text() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in pages())


def _read(block: Block) -> Any:
    if block.language == "yaml":
        return yaml.safe_load(block.code)
    text = block.code.strip()
    return json.loads(text if text.startswith("{") else f"{{{text.rstrip(',')}}}")


def _reply(text: str) -> Reply:
    if text.startswith('{"calls"'):
        return Reply("", calls=[(name, arguments) for name, arguments in json.loads(text)["calls"]])
    return Reply(text)


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Each command with the output that is shown for it."""
    text = block.code.replace("\\\n", " ")
    if block.language == "console":
        for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
            command, _, shown = part.partition("\n")
            yield command, shown
    else:
        yield from ((line, "") for line in text.splitlines() if line.strip() and not line.startswith("#"))


def lease() -> bytes:
    """A PDF of seven pages."""
    file = io.BytesIO()
    page = Canvas(file)
    for number in range(1, 8):
        page.drawString(72, 720, f"Clause {number}. The lease ends on March 31.")
        page.showPage()
    page.save()
    return file.getvalue()


def _furnish(path: Path) -> None:
    """Files by the names that pages use."""
    intakes = ROOT / "examples" / "intakes"
    for folder, names in {
        "intakes": ("emp-001-unpaid-overtime.txt", "hou-001-no-heat.txt"),
        "my-intakes": ("hou-001-no-heat.txt",),
        "letters": ("hou-002-security-deposit.txt",),
        "clients/lopez": ("hou-001-no-heat.txt", "hou-008-bedbugs.pdf"),
    }.items():
        (path / folder).mkdir(parents=True, mode=0o755)
        for name in names:
            shutil.copy(intakes / name, path / folder / name)
    (path / "lease.pdf").write_bytes(lease())
    shutil.copy(intakes / "hou-001-no-heat.txt", path / "intake.txt")
    (path / "questions.jsonl").write_text('{"id": "end", "prompt": "When does the lease end?"}\n', encoding="utf-8")
    (path / "narratives.csv").write_text("id,narrative\n1,The heat is off.\n2,No pay since May.\n", encoding="utf-8")
    (path / "clients.csv").write_text("name\nMaria Lopez\n", encoding="utf-8")
    (path / "staff.txt").write_text("Dana Whitcombe\n", encoding="utf-8")
    (path / "questions.txt").write_text("When does the lease end?\n", encoding="utf-8")
    (path / "results").mkdir()
    (path / "night.jsonl").touch()
    shutil.copy(ROOT / "examples" / "config.office.json", path / "config.office.json")
    book = Workbook()
    book.active.title = "Spring"
    for row in (("id", "intake"), ("1", "The heat is off since November."), ("2", "No pay since May.")):
        book.active.append(row)
    book.save(path / "intakes.xlsx")
    shutil.copytree(ROOT / "examples" / "expected", path / "examples" / "expected")
