"""Makes random configs whose MEDIATOR requires something of how data is handled, asks each in every way, and watches
every connection that the process makes.

``python -m tests.end_to_end.requires_program SEED COUNT`` prints a summary as JSON. Each backend has a server's port of
its own on this machine, so that an audit hook sees which one is reached; what an entry's ``handling`` says decides
whether it may be. Each ask has a word of its own, by which the servers, who keep what they are sent, say who was asked:
a connection that is open already passes no audit hook. ``check --connect`` is run as well. An audit hook cannot be
taken out again, hence a process of its own.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tempfile
import threading
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.end_to_end.everything import write_config
from tests.end_to_end.privacy_program import STRATEGIES, Local, Server, ways

SERVERS = 6
REGIONS = ("us", "eu", "cn", "de", "gb")


def fits(handling: dict[str, Any], requires: dict[str, Any]) -> bool:
    """Whether what an entry says is good enough, as docs/privacy.md has it; written apart from the product.

    Days above 0 are no zero retention, whatever else is said; zero retention alone is 0 days; what is not said is not
    good enough.
    """
    days, zero = handling.get("retention_days"), handling.get("zero_retention")
    if days is None and zero is True:
        days = 0
    places = handling.get("region", [])
    places = [places] if isinstance(places, str) else places
    allowed = requires.get("region", [])
    allowed = {allowed} if isinstance(allowed, str) else set(allowed)
    if "eu" in allowed:
        allowed.add("de")
    met = {
        "trains": handling.get("trains") is False,
        "retention_days": days is not None and days <= requires.get("retention_days", 0),
        "region": bool(places) and allowed.issuperset(places),
        "zero_retention": zero is True and days == 0,
    }
    return all(met[key] for key in requires)


class Keeping(Local):
    """Keeps what its server is asked; answers a probe, too."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        KEPT.append((self.server.server_address[1], body.decode()))
        connection, self.rfile = self.rfile, io.BytesIO(body)
        super().do_POST()
        self.rfile = connection

    def do_GET(self) -> None:
        body = b'{"data": [{"id": "m"}]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


KEPT: list[tuple[int, str]] = []
"""The port and the body of each request. Appending is atomic."""


class Asked(NamedTuple):
    """The ports at which the word of an ask must not be, those whose servers fail, and what kinds of ask it is."""

    barred: set[int]
    failing: set[int]
    kinds: frozenset[str]

    def kinds_at(self, ports: set[int]) -> frozenset[str]:
        """Its kinds, where it came to these ports: a hedge is what came to a second server though the first answers."""
        is_hedge = len(ports - self.failing) > 1 and not self.kinds & {"batch", "batch_generate"}
        return self.kinds if is_hedge else self.kinds - {"hedge"}


class Watch:
    """The audit hook: which ports were reached, and which of them must not be now. Any thread may trip it."""

    def __init__(self, ports: set[int]) -> None:
        self.ports = ports
        self.barred: set[int] = set()
        self.wrong: list[str] = []
        self.reached: Counter[int] = Counter()
        self.doing = ""

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in ("socket.connect", "socket.sendto") or not isinstance(args[1], tuple):
            return
        port = args[1][1]
        self.reached[port] += 1
        if port in self.barred or port not in self.ports:
            self.wrong.append(f"{self.doing}: {event} {args[1]!r}")
            raise PermissionError("the test refuses it")


