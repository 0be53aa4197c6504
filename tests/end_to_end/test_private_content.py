"""Under privacy "local" nothing of a request is fetched from elsewhere: an address in it would tell its host."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from complaint_llm import Mediator, Message
from complaint_llm.backends import FallbackBackend, LLMRouterBackend, LoadBalancedBackend, OpenAIBackend
from complaint_llm.cli.main import cli
from complaint_llm.exceptions import BackendError, InvalidRequestError
from complaint_llm.messages import ImagePart, TextPart
from complaint_llm.testing import FaultyServer, Reply

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
DATA_URL = "data:image/png;base64,iVBORw0KGgoAAAAA"
AWAY = "http://images.example/track.png?case=4711"


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as made:
        made.reply = Reply("fine")
        yield made


def backend(server: FaultyServer, id: str = "here", **keys: Any) -> OpenAIBackend:
    given = {"location": "local", "model": "m", "max_retries": 0, **keys}
    return OpenAIBackend(id=id, base_url=f"{server.url}/v1", api_key="k", **given)


def pair(server: FaultyServer) -> FallbackBackend:
    return FallbackBackend(backend(server), [backend(server, "b")])


def image(**source: Any) -> dict[str, Any]:
    return {"type": "image", **source}


def said(*parts: Any, role: str = "user", **more: Any) -> list[Any]:
    return [{"role": "user", "content": "look"}, {"role": role, "content": list(parts), **more}]


TEXT = {"type": "text", "text": "see http://images.example/a.png and https://x.example"}
CALL = {"id": "c1", "name": "f", "arguments": "{}"}
REFUSED: dict[str, Any] = {
    "an image": said(image(url=AWAY)),
    "https": said(image(url="https://images.example/a.png")),
    "in capitals": said(image(url="HTTPS://IMAGES.EXAMPLE/A.PNG")),
    "another scheme": said(image(url="ftp://images.example/a.png")),
    "a file's address": said(image(url="file:///etc/passwd")),
    "without a scheme": said(image(url="//images.example/a.png")),
    "on this machine": said(image(url="http://127.0.0.1:9/a.png")),
    "beside text": said(TEXT, image(url=AWAY), TEXT),
    "after a good one": said(image(data=PNG), image(url=AWAY)),
    "in a system message": said(image(url=AWAY), role="system"),
    "in an assistant's message": said(image(url=AWAY), role="assistant"),
    "in a tool's result": [
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": [TEXT, image(url=AWAY)]},
    ],
    "long ago": [*said(image(url=AWAY)), *([{"role": "user", "content": "and?"}] * 5)],
    "as an object": [Message("user", (TextPart("look"), ImagePart(url=AWAY)))],
}
GOES: dict[str, Any] = {
    "text with addresses": said(TEXT),
    "bytes": said(image(data=PNG)),
    "a data address": said(image(url=DATA_URL)),
    "a data address in capitals": said(image(url="DATA:image/png;base64,iVBORw0KGgoAAAAA")),
    "a plain text": "http://images.example/a.png",
}
Ask = Callable[[Mediator, Any, dict[str, Any]], Any]
ASKING: dict[str, Ask] = {
    "generate": lambda mediator, prompt, params: mediator.generate(prompt, **params),
    "infer": lambda mediator, prompt, params: mediator.infer(prompt, **params),
    "stream": lambda mediator, prompt, params: list(mediator.stream_generate(prompt, **params)),
    "batch": lambda mediator, prompt, params: batch(mediator, prompt, params),
}


def batch(mediator: Mediator, prompt: Any, params: dict[str, Any]) -> str:
    (found,) = mediator.batch_generate([prompt], on_error="return", **params)
    if isinstance(found, Exception):
        raise found
    return str(found)


GROUPS: dict[str, Callable[[FaultyServer, Path], tuple[Mediator, dict[str, Any]]]] = {
    "by call": lambda server, folder: (Mediator([backend(server)], folder=folder), {"privacy": "local"}),
    "by the mediator": lambda server, folder: (Mediator([backend(server)], privacy="local", folder=folder), {}),
    "in a fallback": lambda server, folder: (
        Mediator([pair(server)], privacy="local", folder=folder),
        {},
    ),
    "in groups in groups": lambda server, folder: (
        Mediator(
            [
                LoadBalancedBackend(
                    [LLMRouterBackend("r", FallbackBackend(backend(server), [backend(server, "b")]), "m")]
                )
            ],
            folder=folder,
        ),
        {"privacy": "local"},
    ),
    "by an inner mediator": lambda server, folder: (
        Mediator([Mediator([backend(server)], privacy="local", id="inner", folder=folder)], folder=folder),
        {},
    ),
    "by an inner mediator in a group": lambda server, folder: (
        Mediator(
            [
                FallbackBackend(
                    Mediator([backend(server)], privacy="local", id="one", folder=folder),
                    [Mediator([LoadBalancedBackend([backend(server)])], privacy="local", id="two", folder=folder)],
                )
            ],
            folder=folder,
        ),
        {},
    ),
}


@pytest.mark.rows(20)
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("prompt", REFUSED.values(), ids=REFUSED)
def test_an_address_in_any_part_is_refused_before_sending(
    prompt: Any, group: str, server: FaultyServer, tmp_path: Path
) -> None:
    """However the promise was given and however the backends are nested; the error names the host and no more of it."""
    before = len(server.requests)
    for ask in ASKING.values():
        mediator, params = GROUPS[group](server, tmp_path)
        with mediator, pytest.raises(BackendError, match='privacy "local"') as caught:
            ask(mediator, prompt, params)
        assert "case=4711" not in str(caught.value)
        assert not caught.value.maybe_received
    assert len(server.requests) == before


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("prompt", GOES.values(), ids=GOES)
def test_what_is_in_the_request_goes(prompt: Any, group: str, server: FaultyServer, tmp_path: Path) -> None:
    """Bytes, files, data addresses, and texts in which addresses are only words."""
    file = tmp_path / "a.png"
    file.write_bytes(PNG)
    for given in (prompt, said(image(path=str(file)))):
        mediator, params = GROUPS[group](server, tmp_path)
        with mediator:
            assert mediator.infer(given, **params).backend in ("here", "b")


def test_without_privacy_an_address_goes_as_it_is(server: FaultyServer, tmp_path: Path) -> None:
    """It is a usual way to show a picture to a provider."""
    with Mediator([backend(server)], folder=tmp_path) as mediator:
        mediator.generate(REFUSED["an image"])
    assert AWAY in json.dumps(server.requests[-1].body)


BODIES: tuple[dict[str, Any], ...] = (
    {"image": AWAY},
    {"a": {"b": [{"c": "https://x.example/a"}]}},
    {"tools": [{"type": "mcp", "server_url": "https://mcp.example/sse"}]},
    {"webhook": "wss://x.example"},
    {"files": ["ok.png", "s3://bucket/a"]},
    {"x": "  http://x.example"},
    {"x": "HTTP://X.EXAMPLE"},
    {"x": "//x.example/a"},
    {"messages": [{"content": [{"image_url": {"url": AWAY}}]}]},
    {"x": ("ftp://x.example",)},
)


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_addresses_in_further_members_of_the_body_are_refused_too(
    body: dict[str, Any], server: FaultyServer, tmp_path: Path
) -> None:
    """Given with the call, or in the config of a backend, which then is not asked."""
    before = len(server.requests)
    with Mediator([backend(server)], privacy="local", folder=tmp_path) as mediator:
        with pytest.raises(InvalidRequestError, match="extra_body"):
            mediator.generate("x", extra_body=body)
        with pytest.raises(InvalidRequestError, match="extra_body"):
            mediator.embed("x", extra_body=body)
    alone = Mediator([backend(server, extra_body=body)], folder=tmp_path)
    with alone, pytest.raises(InvalidRequestError, match="extra_body"):
        alone.generate("x", privacy="local")
    assert len(server.requests) == before
    with Mediator([backend(server, extra_body=body), backend(server, "plain")], folder=tmp_path) as mediator:
        assert mediator.infer("x", privacy="local").backend == "plain"


def test_names_of_schemas_are_no_addresses(server: FaultyServer, tmp_path: Path) -> None:
    """``$schema`` and ``$id`` are not fetched."""
    body = {"guided_json": {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://x.example/s"}}
    with Mediator([backend(server)], privacy="local", folder=tmp_path) as mediator:
        assert mediator.generate("x", extra_body=body) == "fine"


def test_an_address_in_the_body_of_an_http_backend_is_one_too(server: FaultyServer, tmp_path: Path) -> None:
    """What the config writes into each request."""
    entry = {
        "id": "custom",
        "type": "http",
        "location": "local",
        "base_url": server.url,
        "endpoint": "/v1/chat/completions",
        "body": {"messages": "{messages}", "model": "m", "style": AWAY},
        "text": "/choices/0/message/content",
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"BACKENDS": [entry]}))
    with Mediator.from_config(path) as mediator:
        assert mediator.generate("x") == "fine"
        with pytest.raises(InvalidRequestError, match=r"body\.style has the address http://images\.example"):
            mediator.generate("x", privacy="local")
        assert "body.style" in str(mediator.explain("x", privacy="local").candidates[0].skip)


def test_check_says_where_each_backend_goes_and_what_would_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host, whether all of it stays here, and what may be fetched from elsewhere; of groups that of their parts."""
    monkeypatch.chdir(tmp_path)
    key = {"api_key": "k", "model": "m"}
    router = {
        "id": "group",
        "type": "llm_router",
        **key,
        "provider": "xai",
        "fallback_providers": [{"type": "lmstudio"}],
    }
    entries = [
        {"id": "cloud", "type": "openai", **key, "extra_body": {"a": "https://cdn.example/x"}},
        {"id": "studio", "type": "lmstudio", "model": "m"},
        {"id": "demo", "type": "mock"},
        router,
    ]
    config = {"BACKENDS": entries}
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = CliRunner().invoke(cli, ["check", "--json"])
    found = {line["id"]: line["goes_to"] for line in json.loads(done.stdout)}
    images = "images that a prompt gives by address"
    assert found["cloud"] == {
        "hosts": ["api.openai.com"],
        "local": False,
        "fetches": [images, "extra_body.a has the address https://cdn.example"],
    }
    assert found["studio"]["local"] is True
    assert found["studio"]["fetches"] == [images]
    assert found["demo"] == {"hosts": [], "local": True, "fetches": []}
    assert found["group"]["hosts"] == ["api.x.ai", "localhost"]
    assert found["group"]["local"] is False
    assert "api.openai.com; may fetch images" in CliRunner().invoke(cli, ["check"]).output
    (tmp_path / "config.json").write_text(json.dumps({**config, "MEDIATOR": {"privacy": "local"}}))
    found = {line["id"]: line for line in json.loads(CliRunner().invoke(cli, ["check", "--json"]).stdout)}
    assert found["studio"]["goes_to"]["fetches"] == []
    assert found["cloud"]["state"] == "left out"
