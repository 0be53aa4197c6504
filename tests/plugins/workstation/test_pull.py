"""``models pull``: a local model's file is fetched before it is needed, and what came is what the Hub and the config
name."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_output import check_output
from tests.peers import free_port
from tests.plugins.workstation.model_hub import FILE, REPO, Hub
from tests.pseudo_terminal import PseudoTerminal

STEP = 10 * 1024 * 1024
DATA = b"GGUF\x03\0\0\0" + bytes(range(256)) * (STEP // 200)
SHA256 = hashlib.sha256(DATA).hexdigest()
NAME = f"{REPO}/{FILE}"


class Puller:
    """Runs ``complaint-llm models ...`` in a folder of its own, whose only Hub is ours."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub = hub
        self.folder = folder
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "HF_HOME": str(folder / "hub"),
            "HF_ENDPOINT": hub.url,
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def config(self, *backends: dict[str, Any], **mediator: Any) -> None:
        """A config of these backends; without one, a workstation whose file is the Hub's."""
        entries = backends or ({"id": "local", "type": "workstation", "repo": REPO, "filename": FILE},)
        document = {"BACKENDS": list(entries), "MEDIATOR": mediator}
        (self.folder / "config.json").write_text(json.dumps(document), encoding="utf-8")

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "complaint_llm", "models", *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=100, check=False
        )

    def pulled(self, *words: str) -> list[dict[str, Any]]:
        """What ``pull --json`` prints."""
        done = self("pull", *words, "--json")
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        check_output("models pull", done.stdout)
        return found


@pytest.fixture
def pull(tmp_path: Path) -> Iterator[Puller]:
    pytest.importorskip("huggingface_hub")
    with Hub(DATA).serving() as hub:
        yield Puller(hub, tmp_path)


def test_a_file_is_pulled_once_by_the_name_of_its_backend(pull: Puller) -> None:
    """Path, size, checksum and license are those of the file that is there."""
    pull.config()
    first = pull.pulled("local")
    assert Path(first[0].pop("path")).read_bytes() == DATA
    assert first == [{"backend": "local", "source": NAME, "size": len(DATA), "sha256": SHA256, "license": "apache-2.0"}]
    assert pull.pulled() == pull.pulled("local")
    assert pull.hub.downloads() == [0]


def test_a_file_is_pulled_by_its_own_name_without_a_config(pull: Puller) -> None:
    found = pull.pulled(NAME)
    assert (found[0]["backend"], found[0]["source"]) == (None, NAME)


def test_people_are_shown_the_license_before_and_the_checksum_after(pull: Puller) -> None:
    pull.config()
    done = pull("pull")
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == f"{NAME}: license apache-2.0; fetching"
    for word in (f"local: {NAME}", f"{len(DATA):,} bytes", SHA256, "apache-2.0", str(pull.folder)):
        assert word in done.stdout
    pull.hub.license = None
    assert "none named" in pull("pull").stdout


def test_a_terminal_sees_a_bar_and_a_pipe_does_not(pull: Puller) -> None:
    pull.config()
    line = (sys.executable, "-m", "complaint_llm", "models", "pull")
    with PseudoTerminal(pull.folder, *line, env={**pull.env, "TERM": "xterm"}) as terminal:
        assert terminal.end() == 0
    assert "100%" in terminal.shown
    other = Puller(pull.hub, pull.folder)
    other.env["HF_HOME"] = str(pull.folder / "other")
    assert "%" not in other("pull").stderr


def test_a_pull_that_broke_off_goes_on(pull: Puller) -> None:
    """In the next process, from what had come."""
    pull.config()
    pull.hub.cuts = [STEP + 1000, *[0] * 20]
    done = pull("pull")
    assert done.returncode == 1
    assert f"local: cannot fetch {NAME} from the Hub" in done.stderr
    failed = len(pull.hub.downloads())
    pull.hub.cuts = []
    assert pull.pulled()[0]["sha256"] == SHA256
    assert pull.hub.downloads()[failed:] == [STEP]


