"""Batches through kills and faults, over a real connection to a loopback server."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import OpenAIBackend
from complaint_llm.batch import BatchItem, Journal, run_batch
from tests import forked
from tests.usual_signals import usual_signals

ROOT = Path(__file__).resolve().parents[2]
ITEMS = 200
FAULTS = ("500", "429", "reset", "cut", "not json", "silence")


@pytest.mark.parametrize(("runs", "items"), [("1", "60"), pytest.param("10", "100", marks=pytest.mark.endurance)])
def test_killed_and_resumed_runs_end_like_an_undisturbed_one(runs, items):
    """The harness is the benchmark's own: it exits with 1 and names the seed if anything differs."""
    done = forked.run(
        [sys.executable, "-m", "benchmarks.batch_kill", "--runs", runs, "--items", items],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 runs with faults" in done.stdout


class Faulty(BaseHTTPRequestHandler):
    """Fails 30 % of the prompts, in six ways by turns, for as long as the server is ill."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][-1]["content"]
        number = int(prompt.split()[-1])
        with self.server.lock:
            self.server.asked[prompt] += 1
        fault = FAULTS[number % 6] if self.server.ill and number % 10 < 3 else None
        answer = json.dumps(
            {
                "id": "x",
                "model": "m",
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"re {prompt}"}}
                ],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
        ).encode()
        self.server.healed.wait(self.server.delay)
        if fault == "silence":
            self.server.healed.wait(10)
            self.close_connection = True
            return
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        status = int(fault) if fault in ("500", "429") else 200
        if status != 200:
            answer = b'{"error": {"message": "no"}}'
        if fault == "not json":
            answer = b"<html>busy</html>"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if fault == "cut":
            answer = answer[:20]
            self.close_connection = True
        self.wfile.write(answer)

    def log_message(self, format, *args):
        """Silent."""


class FaultyServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Connections that the fault itself broke."""


@pytest.fixture
def server():
    server = FaultyServer(("127.0.0.1", 0), Faulty)
    server.lock, server.asked, server.ill, server.healed = threading.Lock(), Counter(), True, threading.Event()
    server.delay = 0.0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.healed.set()
    server.shutdown()
    server.server_close()


def test_a_provider_that_fails_in_six_ways_costs_no_item_and_only_failed_finishes_them(server, tmp_path):
    journal = tmp_path / "run.journal"
    backend = OpenAIBackend(
        base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none", model="m", max_retries=0
    )
    mediator = Mediator([backend], circuit_breaker={"failures": 1000})  # each prompt shall meet its own fault
    patience = 0.4

    def ask(prompt, params):
        return mediator.infer(prompt, timeout=patience, **params)

    items = [BatchItem(f"prompt {i}", str(i)) for i in range(ITEMS)]
    with mediator:
        results = list(run_batch(ask, items, max_workers=16, journal=journal))
        assert sorted(r.index for r in results) == list(range(ITEMS))
        assert all((r.output is None) != (r.error is None) for r in results)
        bad = {r.index for r in results if r.error is not None}
        assert bad >= {i for i in range(ITEMS) if i % 10 < 3}
        assert {type(r.error).__name__ for r in results if r.index in bad} >= {
            "ServerError",
            "RateLimitError",
            "BackendTimeoutError",
            "ResponseFormatError",
        }
        server.ill, patience = False, 60
        server.healed.set()
        before = Counter(server.asked)
        again = list(run_batch(ask, items, max_workers=16, journal=journal, only_failed=True, ordered=True))
    assert [str(r.error) for r in again if r.error] == []
    assert [r.output.content for r in again] == [f"re prompt {i}" for i in range(ITEMS)]
    assert {int(prompt.split()[-1]) for prompt in server.asked - before} == bad
    with Journal(journal) as book:
        assert book.counts() == (ITEMS, 0, 0)


def test_per_prompt_deadlines_hold_while_others_go_on(server, tmp_path, steady_clock):
    """Six silent prompts of 0.4 s on six workers do not add up."""
    backend = OpenAIBackend(
        base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none", model="m", max_retries=0
    )
    silent = [i for i in range(ITEMS) if i % 10 < 3 and i % 6 == 5][:6]
    with backend:
        begin = steady_clock()
        results = list(
            run_batch(
                lambda prompt, params: backend.infer(prompt, **params),
                [BatchItem(f"prompt {i}", None, {"timeout": 0.4}) for i in silent],
                max_workers=6,
            )
        )
    assert {type(r.error).__name__ for r in results} == {"BackendTimeoutError"}
    assert steady_clock() - begin < 1.2


@pytest.fixture
def command(server, tmp_path):
    """The command over 500 prompts with 4 workers, in a process of its own, once 20 of them were asked."""
    server.ill, server.delay = False, 0.05
    backend = {"id": "gpt", "type": "openai", "api_key": "none", "model": "m"}
    backend["base_url"] = f"http://127.0.0.1:{server.server_port}/v1"
    (tmp_path / "config.json").write_text(json.dumps({"BACKENDS": [backend]}), encoding="utf-8")
    (tmp_path / "in.txt").write_text("".join(f"prompt {i}\n" for i in range(500)), encoding="utf-8")
    arguments = ["-c", "config.json", "batch", "in.txt", "-o", "out.jsonl", "-w", "4"]
    with forked.Popen(
        [sys.executable, "-m", "complaint_llm", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=usual_signals,
    ) as process:
        until = time.monotonic() + 60
        while sum(server.asked.values()) < 20 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        yield process
        process.kill()


def test_ctrl_c_waits_for_what_is_under_way_and_says_how_to_go_on(command, server, tmp_path):
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=20)
    assert command.returncode == 130
    assert "run the same command again to go on" in said
    asked = sum(server.asked.values())
    assert asked < 500
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == [f"re prompt {i}" for i in range(asked)]
    with Journal(tmp_path / "out.jsonl.journal") as journal:
        assert journal.counts() == (asked, 0, 0)


def test_a_second_ctrl_c_cancels_what_is_under_way(command, server, tmp_path):
    server.delay = 120
    command.send_signal(signal.SIGINT)
    while "Ctrl-C again" not in (said := command.stderr.readline()):
        assert said, "it ended"
    assert command.poll() is None
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=60)
    assert command.returncode == 130
