"""The services that are only data."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from complaint_llm_plugins.backends.declared import plugin
from complaint_llm_plugins.backends.openai import plugin as openai_plugin

from complaint_llm.backends import BackendType
from complaint_llm.backends.declared import derive_type
from complaint_llm.exceptions import ConfigError
from tests.wire_messages import ask, chat, chunk, done, read, sse

if TYPE_CHECKING:
    from tests.peers import AIMock

FOLDER = Path(plugin.__file__).parent
DECLARED = {declared.name: declared for declared in plugin.complaint_llm_backend_types()}
OPENAI = openai_plugin.complaint_llm_backend_types()[0]


def complete(name: str) -> BackendType:
    return derive_type(DECLARED[name], OPENAI)


def backend(name: str, **keys: Any) -> Any:
    return complete(name).factory()(**{"id": name, "api_key": "k-secret-1", "unsupported_parameters": "drop", **keys})


def sent(name: str, model: str = "m", **fields: Any) -> dict[str, Any]:
    return dict(backend(name).encode(ask(model=model, **fields)).body or {})


def test_there_is_a_file_for_each_type_under_its_own_name() -> None:
    """So that a service is found by looking at the folder."""
    assert sorted(DECLARED) == sorted(file.stem for file in FOLDER.glob("*.yaml"))
    assert len(DECLARED) >= 12


def test_each_type_has_its_entry_point() -> None:
    """A type that no entry point names cannot be used from a config."""
    setup = ConfigParser()
    setup.read(Path(__file__).resolve().parents[3] / "setup.cfg", encoding="utf-8")
    points = dict(line.split(" = ") for line in setup["options.entry_points"]["complaint_llm"].strip().splitlines())
    assert {name: points.get(name) for name in DECLARED} == dict.fromkeys(DECLARED, plugin.__name__)


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_each_is_complete(name: str) -> None:
    """An address that no other service has a claim on, its own key variable, where its documentation is."""
    declared = DECLARED[name]
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    assert declared.summary
    assert "\ndocs: https://" in text
    assert "OPENAI_API_KEY" not in declared.key_variables
    address = declared.presets.get("base_url", "")
    assert address.startswith("https://") or "//localhost:" in address or name == "azure_openai"
    assert not address.endswith("/")
    assert declared.needs_key is not ("//localhost:" in address)


def test_a_service_without_an_address_does_not_get_openais() -> None:
    """Azure's key must never go elsewhere."""
    with pytest.raises(ConfigError, match="base_url"):
        backend("azure_openai")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", "https://example.org/v1")
        with pytest.raises(ConfigError, match="base_url"):
            backend("azure_openai")


def test_a_services_own_key_is_used_and_openais_never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys stay with whom they belong to."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-1")
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    assert backend("groq", api_key=None).api_key is None
    monkeypatch.setenv("GROQ_API_KEY", "gsk-own-1")
    assert backend("groq", api_key=None).api_key.reveal() == "gsk-own-1"


def test_parameters_have_the_services_names() -> None:
    """Names, refusals and facts are in the files."""
    params = {"max_tokens": 5, "seed": 1, "top_k": 3}
    groq = sent("groq", params=params)
    assert (groq["max_completion_tokens"], groq["seed"]) == (5, 1)
    assert "top_k" not in groq
    mistral = sent("mistral", params=params, stream=True)
    assert (mistral["max_tokens"], mistral["random_seed"]) == (5, 1)
    assert not {"seed", "stream_options"} & mistral.keys()
    assert sent("vllm", params=params)["top_k"] == 3
    assert sent("ollama", stream=True)["stream_options"] == {"include_usage": True}


def test_what_a_service_lacks_is_not_offered() -> None:
    """So that the router goes past it, or the schema is asked for in words."""
    assert not {"embeddings", "images", "structured"} & backend("deepseek").capabilities
    assert "embeddings" in backend("vllm").capabilities
    assert "embeddings" in OPENAI.factory().capabilities  # type: ignore[attr-defined]


def test_deepseeks_reasoning_goes_back_to_it() -> None:
    """It refuses a tool call that comes back without its reasoning, an empty one too."""
    deepseek = backend("deepseek")
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    for reasoning in ("Hm.", ""):
        whole = deepseek.decode(chat(None, reasoning_content=reasoning, tool_calls=calls), ask())
        pieces = [chunk({"reasoning_content": piece}) for piece in (reasoning[:1], reasoning[1:])]
        pieces.append(chunk({"tool_calls": calls}, "tool_calls"))
        streamed = done(read(deepseek.decoder(ask()), [sse(*pieces, "[DONE]")]))
        for output in (whole, streamed):
            turn = ask([output.message()])
            assert deepseek.encode(turn).body["messages"][0]["reasoning_content"] == reasoning


def test_perplexity_speaks_responses() -> None:
    """Its chat completions have ended."""
    assert backend("perplexity").encode(ask()).path == "/responses"


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_each_answers(aimock: AIMock, name: str) -> None:
    """Whole and streamed, against a server that others wrote."""
    aimock.says("Yes.")
    with backend(name, base_url=f"{aimock.url}/v1", model="m") as service:
        output = service.infer("Hm?")
        assert (output.content, output.backend) == ("Yes.", name)
        assert "".join(service.stream_generate("Hm?")) == "Yes."