@pytest.mark.rows(2)
@pytest.mark.parametrize("other", ["0" * 64, hashlib.sha256(b"").hexdigest(), "f" * 64])
def test_a_file_that_is_not_the_config_s_is_refused_before_it_is_fetched(pull: Puller, other: str) -> None:
    """In one line; nothing of it comes."""
    pull.config({"id": "local", "type": "workstation", "repo": REPO, "filename": FILE, "sha256": other})
    done = pull("pull")
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [
        f"local: {NAME} is refused: its SHA-256 is {SHA256}, the config says {other}"
    ]
    assert pull.hub.downloads() == []


def test_the_config_s_file_is_pulled(pull: Puller) -> None:
    pull.config({"id": "local", "type": "workstation", "repo": REPO, "filename": FILE, "sha256": SHA256})
    assert pull.pulled()[0]["sha256"] == SHA256


def test_a_file_whose_name_says_nothing_is_judged_by_its_content(pull: Puller) -> None:
    """A Hub may name no SHA-256: what came is then looked at, as is what was there before."""
    pull.hub.etag = "a" * 40
    pull.config({"id": "local", "type": "workstation", "repo": REPO, "filename": FILE, "sha256": "0" * 64})
    for _ in range(2):
        done = pull("pull")
        assert done.returncode == 1
        assert f"refused: its SHA-256 is {SHA256}, the config says {'0' * 64}" in done.stderr


def test_what_the_hub_sends_must_be_what_it_names(pull: Puller) -> None:
    """Not only where a fetch is resumed."""
    pull.hub.etag = "b" * 64
    pull.config()
    done = pull("pull")
    assert done.returncode == 1
    assert "what came does not fit: it was deleted" in done.stderr
    assert not list((pull.folder / "hub").rglob("*.gguf"))


def test_a_file_that_was_changed_since_is_refused(pull: Puller) -> None:
    pull.config()
    path = Path(pull.pulled()[0]["path"]).resolve()
    path.write_bytes(DATA[:-1] + b"x")
    done = pull("pull")
    assert done.returncode == 1
    assert f"{NAME}: its content has SHA-256" in done.stderr


def test_nothing_to_pull_is_said(pull: Puller) -> None:
    """Of a config it is no failure, of a backend that was named it is."""
    pull.config({"id": "m", "type": "mock", "echo": True})
    done = pull("pull")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no backend of the config names a file" in done.stderr
    done = pull("pull", "m")
    assert (done.returncode, done.stdout) == (1, "")
    assert "m: there is nothing to fetch" in done.stderr
    done = pull("pull", "n")
    assert done.returncode == 2
    assert "no backend 'n'" in done.stderr


def test_without_a_hub_one_line_says_so(pull: Puller) -> None:
    pull.env["HF_ENDPOINT"] = f"http://127.0.0.1:{free_port()}"
    done = pull("pull", NAME)
    assert done.returncode == 1
    assert f"cannot fetch {NAME} from the Hub" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_where_nothing_may_leave_a_pull_is_the_way(pull: Puller) -> None:
    """Under privacy "local" requests fetch nothing; whoever pulls has said so, and sends no prompt."""
    pull.config(privacy="local")
    assert pull.pulled()[0]["sha256"] == SHA256


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    "words", [("local",), ("-q", "tiny"), ("local", "-q", "tiny"), ("-q", "tiny", "local"), ("--json",), ()]
)
def test_the_list_is_what_it_was(pull: Puller, words: tuple[str, ...]) -> None:
    """With options before and after the backend."""
    pull.config()
    pull.pulled()
    done = pull(*words)
    assert done.returncode == 0, done.stderr
    assert FILE in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-q", "x", "pull"), "options of pull stand after it"),
        (("--json", "pull"), "options of pull"),
        (("pull", "-q"), "-q"),
    ],
)
def test_options_belong_to_their_command(pull: Puller, words: tuple[str, ...], said: str) -> None:
    pull.config()
    done = pull(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
