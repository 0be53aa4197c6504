"""Kills ``complaint-llm batch`` at random moments, resumes it, and compares with an undisturbed run.

    python -m benchmarks.batch_kill --runs 200
    python -m benchmarks.batch_kill --runs 50 --signal TERM

Budget, cache and provenance are on. A scripted loopback server counts what it was asked. For every run it must hold
that the output equals an undisturbed run's, no item is lost, nothing whose answer was recorded is asked again, and what
is asked twice was in doubt. After TERM nothing is in doubt.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.batch import Journal

WORKERS = 8


def _usual_signals() -> None:
    """A child inherits what is ignored, as under nohup, and would then rightly go on."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)


class ScriptedServer:
    """Answers chat completions after a random few ms, and counts prompts. The counts are guarded by the lock."""

    def __init__(self, seed: int) -> None:
        self.lock = threading.Condition()
        self.asked: Counter[str] = Counter()
        self.connections = 0
        self._random = random.Random(seed)
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                with owner.lock:
                    owner.connections += 1

            def finish(self) -> None:
                super().finish()
                with owner.lock:
                    owner.connections -= 1
                    owner.lock.notify_all()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                prompt = body["messages"][-1]["content"]
                with owner.lock:
                    owner.asked[prompt] += 1
                    wait = owner._random.uniform(0.001, 0.02)
                    owner.lock.notify_all()
                time.sleep(wait)
                answer = json.dumps(
                    {
                        "id": "x",
                        "object": "chat.completion",
                        "model": "m",
                        "choices": [
                            {
                                "index": 0,
                                "finish_reason": "stop",
                                "message": {"role": "assistant", "content": answer_to(prompt)},
                            }
                        ],
                        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
                    }
                ).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    self.close_connection = True  # the client was killed

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A killed client resets its connections: expected here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def total(self) -> int:
        with self.lock:
            return sum(self.asked.values())

    def quiet(self, seconds: float = 20) -> None:
        """Wait until nobody is connected: everything that was sent has been counted."""
        with self.lock:
            if not self.lock.wait_for(lambda: self.connections == 0, seconds):
                raise RuntimeError(f"{self.connections} connections are still open after {seconds} s")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Outcome(NamedTuple):
    """One run: how often it was killed, how many items were in doubt and asked again; ``faults`` ought to be empty."""

    kills: int
    in_doubt: int
    asked_again: int
    faults: list[str]


def answer_to(prompt: str) -> str:
    """What the server answers: a function of the prompt alone."""
    return f"answer to {prompt}"


def one_run(folder: Path, seed: int, items: int, number: signal.Signals = signal.SIGKILL) -> Outcome:
    """Kill the command up to three times, let it finish, and look at what came out."""
    chance = random.Random(seed)
    server = ScriptedServer(seed)
    faults: list[str] = []
    try:
        _write_input(folder, server.url, items)
        out, journal = folder / "out.jsonl", folder / "out.jsonl.journal"
        recorded: set[str] = set()
        doubtful: set[str] = set()
        ever_doubtful: set[str] = set()
        total_in_doubt = kills = 0
        before: Counter[str] = Counter()
        planned = chance.randint(1, 3)
        while True:
            killed = _run_command(folder, server, chance if kills < planned else None, number)
            server.quiet()
            asked = server.asked - before
            before = Counter(server.asked)
            faults += [f"{prompt} was recorded and asked again" for prompt in recorded & set(asked)]
            faults += [f"{prompt} was asked {n} times in one go" for prompt, n in asked.items() if n > 1]
            faults += [
                f"{prompt} was asked again and had not been in doubt"
                for prompt in asked
                if server.asked[prompt] > asked[prompt] and prompt not in ever_doubtful
            ]
            if out.exists():
                faults += _broken_lines(out)
            if not killed:
                break
            kills += 1
            if journal.exists():
                with Journal(journal) as book:
                    lines = list(book.recorded_items(earlier=True))
                    doubtful = {f"prompt {key}" for key in book.in_doubt()}
                recorded = {f"prompt {line.id}" for line in lines if line.output is not None}
                if len(doubtful) > (2 * WORKERS if number == signal.SIGKILL else 0):
                    faults.append(f"{len(doubtful)} items in doubt after {number.name}")
                ever_doubtful |= doubtful
                total_in_doubt += len(doubtful)
        faults += _differences(out, items)
        missing = items - len(server.asked)
        if missing:
            faults.append(f"{missing} items were never asked")
        again = sum(n - 1 for n in server.asked.values())
        return Outcome(kills, total_in_doubt, again, faults)
    finally:
        server.close()


