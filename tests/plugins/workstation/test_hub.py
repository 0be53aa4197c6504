"""Model files from a Hub: fetched once, resumed after a cut, and nothing asked that need not be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from complaint_llm_plugins.backends.workstation.backend import WorkstationBackend

from tests.peers import free_port, need_peer
from tests.plugins.workstation.model_hub import FILE, REPO, Hub
from tests.tiny_gguf import build

STEP = 10 * 1024 * 1024

ASK = f"""
import sys
from complaint_llm_plugins.backends.workstation.backend import WorkstationBackend
from complaint_llm.exceptions import BackendError
with WorkstationBackend(id="ws", repo={REPO!r}, filename=sys.argv[1], n_ctx=512, n_threads=1) as backend:
    try:
        if sys.argv[2] == "check":
            backend.check()
            print("fine", end="")
        else:
            print(backend.generate("hello", max_tokens=8, seed=2, **eval(sys.argv[3])), end="")
    except BackendError as error:
        print(f"{{type(error).__name__}}: {{error}}", end="")
"""


class Asker:
    """Asks the model in a new process, whose only Hub is ours and whose cache begins empty."""

    def __init__(self, hub: Hub, cache: Path) -> None:
        self.hub = hub
        self.cache = cache

    def __call__(self, filename: str = FILE, act: str = "ask", endpoint: str | None = None, **params: object) -> str:
        environment = {
            "HF_ENDPOINT": endpoint or self.hub.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(self.cache),
            "HF_HUB_DOWNLOAD_TIMEOUT": "5",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run(
            [sys.executable, "-c", ASK, filename, act, repr(params)],
            env={"PATH": os.environ["PATH"], "HOME": str(self.cache), **environment},
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_peer("llama-cpp")
    need_peer("gguf")
    pytest.importorskip("huggingface_hub")
    path = tmp_path_factory.mktemp("gguf") / FILE
    # Above 10 MiB: huggingface-hub writes, and so resumes, in steps of that size.
    build(path, width=256, layers=12)
    return path


@pytest.fixture
def ask(gguf: Path, tmp_path: Path) -> Iterator[Asker]:
    with Hub(gguf.read_bytes()).serving() as hub:
        yield Asker(hub, tmp_path)


@pytest.mark.peer("llama.cpp")
def test_the_file_is_fetched_once_and_then_nothing_is_asked(ask: Asker, gguf: Path) -> None:
    """The answers are those of the file itself; the second process does not even look at the Hub."""
    with WorkstationBackend(model_path=str(gguf), n_ctx=512, n_threads=1) as local:
        expected = local.generate("hello", max_tokens=8, seed=2)
    assert ask() == expected
    assert ask.hub.downloads() == [0]
    before = len(ask.hub.asked)
    assert ask() == expected
    assert ask(privacy="local") == expected
    assert len(ask.hub.asked) == before


@pytest.mark.endurance
@pytest.mark.peer("llama.cpp")
def test_a_fetch_that_broke_off_is_resumed(ask: Asker, gguf: Path) -> None:
    """Within one fetch, from what had been written."""
    with WorkstationBackend(model_path=str(gguf), n_ctx=512, n_threads=1) as local:
        expected = local.generate("hello", max_tokens=8, seed=2)
    ask.hub.cuts = [STEP + 1000]
    assert ask() == expected
    assert ask.hub.downloads() == [0, STEP]


@pytest.mark.peer("llama.cpp")
def test_a_fetch_that_failed_goes_on_in_the_next_process(ask: Asker, gguf: Path) -> None:
    """What came is kept, also where the Hub broke off again and again."""
    with WorkstationBackend(model_path=str(gguf), n_ctx=512, n_threads=1) as local:
        expected = local.generate("hello", max_tokens=8, seed=2)
    ask.hub.cuts = [STEP + 1000, *[0] * 20]
    said = ask()
    assert said.startswith("BackendError: ws: cannot fetch office/tiny-instruct/tiny.gguf from the Hub")
    failed = len(ask.hub.downloads())
    ask.hub.cuts = []
    assert ask() == expected
    assert ask.hub.downloads()[0] == 0
    assert ask.hub.downloads()[failed:] == [STEP]


@pytest.mark.peer("llama.cpp")
def test_what_was_fetched_before_is_checked(ask: Asker) -> None:
    """A part that does not fit the rest is no model; the next try begins anew."""
    ask.hub.cuts = [STEP + 1000, *[0] * 20]
    ask()
    (part,) = ask.cache.rglob("*.complaint-llm")
    part.write_bytes(bytes(part.stat().st_size))
    ask.hub.cuts = []
    assert "does not fit: it was deleted" in ask()
    assert not list(ask.cache.rglob("*.complaint-llm"))
    assert "Error" not in ask()


@pytest.mark.peer("llama.cpp")
def test_a_file_that_is_not_there_is_named(ask: Asker) -> None:
    """By the request and by ``check``, which fetches nothing."""
    assert "cannot fetch office/tiny-instruct/none.gguf" in ask("none.gguf")
    assert "cannot find office/tiny-instruct/none.gguf" in ask("none.gguf", "check")
    assert ask(act="check") == "fine"
    assert ask.hub.downloads() == []


@pytest.mark.peer("llama.cpp")
def test_a_private_request_fetches_nothing(ask: Asker) -> None:
    """It may not leave this machine."""
    assert "the request may not leave it" in ask(privacy="local")
    assert ask.hub.asked == []


@pytest.mark.peer("llama.cpp")
def test_a_hub_that_cannot_be_reached_is_named(ask: Asker) -> None:
    """In one line, without a traceback."""
    said = ask(endpoint=f"http://127.0.0.1:{free_port()}")
    assert "cannot fetch office/tiny-instruct/tiny.gguf from the Hub" in said
    assert "\n" not in said


@pytest.mark.rows(1)
@pytest.mark.parametrize("run", ["first", "again"])
@pytest.mark.peer("llama.cpp")
def test_the_local_example_answers_a_batch_with_a_model_from_the_hub(ask: Asker, tmp_path: Path, run: str) -> None:
    """What ``make local`` does, with the tiny model in the Hub's place; the second run asks nothing."""
    root = Path(__file__).parents[3]
    config = json.loads((root / "examples" / "config.local.json").read_text(encoding="utf-8"))
    config["BACKENDS"][0].update(repo=REPO, filename=FILE, n_ctx=512, n_threads=1, max_tokens=8, seed=2)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "prompts.txt").write_text("one\ntwo\nthree\n", encoding="utf-8")
    command = ["-c", "config.json", "batch", "prompts.txt", "-o", "answers.jsonl", "-w", "1"]
    for _ in range(1 if run == "first" else 2):
        done = subprocess.run(
            [sys.executable, "-m", "complaint_llm", *command],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "HF_ENDPOINT": ask.hub.url,
                "HF_HUB_DISABLE_XET": "1",
                "HF_HOME": str(tmp_path / "hub"),
                "NO_PROXY": "127.0.0.1",
            },
            capture_output=True,
            text=True,
            timeout=100,
        )
        # A model without sense goes on until it is cut, and a cut answer is not a whole one.
        assert done.returncode in (0, 1), done.stderr[-2000:]
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["backend"] for line in lines] == ["local"] * 3
    assert all(line["text"] and not line.get("demo") for line in lines)
    assert {line["state"] for line in lines} <= {"answered", "cut"}
    assert done.returncode == any(line["state"] == "cut" for line in lines)
    assert ask.hub.downloads() == [0]
