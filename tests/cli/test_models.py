"""``models``: what the services list, in each one's own shape, from real servers on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.main import cli
from complaint_llm.exceptions import ConfigError
from tests.cli.command_output import check_output
from tests.end_to_end.everything import write_config
from tests.peers import free_port, need_peer

Run = Callable[..., Result]
Answer = Callable[[str], tuple[int, Any]]

SHAPES: dict[str, tuple[str, str, Any]] = {
    "OpenAI": ("openai", "/v1", {"object": "list", "data": [{"id": "good-model"}, {"id": "other"}]}),
    "Anthropic": ("anthropic", "", {"data": [{"id": "good-model", "type": "model"}], "has_more": False}),
    "Gemini": ("google", "", {"models": [{"name": "models/good-model", "inputTokenLimit": 1000}]}),
    "OpenRouter": (
        "openrouter",
        "/v1",
        {
            "data": [
                {
                    "id": "good-model",
                    "context_length": 2000,
                    "pricing": {"prompt": "0.000002", "completion": "0.000008"},
                    "expiration_date": "2099-01-31",
                }
            ]
        },
    ),
    "Together": (
        "together",
        "/v1",
        [{"id": "good-model", "context_length": 3000, "pricing": {"input": 1, "output": 3}}],
    ),
    "Mistral": (
        "mistral",
        "/v1",
        {"data": [{"id": "good-model", "max_context_length": 4000, "deprecation": "2099-02-01T00:00:00Z"}]},
    ),
    "vLLM": ("vllm", "/v1", {"data": [{"id": "good-model", "max_model_len": 5000}]}),
    "Groq": ("groq", "/v1", {"data": [{"id": "good-model", "context_window": 6000}]}),
    "llama.cpp": ("llama_cpp_server", "/v1", {"data": [{"id": "good-model", "meta": {"n_ctx_train": 7000}}]}),
    "Ollama": ("ollama", "/v1", {"models": [{"model": "good-model:latest"}]}),
    "LM Studio": ("lmstudio", "/v1", {"data": [{"id": "good-model"}, {"id": "text-embedding-nomic"}]}),
    "names alone": ("openai", "/v1", {"data": ["good-model", "other"]}),
}
FACTS: dict[str, dict[str, Any]] = {
    "Gemini": {"context_window": 1000},
    "OpenRouter": {"context_window": 2000, "input_price": 2.0, "output_price": 8.0, "retires": "2099-01-31"},
    "Together": {"context_window": 3000, "input_price": 1.0, "output_price": 3.0},
    "Mistral": {"context_window": 4000, "retires": "2099-02-01"},
    "vLLM": {"context_window": 5000},
    "Groq": {"context_window": 6000},
    "llama.cpp": {"context_window": 7000},
}


class Service:
    """Answers each GET as ``answer`` says; ``asked`` has the paths."""

    def __init__(self, answer: Answer) -> None:
        self.asked: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.asked.append(self.path)
                status, body = answer(self.path)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing on the tests' output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], Service]]:
    made: list[Service] = []

    def begin(answer: Answer) -> Service:
        made.append(Service(answer))
        return made[-1]

    yield begin
    for service in made:
        service.close()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> Result:
        done = CliRunner().invoke(cli, arguments)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return called


def entry(url: str, **keys: Any) -> dict[str, Any]:
    base = {"id": "a", "type": "openai", "base_url": url, "api_key": "sk-canary-x", "model": "good-model"}
    return {**base, "max_retries": 0, **keys}


@pytest.mark.rows(2)
@pytest.mark.parametrize("shape", SHAPES)
def test_each_services_list_is_read(run: Run, tmp_path: Path, serve: Callable[[Answer], Service], shape: str) -> None:
    """Names, which of them the config uses, and what the service tells of prices, windows and ends."""
    type, path, payload = SHAPES[shape]
    service = serve(lambda _: (200, payload))
    write_config(tmp_path, [entry(service.url + path, type=type)])
    done = run("models", "--json")
    assert done.exit_code == 0
    check_output("models", done.stdout)
    listed = {each["model"]: each for each in json.loads(done.stdout)}
    (name,) = [name for name in listed if name.startswith("good-model")]
    assert {name: each["used"] for name, each in listed.items()} == {each: each == name for each in listed}
    assert listed[name].items() >= FACTS.get(shape, {}).items()
    table = run("models").stdout.splitlines()
    assert table[0].split() == ["backend", "model", "$", "in", "$", "out", "context", "ends"]
    assert any("good-model" in line and line.endswith("in use") for line in table[1:])
    assert run("check", "--connect").exit_code == 0, "the same list has the model"


@pytest.mark.rows(2)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in ("LM Studio", "llama.cpp")])
def test_a_model_that_is_in_no_list_fails_the_check(
    run: Run, tmp_path: Path, serve: Callable[[Answer], Service], shape: str
) -> None:
    """With the names that there are; a service whose list need not have all is only told of."""
    type, path, payload = SHAPES[shape]
    service = serve(lambda _: (200, payload))
    write_config(tmp_path, [entry(service.url + path, type=type, model="goad-model")])
    done = run("check", "--connect", "--json")
    (finding,) = json.loads(done.stdout)
    assert (done.exit_code, finding["state"]) == (1, "broken")
    assert "'goad-model' is not in the server's list; there: good-model" in finding["note"]
    assert run("check").exit_code == 0, "nobody was asked"


@pytest.mark.rows(2)
@pytest.mark.parametrize("type", ["lmstudio", "llama_cpp_server", "fireworks", "azure_openai"])
def test_a_list_that_need_not_have_all_fails_no_check(
    run: Run, tmp_path: Path, serve: Callable[[Answer], Service], type: str
) -> None:
    service = serve(lambda _: (200, {"data": [{"id": "other"}]}))
    write_config(tmp_path, [entry(f"{service.url}/v1", type=type)])
    done = run("check", "--connect", "--json")
    (finding,) = json.loads(done.stdout)
    assert (done.exit_code, finding["state"]) == (0, "ready")
    assert "its list has no good-model" in finding["note"]


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("asked", "listed"),
    [
        ("claude-x", "claude-x-20260101"),
        ("claude-x-latest", "claude-x-20260101"),
        ("gpt-x", "gpt-x-2026-01-01"),
        ("llama", "llama:latest"),
        ("maker/llama:free", "maker/llama"),
        ("maker/llama:nitro", "maker/llama"),
        ("models/gemini-x", "models/gemini-x"),
    ],
)
def test_a_name_that_stands_for_a_listed_one_is_listed(
    run: Run, tmp_path: Path, serve: Callable[[Answer], Service], asked: str, listed: str
) -> None:
    service = serve(lambda _: (200, {"data": [{"id": "unlike"}, {"id": listed}]}))
    write_config(tmp_path, [entry(f"{service.url}/v1", model=asked)])
    done = run("check", "--connect")
    assert done.exit_code == 0
    assert "reached in " in done.stdout


PAGES: dict[str, tuple[str, Callable[[int, list[str]], Any], str]] = {
    "Anthropic": (
        "anthropic",
        lambda place, names: {"data": [{"id": n} for n in names], "has_more": place < 2, "last_id": f"m{place}"},
        "after_id=m{}",
    ),
    "Gemini": (
        "google",
        lambda place, names: {
            "models": [{"name": f"models/{n}"} for n in names],
            **({"nextPageToken": f"m{place}"} if place < 2 else {}),
        },
        "pageToken=m{}",
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_list_of_several_pages_is_read_to_its_end(
    run: Run, tmp_path: Path, serve: Callable[[Answer], Service], name: str
) -> None:
    type, page, query = PAGES[name]

    def answer(path: str) -> tuple[int, Any]:
        place = next((at + 1 for at in (0, 1) if query.format(at) in path), 0)
        return 200, page(place, [f"model-{place}-{n}" for n in range(3)])

    service = serve(answer)
    write_config(tmp_path, [entry(service.url, type=type, model="model-2-2")])
    listed = [each["model"] for each in json.loads(run("models", "--json").stdout)]
    assert listed == [f"model-{place}-{n}" for place in range(3) for n in range(3)]
    assert len(service.asked) == 3
    assert run("check", "--connect").exit_code == 0


def test_a_server_that_gives_the_same_page_for_ever_is_left(
    run: Run, tmp_path: Path, serve: Callable[[Answer], Service]
) -> None:
    service = serve(lambda _: (200, {"data": [{"id": "good-model"}], "has_more": True, "last_id": "x"}))
    write_config(tmp_path, [entry(service.url, type="anthropic")])
    assert [each["model"] for each in json.loads(run("models", "--json").stdout)] == ["good-model"]
    assert len(service.asked) == 2


def test_the_others_are_listed_where_one_does_not_answer(
    run: Run, tmp_path: Path, serve: Callable[[Answer], Service]
) -> None:
    """One line for each that does not, exit code 1, and never a key."""
    well = serve(lambda _: (200, SHAPES["OpenAI"][2]))
    refused = serve(lambda _: (401, {"error": {"message": "wrong key sk-canary-x", "code": "invalid_api_key"}}))
    broken = serve(lambda _: (500, b"<html>no</html>"))
    write_config(
        tmp_path,
        [
            entry(f"http://127.0.0.1:{free_port()}/v1", id="dead"),
            entry(f"{refused.url}/v1", id="refused"),
            entry(f"{broken.url}/v1", id="broken"),
            entry(f"{well.url}/v1", id="well"),
        ],
    )
    done = run("models", "--json")
    assert done.exit_code == 1
    assert {each["backend"] for each in json.loads(done.stdout)} == {"well"}
    lines = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["dead", "refused", "broken"]
    assert "is the server running?" in lines[0]
    assert "the api_key of 'refused' was refused" in lines[1]
    assert "canary" not in done.output
    assert run("models", "well").exit_code == 0


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    "answer", [(404, {}), (405, b""), (200, b"<html>"), (200, {"data": 1}), (200, b""), (200, [1])]
)
def test_a_server_without_a_list_says_so(
    run: Run, tmp_path: Path, serve: Callable[[Answer], Service], answer: tuple[int, Any]
) -> None:
    """That is no failure: it is there all the same."""
    service = serve(lambda _: answer)
    write_config(tmp_path, [entry(f"{service.url}/v1")])
    done = run("models")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.startswith("a: ")
    assert "list" in done.stderr
    assert run("check", "--connect").exit_code == 0


def test_words_narrow_the_list(run: Run, tmp_path: Path, serve: Callable[[Answer], Service]) -> None:
    names = ["gpt-mini", "gpt-mini-audio", "gpt-large", "embed-mini"]
    service = serve(lambda _: (200, {"data": [{"id": name} for name in names]}))
    write_config(tmp_path, [entry(f"{service.url}/v1")])

    def found(*words: str) -> list[str]:
        given = [argument for word in words for argument in ("-q", word)]
        return [each["model"] for each in json.loads(run("models", "--json", *given).stdout)]

    assert found("MINI") == ["gpt-mini", "gpt-mini-audio", "embed-mini"]
    assert found("mini", "gpt") == ["gpt-mini", "gpt-mini-audio"]
    nothing = run("models", "-q", "zzz")
    assert (nothing.exit_code, nothing.stderr.strip()) == (0, "no model with 'zzz' in its name")


def test_a_backend_that_is_not_there_says_why(run: Run, tmp_path: Path) -> None:
    write_config(tmp_path, [entry("http://127.0.0.1:9/v1", id="studio")])
    with pytest.raises(ConfigError, match="did you mean 'studio'"):
        run("models", "stduio")


def test_model_files_on_this_machine_are_listed(run: Run, tmp_path: Path) -> None:
    """The folder of a workstation's file; the one that the config uses is marked."""
    need_peer("llama-cpp")
    for name in ("one.gguf", "two.gguf", "notes.txt"):
        (tmp_path / name).write_bytes(b"GGUF\x03\0\0\0")
    write_config(tmp_path, [{"id": "here", "type": "workstation", "model_path": "two.gguf"}])
    done = run("models", "--json")
    assert {each["model"]: each["used"] for each in json.loads(done.stdout)} == {"one.gguf": False, "two.gguf": True}


def test_nobody_beyond_this_machine_is_asked_under_privacy(
    run: Run, tmp_path: Path, serve: Callable[[Answer], Service]
) -> None:
    service = serve(lambda _: (200, SHAPES["OpenAI"][2]))
    here = entry(f"{service.url}/v1", id="here", location="local")
    far = entry("http://192.0.2.7/v1", id="far")
    write_config(tmp_path, [here, far], MEDIATOR={"privacy": "local"})
    done = run("models", "--json")
    assert {each["backend"] for each in json.loads(done.stdout)} == {"here"}
    assert 'far: not asked: privacy "local"' in done.stderr
