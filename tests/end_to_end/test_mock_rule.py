"""A mock never passes for a model: it answers only where nothing else was left at load, and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from complaint_llm import Mediator
from complaint_llm.cli.main import cli
from complaint_llm.exceptions import (
    AllBackendsFailedError,
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    ConfigError,
    InvalidRequestError,
    ServerError,
)
from tests.end_to_end.everything import write_config
from tests.faults.mode import failed, said
from tests.peers import free_port
from tests.transport.faulty import REQUEST, FaultyServer, Script

OFFLINE = {"id": "offline", "type": "mock", "responses": ["made up"] * 50}


@contextmanager
def dead_host() -> Iterator[int]:
    """A port where nobody listens."""
    yield free_port()


@contextmanager
def answering(script: Script) -> Iterator[int]:
    with FaultyServer(script) as server:
        yield server.port


FAILURES: dict[str, tuple[Callable[[], Any], type[BackendError]]] = {
    "refused key": (lambda: answering([REQUEST, failed(401, said("no"))]), AuthenticationError),
    "dead host": (dead_host, BackendConnectionError),
    "500": (lambda: answering([REQUEST, failed(500, said("no"))]), ServerError),
}

ASKING: dict[str, Callable[[Mediator], Any]] = {
    "infer": lambda mediator: mediator.infer("ask"),
    "stream": lambda mediator: list(mediator.infer_stream("ask")),
    "embed": lambda mediator: mediator.embed("ask"),
    "batch": lambda mediator: _only_error(mediator),
}


def _only_error(mediator: Mediator) -> None:
    (result,) = mediator.batch(["ask"])
    assert result.output is None
    assert result.error is not None
    raise result.error


def entry(port: int, **keys: Any) -> dict[str, Any]:
    return {
        "id": "real",
        "type": "openai",
        "base_url": f"http://127.0.0.1:{port}/v1",
        "api_key": "sk-x",
        "model": "m",
        "embedding_model": "m",
        "max_retries": 0,
        **keys,
    }


@pytest.mark.rows(20)
@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
@pytest.mark.parametrize("strategy", ["fallback", "round_robin", "least_loaded", "lowest_cost"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_mock_is_never_asked_after_a_real_backend_failed(
    failure: str, strategy: str, ask: Callable[[Mediator], Any], tmp_path: Path
) -> None:
    """The failure is the answer, under every strategy and in every way to ask; the mock is not even a target."""
    playing, expected = FAILURES[failure]
    with playing() as port:
        config = write_config(tmp_path, [OFFLINE, entry(port)], MEDIATOR={"strategy": strategy, "timeout": 5})
        with Mediator.from_config(config) as mediator:
            for _ in range(3):
                with pytest.raises(expected) as caught:
                    ask(mediator)
                assert {attempt.backend for attempt in caught.value.attempts} == {"real"}
            assert mediator.backend("offline").call_count() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_mock_inside_a_composed_backend_is_not_asked_either(failure: str, tmp_path: Path) -> None:
    """A chain of a real backend and a mock, declared as a backend of its own, ends with the real one's failure."""
    playing, expected = FAILURES[failure]
    chain = {"id": "chain", "type": "fallback", "primary": "real", "fallbacks": ["offline"]}
    with playing() as port:
        config = write_config(tmp_path, [entry(port), OFFLINE, chain], MEDIATOR={"backends": ["chain"], "timeout": 5})
        with Mediator.from_config(config) as mediator:
            with pytest.raises((expected, AllBackendsFailedError)):
                mediator.infer("ask")
            assert mediator.backend("offline").call_count() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_mock_in_code_is_not_asked_either(failure: str) -> None:
    """The same for backends made in code, whatever their order."""
    from complaint_llm.backends import MockBackend, OpenAIBackend

    playing, expected = FAILURES[failure]
    with playing() as port:
        keys = {key: value for key, value in entry(port).items() if key != "type"}
        mock = MockBackend(echo=True, id="offline")
        with Mediator([mock, OpenAIBackend(**keys)], timeout=5) as mediator:
            with pytest.raises(expected):
                mediator.infer("ask")
            assert mock.call_count() == 0


def test_a_mock_that_stands_in_at_load_says_so_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With every other backend left out: outputs, streams and batch lines carry ``demo``, and a warning tells what is
    wanted."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    real = entry(9, api_key="${NO_SUCH_KEY}", optional=True)
    with Mediator.from_config(write_config(tmp_path, [real, OFFLINE])) as mediator:
        assert mediator.infer("ask").metadata["demo"] is True
        *_, done = mediator.infer_stream("ask")
        assert done.output.metadata["demo"] is True  # type: ignore[union-attr]
        (result,) = mediator.batch(["ask"])
        assert result.output is not None
        assert result.output.metadata["demo"] is True
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "demo text" in warning
    assert "NO_SUCH_KEY" in warning


def test_a_broken_backend_that_is_not_optional_does_not_make_room_for_a_mock(tmp_path: Path) -> None:
    """A missing key of a backend that is not optional is an error of the config."""
    broken = {"id": "real", "type": "openai", "api_key": "${NO_SUCH_KEY}", "model": "m"}
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        Mediator.from_config(write_config(tmp_path, [broken, OFFLINE]))


