"""``complaint-llm batch --executor dask://host:port``: the config travels as written, secrets stay where they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.batch.dask_relay import Relay
from tests.end_to_end.everything import write_config
from tests.peers import need_peer
from tests.wire_messages import chat

pytestmark = [
    pytest.mark.peer("distributed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

CLIENTS_KEY = "sk-of-the-client-41c8e0"
WORKERS_KEY = "sk-of-the-worker-9d27b5"


class Provider(BaseHTTPRequestHandler):
    """Answers a chat completion with its prompt, and notes the key."""

    protocol_version = "HTTP/1.1"
    keys: set[str]

    def do_POST(self) -> None:
        self.keys.add(self.headers["Authorization"])
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps(chat(f"<{asked['messages'][-1]['content']}>")).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Not on stderr."""


@pytest.fixture
def provider() -> Iterator[tuple[int, set[str]]]:
    """The port of a provider, and the keys that it was sent."""
    keys: set[str] = set()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Noting", (Provider,), {"keys": keys})) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port, keys
        server.shutdown()
        thread.join(5)


@pytest.fixture
def wire() -> Iterator[Relay]:
    """The way to a cluster of two worker processes whose environment has a key of their own."""
    need_peer("distributed")
    import distributed

    place = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}
    own = {"SERVICE_KEY": WORKERS_KEY}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=2, processes=True, env=own, **place) as cluster,
        Relay(int(cluster.scheduler_address.rpartition(":")[2])) as relay,
    ):
        yield relay


def batch(folder: Path, wire: Relay) -> subprocess.CompletedProcess[str]:
    """The command, in an environment with a key that is not the workers'."""
    command = [sys.executable, "-m", "complaint_llm", "-c", "config.json", "batch", "in.txt", "-o", "out.jsonl"]
    return subprocess.run(
        [*command, "--executor", f"dask://127.0.0.1:{wire.port}", "-w", "4"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "SERVICE_KEY": CLIENTS_KEY, "ONLY_HERE_KEY": CLIENTS_KEY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_workers_use_their_own_secrets_and_nobody_s_is_sent(
    provider: tuple[int, set[str]], wire: Relay, tmp_path: Path
) -> None:
    """Answers in input order; on the wire are prompts, answers and the reference to the key, as the config has it.

    A variable that a worker lacks is the error of each item, and says at which worker.
    """
    port, keys = provider
    entry = {"id": "a", "type": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "model": "m"}
    write_config(tmp_path, [{**entry, "api_key": "$SERVICE_KEY"}])
    (tmp_path / "in.txt").write_text("".join(f"narrative {i}\n" for i in range(40)))
    done = batch(tmp_path, wire)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == [f"<narrative {i}>" for i in range(40)]
    assert keys == {f"Bearer {WORKERS_KEY}"}
    for sent in (b"$SERVICE_KEY", b"narrative 17", b"<narrative 17>"):
        assert sent in wire.seen

    write_config(tmp_path, [{**entry, "api_key": "$ONLY_HERE_KEY"}])
    (tmp_path / "in.txt").write_text("one\ntwo\n")
    done = batch(tmp_path, wire)
    assert done.returncode == 1
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    for line in lines[-2:]:
        assert "Dask worker tcp://127.0.0.1:" in line["error"]["message"]
        assert "ONLY_HERE_KEY" in line["error"]["message"]
    for secret in (CLIENTS_KEY, WORKERS_KEY):
        assert secret.encode() not in wire.seen
        assert secret not in done.stderr
        assert secret not in (tmp_path / "out.jsonl").read_text()
