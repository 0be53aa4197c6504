"""Makes random configs, asks each with ``privacy="local"``, and watches every way out of the process.

``python -m tests.end_to_end.privacy_program SEED COUNT`` prints a summary as JSON. An audit hook sees each connection,
name look-up, datagram and new process, and refuses what leads beyond loopback. It cannot be taken out again, hence a
process of its own.
"""

from __future__ import annotations

import ipaddress
import json
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

from tests.end_to_end.everything import write_config
from tests.wire_messages import chat, chunk, sse

ANSWER = "said on this machine"
ELSEWHERE = (
    "http://192.0.2.7:8080/v1",
    "https://198.51.100.9/v1",
    "https://api.example.com/v1",
    "http://localhost.example.com/v1",
    "http://127.0.0.1.example.com/v1",
    "http://[2001:db8::1]:80/v1",
    "http://[::ffff:192.0.2.7]/v1",
    "http://0.0.0.0:1/v1",
    "http://10.0.0.1/v1",
)
REMOTE = ("openai", "anthropic", "google", "xai", "cerebras", "openrouter", "huggingface", "groq", "mistral", "vllm")
STRATEGIES = ("fallback", "round_robin", "random", "weighted", "least_loaded", "lowest_latency", "lowest_cost")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
WATCHED = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "subprocess.Popen", "os.posix_spawn")


class Watch:
    """The audit hook: refuses and remembers whatever leads beyond this machine. Any thread may trip it."""

    def __init__(self) -> None:
        self.beyond: list[str] = []
        self.seen: Counter[str] = Counter()

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto"):
            address = args[1]
            inside = isinstance(address, (str, bytes)) or _is_loopback(address[0])
        elif event in WATCHED:
            inside = _is_loopback(args[0]) if event.startswith("socket.") else _tries_plugins(args[1])
            address = args[:2]
        else:
            return
        self.seen[event] += 1
        if not inside:
            self.beyond.append(f"{event} {address!r}")
            raise PermissionError(f"the test refuses {event} {address!r}")


def _tries_plugins(command: Any) -> bool:
    """Whether this is the interpreter itself, in which ``check --connect`` tries plugins apart: it is on this machine,
    and the same runs without any network in ``test_the_same_in_an_empty_network_namespace``."""
    return [*command][:4] == [sys.executable, "-I", "-B", "-c"]


def _is_loopback(host: Any) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


class Local(BaseHTTPRequestHandler):
    """A server on this machine that speaks chat completions; paths under /fails answer 500."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        failing = self.path.startswith("/fails")
        kind = "application/json"
        if failing:
            body = b'{"error": {"message": "down"}}'
        elif "input" in request:
            vectors = [{"index": at, "embedding": [0.5]} for at, _ in enumerate(request["input"])]
            body = json.dumps(
                {"data": vectors, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
            ).encode()
        elif request.get("stream"):
            body, kind = sse(chunk({"content": ANSWER}), chunk({}, "stop"), "[DONE]"), "text/event-stream"
        else:
            body = json.dumps(chat(ANSWER)).encode()
        self.send_response(500 if failing else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Does not mind callers that were cancelled."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A hedge that lost hangs up: nothing to report."""