class Configs:
    """Random handling, requirements and compositions from a seed."""

    def __init__(self, seed: int, ports: list[int]) -> None:
        self.random = Random(seed)
        self.ports = ports

    def some(self, likely: float = 0.5) -> bool:
        return self.random.random() < likely

    def handling(self) -> dict[str, Any]:
        """Each part known or not."""
        known: dict[str, Any] = {
            "trains": self.some(0.3),
            "retention_days": self.random.choice((0, 7, 30, 31, 365)),
            "region": self.random.choice(("us", "eu", "cn", "de", ["us", "eu"], ["eu", "cn"])),
            "zero_retention": self.some(0.6),
        }
        kept = {key: value for key, value in known.items() if self.some(0.75)}
        return kept | {"source": "a contract", "as_of": "2026-11-01"}

    def requires(self) -> dict[str, Any]:
        """At least one requirement."""
        every: dict[str, Any] = {
            "trains": False,
            "retention_days": self.random.choice((0, 7, 30)),
            "region": self.random.choice(("us", "eu", ["us", "eu"])),
            "zero_retention": True,
        }
        chosen = self.random.sample(sorted(every), self.random.choice((1, 1, 1, 2, 3)))
        return {key: every[key] for key in chosen}

    def backends(self) -> list[dict[str, Any]]:
        """One for each port, of a type of which nothing is known, and compositions of them."""
        found: list[dict[str, Any]] = []
        for number, port in enumerate(self.ports):
            path = self.random.choice(("v1", "v1", "fails"))
            entry = {
                "id": f"b{number}", "type": "vllm", "model": "m", "embedding_model": "m", "api_key": "sk-x",
                "base_url": f"http://127.0.0.1:{port}/{path}", "location": "remote", "max_retries": 0,
                "handling": self.handling(),
            }  # fmt: skip
            found.append(entry | ({"cache_enabled": True} if self.some(0.2) else {}))
        return found

    def composed(self, backends: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The same beside chains, shared groups, routers, and parts that are written inside of them."""
        ids = [entry["id"] for entry in backends]
        more: list[dict[str, Any]] = []
        if self.some(0.4):
            more.append({"id": "chain", "type": "fallback", "primary": ids[0], "fallbacks": ids[1:]})
        if self.some(0.5):
            inline = {key: value for key, value in backends[-1].items() if key != "id"}
            more.append({"id": "inline", "type": "llm_router", "provider": inline, "model": "m"})
        if self.some(0.4):
            strategy = self.random.choice(STRATEGIES)
            more.append({"id": "shared", "type": "load_balanced", "backends": ids, "strategy": strategy})
        if len(more) > 1:
            more.append({"id": "nested", "type": "fallback", "primary": more[0]["id"], "fallbacks": [more[1]["id"]]})
        every = [*backends, *more]
        self.random.shuffle(every)
        return every


def plain(mediator: Any, word: str, params: dict[str, Any]) -> Any:
    return mediator.infer(word, **params)


def streamed(mediator: Any, word: str, params: dict[str, Any]) -> Any:
    return list(mediator.infer_stream(word, **params))


def in_a_batch(mediator: Any, word: str, params: dict[str, Any]) -> Any:
    (result,) = mediator.batch([word], **params)
    if result.error is not None:
        raise result.error
    return result.output


def embedded(mediator: Any, word: str, params: dict[str, Any]) -> Any:
    return mediator.embed(word, **params)


BY_NAME = {"infer": plain, "stream": streamed, "batch": in_a_batch, "embed": embedded}
ANSWERS = "infer", "stream", "batch"
"""The ways in which a backend that may be asked, and does not fail, must answer."""


def try_config(
    configs: Configs, watch: Watch, host: Any, folder: Path, told: Counter[str], asked: dict[str, Asked]
) -> None:
    """Load one config and ask it in every way, with a requirement in the config, in the call, or one in each.

    ``asked`` gets the word of each ask.
    """
    from complaint_llm import Mediator, load_config
    from complaint_llm.exceptions import ComplaintLLMError

    backends = configs.backends()
    everywhere, called = configs.requires(), configs.requires()
    where = configs.random.choice(("config", "call", "both"))
    mediator: dict[str, Any] = {"strategy": configs.random.choice(STRATEGIES), "timeout": 5}
    if where != "call":
        mediator["requires"] = everywhere
    if configs.some(0.3):
        mediator["hedge_after"] = 0.0001
    params: dict[str, Any] = {} if where == "config" else {"requires": called}
    sets = [each for each, used in ((everywhere, where != "call"), (called, where != "config")) if used]

    def barred_by(sets: list[dict[str, Any]]) -> set[int]:
        pairs = zip(configs.ports, backends, strict=True)
        return {port for port, entry in pairs if not all(fits(entry["handling"], each) for each in sets)}

    barred = barred_by(sets)
    watch.barred = set()
    composed = configs.composed(backends)
    path = write_config(folder, composed, MEDIATOR=mediator)
    try:
        opened = Mediator.from_loaded(load_config(path, host=host))
    except ComplaintLLMError as error:
        told["not loaded"] += 1
        told[f"not loaded: {str(error).splitlines()[-1][:200]}"] += 1
        return
    told["barred"] += len(barred)
    with opened:
        if where != "call" and configs.some(0.5):
            watch.barred = barred_by([everywhere])
            probe(path, watch, told)
        watch.barred = barred
        every: dict[str, tuple[str, Any]] = {}
        common = {"hedge"} if "hedge_after" in mediator else set()
        open_ones: set[str] = set()
        pairs = list(zip(configs.ports, backends, strict=True))
        failing = {port for port, entry in pairs if entry["base_url"].endswith("/fails")}
        may_answer = {entry["id"] for port, entry in pairs if port not in barred | failing}

        def add(way: str, word: str, ask: Any, *kinds: str) -> None:
            every[way] = word, ask
            asked[word] = Asked(barred, failing, frozenset((*kinds, *common)))

        for way in ways(opened, params):
            word = f"canary-{len(asked)}-"
            add(way, word, ways(opened, params, word)[way], way)
        for entry in composed:
            word = f"canary-{len(asked)}-"
            kind = configs.random.choice(sorted(BY_NAME))
            way = f"backend {entry['id']}"
            ask = partial(BY_NAME[kind], opened, word, {**params, "backend": entry["id"]})
            add(way, word, ask, kind, "backend", entry["id"])
            if entry["id"] in may_answer and kind in ANSWERS:
                open_ones.add(way)
        whole = {f"backend {entry['id']}" for entry in composed if entry["type"] != "vllm"}
        ask_each({way: each for way, each in every.items() if way in whole or configs.some()}, open_ones, watch, told)


def probe(path: Path, watch: Watch, told: Counter[str]) -> None:
    """Let the command contact whatever it may."""
    from click.testing import CliRunner

    from complaint_llm.cli.main import cli

    before, watch.doing = watch.reached.total(), "check"
    done = CliRunner().invoke(cli, ["-c", str(path), "check", "--connect"])
    if done.exit_code not in (0, 1):
        watch.wrong.append(f"check ended with {done.exit_code}: {done.output[-300:]}")
    told["probes"] += watch.reached.total() - before


def ask_each(every: dict[str, tuple[str, Any]], open_ones: set[str], watch: Watch, told: Counter[str]) -> None:
    """Ask in each way; those of ``open_ones`` must be answered, and what is answered was sent to a server."""
    from complaint_llm.exceptions import ComplaintLLMError

    for way, (word, ask) in every.items():
        watch.doing = way
        try:
            ask()
        except ComplaintLLMError as error:
            told["refused"] += 1
            if way in open_ones:
                watch.wrong.append(f"{way} may be asked, and was not: {error}")
        else:
            told["answered" if way != "explain" else "explained"] += 1
            if way != "explain" and not any(word in body for _, body in KEPT):
                watch.wrong.append(f"{way} was answered by none of the servers")


def main(seed: int, count: int) -> None:
    """Print what came of ``count`` configs."""
    servers = [Server(("127.0.0.1", 0), Keeping) for _ in range(SERVERS)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = [server.server_port for server in servers]
    watch = Watch(set(ports))
    sys.addaudithook(watch)
    configs = Configs(seed, ports)
    told: Counter[str] = Counter()
    asked: dict[str, Asked] = {}
    with tempfile.TemporaryDirectory() as folder:
        from complaint_llm.host import PluginHost

        host = PluginHost()
        for _ in range(count):
            try_config(configs, watch, host, Path(folder), told, asked)
            told["configs"] += 1
    for server in servers:
        server.shutdown()
        server.server_close()
    reached: dict[str, set[int]] = {}
    for port, body in KEPT:
        for word in set(re.findall(r"canary-\d+-", body)):
            told["words"] += 1
            reached.setdefault(word, set()).add(port)
            if port in asked[word].barred:
                watch.wrong.append(f"{word} was sent to port {port}")
    for word, ports in reached.items():
        told.update(f"sent: {kind}" for kind in asked[word].kinds_at(ports))
    print(json.dumps({"wrong": watch.wrong, "connections": watch.reached.total(), **told}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