def test_mocks_among_themselves_are_ordinary_backends(tmp_path: Path) -> None:
    """Without any other type a mock answers, falls back to a mock, and is no demonstration."""
    first = {"id": "first", "type": "mock", "responses": [{"error": "down"}]}
    with Mediator.from_config(write_config(tmp_path, [first, OFFLINE])) as mediator:
        output = mediator.infer("ask")
    assert (output.content, output.backend, output.metadata.get("demo")) == ("made up", "offline", None)


def test_a_mock_that_is_asked_for_by_its_id_is_refused_or_says_what_it_is(tmp_path: Path) -> None:
    """Among the Mediator's own backends it is no target beside a real one; declared for purposes like this, it
    answers with the mark."""
    config = write_config(tmp_path, [entry(9), OFFLINE])
    with Mediator.from_config(config) as mediator, pytest.raises(InvalidRequestError, match="offline"):
        mediator.infer("ask", backend="offline")
    config = write_config(tmp_path, [entry(9), OFFLINE], MEDIATOR={"backends": ["real"]})
    with Mediator.from_config(config) as mediator:
        output = mediator.infer("ask", backend="offline")
        assert (output.content, output.metadata["demo"]) == ("made up", True)
        *_, done = mediator.infer_stream("ask", backend="offline")
        assert done.output.metadata["demo"] is True  # type: ignore[union-attr]


def test_a_chain_that_is_left_with_a_mock_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The mock at the end of a composed backend whose models were left out is a demonstration, too."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    real = entry(9, api_key="${NO_SUCH_KEY}", optional=True)
    chain = {"id": "chain", "type": "fallback", "primary": "real", "fallbacks": ["offline"]}
    config = write_config(tmp_path, [real, OFFLINE, chain], MEDIATOR={"backends": ["chain"]})
    with Mediator.from_config(config) as mediator:
        assert mediator.infer("ask").metadata["demo"] is True
    assert "demo text" in caplog.text


def test_a_chain_of_mocks_beside_a_model_is_not_asked(tmp_path: Path) -> None:
    """What is made of mocks alone is a mock."""
    more = {**OFFLINE, "id": "more"}
    chain = {"id": "chain", "type": "fallback", "primary": "offline", "fallbacks": ["more"]}
    with dead_host() as port:
        config = write_config(tmp_path, [entry(port), OFFLINE, more, chain], MEDIATOR={"backends": ["chain", "real"]})
        with Mediator.from_config(config) as mediator, pytest.raises(BackendConnectionError):
            mediator.infer("ask")


@pytest.mark.parametrize("options", [(), ("--task", "claims")])
@pytest.mark.parametrize("command", ["generate", "chat", "batch", "embed", "explain"])
def test_a_backend_that_is_not_there_is_one_short_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, options: tuple[str, ...]
) -> None:
    """Nobody answers, so nothing is said of who would answer in its place; a batch does not say it of each item."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, [entry(9, api_key="${NO_SUCH_KEY}", optional=True), OFFLINE])
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n' if options else '{"prompt": "a"}\n' * 20)
    rest = {"batch": ("in.jsonl", "-o", "out.jsonl"), "chat": ()}.get(command, ("hi",))
    given = options if command in ("generate", "chat", "batch") else ()
    done = CliRunner().invoke(cli, [command, *rest, "-b", "real2", *given], input="hi\n" if command == "chat" else None)
    assert done.exit_code == 1
    assert (str(done.exception) + done.stderr).startswith("no backend 'real2' here; there are: offline; left out: real")
    assert "demo text" not in done.stderr
    assert "failed" not in done.stderr


def test_a_summary_says_that_a_mock_answered_before_the_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads one line reads that one."""
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, [entry(9, api_key="${NO_SUCH_KEY}", optional=True), OFFLINE])
    (tmp_path / "in.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    done = CliRunner().invoke(cli, ["batch", "in.jsonl", "-o", "out.jsonl"])
    lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING")]
    assert lines[0] == "2 of the answers come from a mock, not from a model"
    assert lines[1].startswith("2 answered")


UNKNOWN: dict[str, Callable[[Mediator], Any]] = {
    "infer": lambda mediator: mediator.infer("ask", backend="nope"),
    "stream": lambda mediator: list(mediator.infer_stream("ask", backend="nope")),
    "generate": lambda mediator: mediator.generate("ask", backend="nope"),
    "batch": lambda mediator: _only_error_of(mediator, "nope"),
    "embed": lambda mediator: mediator.embed("ask", backend="nope"),
    "left out": lambda mediator: mediator.infer("ask", backend="gpt"),
    "explain": lambda mediator: mediator.explain("ask", backend="nope"),
}


def _only_error_of(mediator: Mediator, backend: str) -> None:
    (result,) = mediator.batch(["ask"], backend=backend)
    assert result.error is not None
    raise result.error


@pytest.mark.parametrize("way", UNKNOWN)
def test_who_names_a_backend_that_is_not_there_is_told_that_alone(
    way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not before it at length that answers would be demonstrations: nobody answers. Who is answered is warned still."""
    entry = {"id": "gpt", "type": "openai", "api_key": "$NO_SUCH_KEY_HERE", "optional": True}
    with Mediator.from_config(write_config(tmp_path, [entry, OFFLINE])) as mediator:
        with pytest.raises((ConfigError, InvalidRequestError), match=r"no backend|left out"):
            UNKNOWN[way](mediator)
        assert "demo text" not in caplog.text
        assert mediator.infer("ask", backend="offline").metadata["demo"]
    assert "demo text" in caplog.text