class Configs:
    """Random configs from a seed; ``port`` is where a local server listens."""

    def __init__(self, seed: int, port: int) -> None:
        self._random = Random(seed)
        self._here = f"http://127.0.0.1:{port}"

    def some(self, likely: float = 0.5) -> bool:
        return self._random.random() < likely

    def choice(self, of: Any) -> Any:
        return self._random.choice(of)

    def backend(self, id: str) -> dict[str, Any]:
        """One that is local, remote, or claims to be what it is not."""
        entry: dict[str, Any] = {"id": id, "model": "m", "api_key": "sk-x", "max_retries": self.choice((0, 1, 2))}
        entry["retry_delay"] = 0.001
        kind = self.choice(("remote", "elsewhere", "claims", "studio", "studio away", "here", "fails", "undeclared"))
        if kind == "remote":
            entry["type"] = self.choice(REMOTE)
        elif kind == "elsewhere":
            entry |= {"type": self.choice(REMOTE), "base_url": self.choice(ELSEWHERE)}
        elif kind == "claims":
            entry |= {"type": self.choice(REMOTE), "base_url": self.choice(ELSEWHERE), "location": "local"}
            if self.some(0.3):
                del entry["base_url"]
        elif kind == "studio":
            entry |= {
                "type": "lmstudio",
                "base_url": self._here.replace("127.0.0.1", self.choice(("127.0.0.1", "localhost"))),
            }
        elif kind == "studio away":
            entry |= {"type": "lmstudio", "base_url": self.choice(ELSEWHERE)}
        elif kind == "here":
            entry |= {"type": "openai", "base_url": f"{self._here}/v1", "location": "local"}
        elif kind == "fails":
            entry |= {"type": "openai", "base_url": f"{self._here}/fails", "location": "local"}
        else:
            entry |= {"type": "openai", "base_url": f"{self._here}/v1"}
        if entry["type"] in ("openai", "lmstudio", "google"):
            entry["embedding_model"] = "m"
        more = (
            ("optional", True),
            ("rate_limit", 1000),
            ("max_concurrency", 4),
            ("cache_enabled", True),
            ("weight", 2.5),
            ("tokens_per_minute", 100_000),
        )
        entry |= {key: value for key, value in more if self.some(0.2)}
        return entry

    def config(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The backends and the other sections."""
        backends = [self.backend(f"b{number}") for number in range(self._random.randint(1, 5))]
        ids = [entry["id"] for entry in backends]
        if self.some(0.3):
            backends.append({"id": "chain", "type": "fallback", "primary": ids[0], "fallbacks": ids[1:] or ids[:1]})
        if self.some(0.2):
            backends.append(
                {"id": "shared", "type": "load_balanced", "backends": ids, "strategy": self.choice(STRATEGIES)}
            )
        if self.some(0.2):
            backends.append({"id": "router", "type": "llm_router", "provider": self.choice(ids), "model": "m"})
        if self.some(0.2):
            inline = {key: value for key, value in self.backend("inline").items() if key not in ("id", "optional")}
            backends.append({"id": "inline", "type": "llm_router", "provider": inline, "model": "m"})
        groups = [entry["id"] for entry in backends[len(ids) :]]
        if groups:
            backends.append({"id": "nested", "type": "fallback", "primary": groups[0], "fallbacks": groups[1:] or ids})
        if self.some(0.2):
            backends.append({"id": "mock", "type": "mock", "echo": True})
        self._random.shuffle(backends)
        mediator: dict[str, Any] = {"strategy": self.choice(STRATEGIES), "timeout": 5}
        more = (
            ("hedge_after", self.choice((0.0001, 0.01))),
            ("max_attempts", self.choice((1, 3, 9))),
            ("circuit_breaker", {"failures": 1, "cooldown": 0.001}),
            ("privacy", "local"),
        )
        mediator |= {key: value for key, value in more if self.some(0.4)}
        if self.some(0.05):
            mediator["provenance"] = "digests"
        if self.some(0.15) and find_spec("redis") is not None:
            mediator["shared"] = {"redis": "redis://192.0.2.3:6379/0"}
        sections: dict[str, Any] = {"MEDIATOR": mediator}
        if self.some(0.1):
            sections["EVIDENCE"] = {"ipfs_api": "http://192.0.2.9:5001", "ipfs_public": True}
        return backends, sections


def ways(mediator: Any, local: dict[str, Any], ask: str = "ask") -> dict[str, Callable[[], Any]]:
    """Every way to ask; ``local`` is the parameter, empty where the config says it for all; ``ask`` is in each text."""
    return {
        "infer": lambda: mediator.infer(ask, **local),
        "generate": lambda: mediator.generate(ask, **local),
        "stream": lambda: list(mediator.infer_stream(ask, **local)),
        "embed": lambda: mediator.embed(ask, **local),
        "batch": lambda: [_output(result) for result in mediator.batch([f"{ask} a", f"{ask} b", f"{ask} c"], **local)],
        "batch_generate": lambda: mediator.batch_generate([f"{ask} a", f"{ask} b"], **local),
        "tools": lambda: mediator.infer(ask, [{"name": "search"}], **local),
        "structured": lambda: mediator.infer(ask, response_format={"type": "object"}, **local),
        "explain": lambda: mediator.explain(ask, **local),
    }


def _output(result: Any) -> Any:
    if result.error is not None:
        raise result.error
    return result.output


def try_config(configs: Configs, host: Any, folder: Path, told: Counter[str]) -> None:
    """Load one config and ask it in some of the ways."""
    from click.testing import CliRunner

    from complaint_llm import Mediator, load_config
    from complaint_llm.cli.main import cli
    from complaint_llm.exceptions import ComplaintLLMError

    proxied = configs.some()
    for name in PROXIES:
        os.environ.pop(name, None)
        if proxied:
            os.environ[name] = "http://192.0.2.1:3128"
    backends, sections = configs.config()
    path = write_config(folder, backends, **sections)
    everywhere = "privacy" in sections["MEDIATOR"]
    try:
        mediator = Mediator.from_loaded(load_config(path, host=host))
    except ComplaintLLMError as error:
        # What can never be local may be refused at once; what is left out at load is no fault of the config.
        told["not loaded"] += 1
        told[f"not loaded: {str(error).splitlines()[-1][:200]}"] += 1
        return
    with mediator:
        local = {} if everywhere else {"privacy": "local"}
        every = ways(mediator, local)
        names = sorted(every)
        for entry in backends:
            named = {**local, "backend": entry["id"]}
            way = configs.choice(names)
            every[f"{entry['id'].rstrip('0123456789')} by its name"] = ways(mediator, named)[way]
        hedged = "hedge_after" in sections["MEDIATOR"]
        for way, ask in every.items():
            if not configs.some(0.4):
                continue
            told[way] += 1
            told["with a hedge"] += hedged
            try:
                ask()
            except ComplaintLLMError:
                told["refused"] += 1
            else:
                told["answered" if way != "explain" else "explained"] += 1
        if everywhere:
            try:
                mediator.submit_evidence(b"evidence", "document")
                told["stored"] += 1
            except ComplaintLLMError:
                told["not stored"] += 1
    if everywhere and configs.some(0.2):
        done = CliRunner().invoke(cli, ["-c", str(path), "check", "--connect"])
        told["checked"] += done.exit_code in (0, 1) and "backend" in done.stdout


def main(seed: int, count: int) -> None:
    """Print what came of ``count`` configs, and whether the hook sees what it should."""
    server = Server(("127.0.0.1", 0), Local)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    watch = Watch()
    sys.addaudithook(watch)
    configs = Configs(seed, server.server_port)
    told: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        from complaint_llm.host import PluginHost

        host = PluginHost()
        for _ in range(count):
            try_config(configs, host, Path(folder), told)
            told["configs"] += 1
        beyond = list(watch.beyond)
        told["connections"] = watch.seen["socket.connect"]
        # The other way round: without privacy the same hook does see and refuse a remote backend.
        for name in PROXIES:
            os.environ.pop(name, None)
        open_ = [
            {"id": "b", "type": "openai", "api_key": "sk-x", "model": "m", "base_url": ELSEWHERE[0], "max_retries": 0}
        ]
        from complaint_llm import Mediator
        from complaint_llm.exceptions import BackendConnectionError

        with Mediator.from_config(write_config(Path(folder), open_)) as mediator:
            try:
                mediator.infer("ask")
            except BackendConnectionError:
                told["seen without privacy"] = len(watch.beyond) - len(beyond)
    server.shutdown()
    server.server_close()
    print(json.dumps({"beyond": beyond, **told}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