def _write_input(folder: Path, url: str, items: int) -> None:
    backend = {"id": "gpt", "type": "openai", "api_key": "none", "model": "m", "base_url": url, "cache_enabled": True}
    backend |= {"pricing": {"input": 1, "output": 1}, "max_tokens": 50, "budget": 100}
    mediator = {"backends": ["gpt"], "budget": 100, "cache": {"path": "answers.db"}, "provenance": "digests"}
    config = {"BACKENDS": [backend], "MEDIATOR": mediator}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    lines = (json.dumps({"id": str(i), "prompt": f"prompt {i}"}) + "\n" for i in range(items))
    (folder / "in.jsonl").write_text("".join(lines), encoding="utf-8")


def _run_command(
    folder: Path, server: ScriptedServer, chance: random.Random | None, number: signal.Signals = signal.SIGKILL
) -> bool:
    """Run the command once; with ``chance`` it gets the signal at a random moment. True if that ended it."""
    command = [sys.executable, "-m", "complaint_llm", "-c", "config.json", "batch", "in.jsonl", "-o", "out.jsonl"]
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen([*command, "-w", str(WORKERS)], cwd=folder, stderr=errors, preexec_fn=_usual_signals)
        if chance is not None:
            if chance.random() < 0.1:  # while it starts, or opens the journal
                time.sleep(chance.uniform(0.05, 0.5))
            else:
                wanted = server.total() + chance.randint(1, 100)
                with server.lock:
                    server.lock.wait_for(lambda: sum(server.asked.values()) >= wanted or process.poll() is not None, 3)
                time.sleep(chance.uniform(0, 0.02))
            process.send_signal(number)
        code = process.wait(60)
    if chance is not None and code in (130, -number):
        return True
    if code != 0:
        raise RuntimeError(f"the command ended with {code}: {(folder / 'stderr').read_text(encoding='utf-8')}")
    return False


def _broken_lines(out: Path) -> list[str]:
    faults = []
    for line in out.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            json.loads(line)
        except ValueError:
            faults.append(f"a line of the output is not whole: {line[:80]!r}")
        if not line.endswith("\n"):
            faults.append("the last line of the output has no end")
    return faults


def _differences(out: Path, items: int) -> list[str]:
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    wanted = [(str(i), answer_to(f"prompt {i}"), None) for i in range(items)]
    got = [(line["id"], line["text"], line["error"]) for line in found]
    wrong = sum(left != right for left, right in zip(wanted, got, strict=False)) + abs(len(wanted) - len(got))
    return [f"the output differs: {len(got)} lines, {wrong} wrong or missing"] if wrong else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--items", type=int, default=150)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--signal", choices=["KILL", "TERM", "HUP"], default="KILL")
    given = parser.parse_args()
    first = random.randrange(1 << 30) if given.seed is None else given.seed
    outcomes = []
    for number in range(given.runs):
        with tempfile.TemporaryDirectory() as folder:
            outcome = one_run(Path(folder), first + number, given.items, signal.Signals[f"SIG{given.signal}"])
        outcomes.append(outcome)
        for fault in outcome.faults:
            print(f"seed {first + number}: {fault}")
    faulty = sum(bool(outcome.faults) for outcome in outcomes)
    print(
        f"{given.runs} runs of {given.items} items, seeds from {first}: {sum(o.kills for o in outcomes)} kills, "
        f"{sum(o.in_doubt for o in outcomes)} items in doubt, {sum(o.asked_again for o in outcomes)} asked again, "
        f"{faulty} runs with faults"
    )
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
