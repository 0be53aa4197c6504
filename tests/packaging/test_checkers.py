"""What checkers know of an installed wheel: the names of the toolkit and the classes of the built-in types."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packaging.test_distributions import LEFT_OUT, ROOT, build
from tests.peers import need_peer

# One worker builds for all of them.
pytestmark = pytest.mark.xdist_group("distributions")

RIGHT = """
from complaint_llm import Mediator
from complaint_llm.backends import AnthropicBackend, HTTPBackend, OpenAIBackend, Request, WireRequest, make_strategy
from complaint_llm.backends.wire import StreamAccumulator, as_text


class Office(HTTPBackend):
    def encode(self, request: Request) -> WireRequest:
        return WireRequest("/answer", {"prompt": request.messages[-1].text})


openai: OpenAIBackend = OpenAIBackend(api_key="sk-none", model="m")
said: str = as_text("yes", "text")
with Mediator([openai, AnthropicBackend(api_key="sk-none"), Office(base_url="http://127.0.0.1:1")]) as mediator:
    answer: str = mediator.generate("Is it?")
StreamAccumulator().text(answer)
"""
WRONG = [
    "from complaint_llm.backends import OpenAiBackend",
    "from complaint_llm.backends import Backends",
    "from complaint_llm.backends.wire import StreamAcumulator",
    "from complaint_llm.backends.wire import as_txt",
    "from complaint_llm.backends import OpenAIBackend; OpenAIBackend(model='m').generat('x')",
    "from complaint_llm.backends import WireRequest; WireRequest(pth='/x', body=None)",
    "from complaint_llm.backends import Secret; Secret('x').revel()",
    "from complaint_llm.backends import Deadline; Deadline('soon')",
    "from complaint_llm.backends.wire import as_text; as_text('x', 1)",
    "from complaint_llm.backends.wire import Family; Family({}).facts",
]

# What a script calls, each line with one name misspelt.
CALLS_WRONG = [
    "m.generate('x', max_token=5)",
    "m.generate('x', temprature=0.2)",
    "m.infer('x', respons_format={})",
    "m.infer('x', (), 0.2, stopp='.')",
    "m.stream_generate('x', sytem='be short')",
    "m.embed('x', modell='m')",
    "m.batch_generate(['x'], max_worker=4)",
    "m.batch(['x'], jurnal='night.journal')",
    "m.submit_evidence(b'x', 'document', descripton='a letter')",
    "m.infer('x').contents",
]
FACE = """
from complaint_llm import Mediator


class Claims:
    titles: list[str]


with Mediator.from_config("config.json") as m:
    claims: Claims = m.infer("x", response_format=Claims).parsed
    anything = m.infer("x", response_format={"type": "object"}).parsed["titles"]
    texts: list[str] = m.batch_generate(["x"], max_workers=2, max_tokens=5, timeout=30)
    mixed: list[str | Exception] = m.batch_generate(["x"], on_error="return")
    vector: list[float] = m.embed("x")
    vectors: list[list[float]] = m.embed(["x", "y"])
    cid: str = m.submit_evidence(b"x", "document", description="a letter")["cid"]
    cost: float | None = m.explain("x", max_tokens=5).cost
"""


def readme() -> str:
    """The code for scripts that README shows, with the names that it takes as given."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = (code for code in re.findall(r"^```python\n(.*?)^```", text, re.S | re.M) if "with Mediator" in code)
    return f"prompts = ['x']\n{shown}"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the built wheel in it, and nothing else."""
    folder = tmp_path_factory.mktemp("checkers")
    source = folder / "tree"
    shutil.copytree(ROOT, source, ignore=LEFT_OUT)
    wheel = build(source, "wheel", folder / "out")
    made = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made)], check=True)
    (site,) = (made / "lib").glob("python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return made


def errors_of_mypy(environment: Path, script: Path) -> set[int]:
    """The lines of a script in which mypy finds an error."""
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(environment / "mypy"), "--no-error-summary"]
    command += ["--python-executable", str(environment / "bin" / "python"), "--no-color-output", script.name]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True, check=False)
    found = [line.split(":", 3) for line in done.stdout.splitlines() if ": error:" in line]
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return {int(line) for name, line, *_ in found if name == script.name}


def errors_of_pyright(environment: Path, script: Path) -> set[int]:
    """The same of pyright."""
    command = ["node", need_peer("pyright"), "--outputjson", "--pythonpath", str(environment / "bin" / "python")]
    done = subprocess.run([*command, script.name], cwd=script.parent, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {each["range"]["start"]["line"] + 1 for each in found if each["severity"] == "error"}


CHECKERS = {"mypy": errors_of_mypy, "pyright": errors_of_pyright}


@pytest.mark.endurance
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_knows_the_names_and_refuses_misspelt_ones(checker: str, environment: Path, tmp_path: Path) -> None:
    """A right script has no error, a wrong one has one for each of its lines."""
    need_peer(checker)
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    right.write_text(RIGHT, encoding="utf-8")
    wrong.write_text("\n".join(WRONG) + "\n", encoding="utf-8")
    assert CHECKERS[checker](environment, right) == set()
    assert CHECKERS[checker](environment, wrong) == set(range(1, len(WRONG) + 1))


@pytest.mark.rows(1)
@pytest.mark.parametrize("checker", CHECKERS)
def test_a_checker_refuses_ten_misspelt_names_of_a_script(checker: str, environment: Path, tmp_path: Path) -> None:
    """And has nothing against what README shows, or against the types that the methods promise."""
    need_peer(checker)
    for name, code in {"readme.py": readme(), "face.py": FACE}.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
        assert CHECKERS[checker](environment, tmp_path / name) == set(), name
    head = "from complaint_llm import Mediator; m = Mediator.from_config()"
    (tmp_path / "wrong.py").write_text("\n".join([head, *CALLS_WRONG]) + "\n", encoding="utf-8")
    assert CHECKERS[checker](environment, tmp_path / "wrong.py") == set(range(2, len(CALLS_WRONG) + 2))


def test_an_editor_completes_what_users_need(environment: Path) -> None:
    """``m.`` offers the calls, without an import that the script does not have."""
    jedi = importlib.import_module(need_peer("jedi"))
    code = 'from complaint_llm import Mediator\nwith Mediator.from_config("config.json") as m:\n    m.'
    site = next((environment / "lib").glob("python*/site-packages"))
    project = jedi.Project(path=str(environment), added_sys_path=[str(site)])
    offered = {each.name for each in jedi.Script(code, project=project).complete()}
    needed = {"generate", "infer", "infer_stream", "stream_generate", "embed", "batch", "batch_generate", "explain"}
    needed |= {"submit_evidence", "retrieve_evidence", "backend", "load", "close", "model_info"}
    assert needed <= offered
