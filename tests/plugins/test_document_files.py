"""Documents on every wire that takes them: what leaves fits the official SDK's types and decodes to the same bytes;
any other backend is given the text, page by page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from complaint_llm_plugins.backends.openai.plugin import complaint_llm_backend_types
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm import Document, Mediator
from complaint_llm.backends import (
    AnthropicBackend,
    Backend,
    CerebrasBackend,
    GoogleBackend,
    HTTPBackend,
    LMStudioBackend,
    OpenAIBackend,
    OpenRouterBackend,
    XAIBackend,
)
from complaint_llm.backends.declared import declared_types, derive_type
from complaint_llm.documents.pages import Page, PageImage, ReadDocument
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import InferenceOutput, Message, Shown, TextPart
from complaint_llm.request import Request, as_response_format
from complaint_llm.testing import FaultyServer, Reply
from complaint_llm.testing.dialects import WIRES
from tests.documents import tiny_pdf
from tests.official_types import check_anthropic, check_chat, check_gemini, check_responses
from tests.sampled import sampled
from tests.wire_messages import ask

PDF = "application/pdf"
KEYS: Mapping[str, Any] = {"api_key": "sk-of-nobody"}
ROOT = Path(__file__).resolve().parents[2]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


def declared(name: str, **keys: Any) -> HTTPBackend:
    """A service that is only data."""
    (base,) = complaint_llm_backend_types()
    types = {kind.name: kind for kind in declared_types(ROOT / "plugins" / "backends" / "declared")}
    kind = derive_type(types[name], base)
    made = kind.factory()(**{**KEYS, **kind.presets, **keys})
    assert isinstance(made, HTTPBackend)
    return made


class Wire(NamedTuple):
    """One wire: who speaks it, who checks a body, and where the files stand in one."""

    make: Callable[..., HTTPBackend]
    check: Callable[[Mapping[str, Any]], None]
    files: Callable[[Mapping[str, Any]], list[str]]
    """Base64 of the files in a body."""
    dialect: str = "openai"


def of_chat(body: Mapping[str, Any]) -> list[str]:
    parts = [part for message in body["messages"] for part in message["content"] if isinstance(part, dict)]
    urls = [part["file"]["file_data"] for part in parts if part["type"] == "file"]
    urls += [part["document_url"] for part in parts if part["type"] == "document_url"]
    return [url.removeprefix(f"data:{PDF};base64,") for url in urls]


def of_responses(body: Mapping[str, Any]) -> list[str]:
    parts = [part for item in body["input"] for part in item["content"] if isinstance(part, dict)]
    return [part["file_data"].removeprefix(f"data:{PDF};base64,") for part in parts if part["type"] == "input_file"]


def of_anthropic(body: Mapping[str, Any]) -> list[str]:
    parts = [part for turn in body["messages"] for part in turn["content"] if isinstance(part, dict)]
    return [part["source"]["data"] for part in parts if part["type"] == "document"]


def of_gemini(body: Mapping[str, Any]) -> list[str]:
    parts = [part for content in body["contents"] for part in content["parts"]]
    return [part["inlineData"]["data"] for part in parts if "inlineData" in part]


def check_openrouter(body: Mapping[str, Any]) -> None:
    """OpenAI's shape, and the one key beside it that says who reads the file."""
    assert body["plugins"] == [{"id": "file-parser", "pdf": {"engine": "native"}}]
    check_chat({key: value for key, value in body.items() if key != "plugins"})


def check_mistral(body: Mapping[str, Any]) -> None:
    """OpenAI's shape but for the part, whose shape is that of Mistral's documentation."""
    files = of_chat(body)
    for message in (each for each in body["messages"] if each["role"] == "user"):
        parts = [part for part in message["content"] if part["type"] == "document_url"]
        assert all(part.keys() == {"type", "document_url"} for part in parts)
        rest = [part for part in message["content"] if part["type"] != "document_url"]
        check_chat({**body, "messages": [{**message, "content": rest}]})
    assert files


WIRES_WITH_FILES = {
    "chat": Wire(lambda **k: OpenAIBackend(**KEYS, api="chat", model="gpt-5.4", **k), check_chat, of_chat),
    "responses": Wire(
        lambda **k: OpenAIBackend(**KEYS, api="responses", model="gpt-5.4", **k),
        check_responses,
        of_responses,
        "responses",
    ),
    "anthropic": Wire(
        lambda **k: AnthropicBackend(**KEYS, model="claude-sonnet-5-5", **k), check_anthropic, of_anthropic, "anthropic"
    ),
    "gemini": Wire(lambda **k: GoogleBackend(**KEYS, model="gemini-3.8-flash", **k), check_gemini, of_gemini, "gemini"),
    "openrouter": Wire(
        lambda **k: OpenRouterBackend(**KEYS, model="anthropic/claude-sonnet-4.5", **k), check_openrouter, of_chat
    ),
    "mistral": Wire(lambda **k: declared("mistral", model="mistral-small-latest", **k), check_mistral, of_chat),
}


@pytest.fixture(params=sorted(WIRES_WITH_FILES))
def wire(request: pytest.FixtureRequest) -> Wire:
    return WIRES_WITH_FILES[request.param]


def asked(*parts: Any, **more: Any) -> Request:
    return ask([Message("system", "Be brief."), Message("user", parts)], model=None, **more)


def sent(backend: HTTPBackend, request: Request) -> Mapping[str, Any]:
    body = backend.encode(request._replace(model=backend.options.model)).body
    assert isinstance(body, dict)
    return body


@pytest.mark.rows(4)
@sampled(8, of=400)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=3), st.text(max_size=12), st.booleans(), st.booleans())
@pytest.mark.parametrize("name", sorted(WIRES_WITH_FILES))
def test_files_decode_to_the_same_bytes_and_fit_the_official_types(
    name: str, contents: list[bytes], file_name: str, stream: bool, shaped: bool
) -> None:
    """Several of them, in their order among texts, whatever they are called; streamed, and with an output format."""
    wire = WIRES_WITH_FILES[name]
    files = [Document(data=data, cid="bafk", media_type=PDF, name=file_name or None) for data in contents]
    form = as_response_format(SCHEMA) if shaped else None
    with wire.make() as backend:
        body = sent(backend, asked(TextPart("Read."), *files, TextPart("Now."), stream=stream, response_format=form))
    wire.check(body)
    assert [base64.b64decode(text, validate=True) for text in wire.files(body)] == contents


def test_each_takes_pdf_at_its_own_address(wire: Wire) -> None:
    """At another nothing is known of who answers: it is given text, unless its config says that it takes files."""
    with wire.make() as own, wire.make(base_url="http://127.0.0.1:9/v1") as other:
        assert PDF in own.document_types
        assert not other.document_types
    with wire.make(base_url="http://127.0.0.1:9/v1", documents="native") as told:
        assert PDF in told.document_types


@pytest.mark.parametrize(
    "make",
    [
        lambda: XAIBackend(**KEYS, model="grok-4.3"),
        lambda: CerebrasBackend(**KEYS, model="gpt-oss-120b"),
        lambda: LMStudioBackend(model="local"),
        lambda: OpenRouterBackend(**KEYS, model="meta-llama/llama-4"),
        lambda: OpenRouterBackend(**KEYS),
        lambda: GoogleBackend(**KEYS, model="gemma-3-27b-it"),
        lambda: declared("groq"),
        lambda: declared("deepseek"),
        lambda: declared("perplexity"),
        lambda: declared("ollama"),
        lambda: declared("vllm"),
        lambda: declared("azure_openai", base_url="https://a.openai.azure.com/openai/v1", model="gpt-5.4"),
        lambda: declared("together"),
    ],
)
def test_who_does_not_document_it_takes_no_files(make: Callable[[], Backend]) -> None:
    """Also where it is like OpenAI: what OpenAI takes says nothing of it."""
    with make() as backend:
        assert backend.document_types == frozenset()
        assert backend.lacks(asked(Document(data=b"x", media_type=PDF))) == "no files of application/pdf"


@pytest.mark.parametrize(
    ("name", "size", "pages", "limit"),
    [
        ("chat", 51, 1, "at most 50 MB of files"),
        ("responses", 51, 1, "at most 50 MB of files"),
        ("anthropic", 25, 1, "at most 32 MB in a request"),
        ("anthropic", 1, 601, "at most 600 pages in a request"),
        ("gemini", 51, 1, "at most 50 MB in a file"),
        ("gemini", 1, 1001, "at most 1000 pages in a file"),
        ("mistral", 51, 1, "at most 50 MB in a file"),
        ("mistral", 1, 1001, "at most 1000 pages in a file"),
    ],
)
def test_the_documented_limits_are_named_before_anything_is_sent(name: str, size: int, pages: int, limit: str) -> None:
    """Just within them nothing is in the way."""
    file = Document(data=bytes(size * 1024 * 1024), media_type=PDF, name="lease.pdf")
    shown = Shown("bafk", "document", name="lease.pdf", pages=tuple(range(1, pages + 1)))
    with WIRES_WITH_FILES[name].make() as backend:
        assert limit in (backend.lacks(asked(file, shown=(shown,))) or "")
        within = file._replace(data=(file.data or b"")[: 23 * 1024 * 1024])
        assert backend.lacks(asked(within, shown=(shown._replace(pages=shown.pages[: min(pages, 100)]),))) is None


def test_a_small_window_has_a_limit_of_its_own() -> None:
    """Anthropic takes 100 pages for a model with a window of 200,000 tokens."""
    file = Document(data=b"x", media_type=PDF, name="lease.pdf")
    shown = Shown("bafk", "document", pages=tuple(range(1, 102)))
    with AnthropicBackend(**KEYS, model="claude-haiku-4-5") as backend:
        assert backend.model_info().context_window == 200_000
        assert backend.lacks(asked(file, shown=(shown,))) == "at most 100 pages in a request (these have 101)"


def test_citations_are_asked_for_of_all_documents_but_not_beside_an_output_format() -> None:
    """Plain text goes as text; the API refuses both at once, and citations of some documents only."""
    parts = (
        Document(data=b"%PDF", media_type=PDF, name="lease.pdf"),
        Document(data="Straße".encode(), media_type="text/plain", name="notes.txt"),
        TextPart("Read."),
    )
    with AnthropicBackend(**KEYS, model="claude-sonnet-5-5") as backend:
        plain = sent(backend, asked(*parts))
        shaped = sent(backend, asked(*parts, response_format=as_response_format(SCHEMA)))
    for body in (plain, shaped):
        check_anthropic(body)
    pdf, text, _ = plain["messages"][0]["content"]
    assert (pdf["title"], text["title"]) == ("lease.pdf", "notes.txt")
    assert text["source"] == {"type": "text", "media_type": "text/plain", "data": "Straße"}
    assert [pdf["citations"], text["citations"]] == [{"enabled": True}] * 2
    assert all("citations" not in block for block in shaped["messages"][0]["content"])


@pytest.mark.parametrize("shape", [SCHEMA, {"type": "json_object"}])
def test_no_citations_beside_a_shape_however_it_is_asked_for(
    reads: dict[bytes, ReadDocument], shape: dict[str, Any]
) -> None:
    """Natively or in words: JSON is to stay in one piece."""
    reads[LETTER] = pages("I was dismissed.")
    with FaultyServer(Reply('{"a": 1}'), wires=(WIRES["anthropic"],)) as server:
        with AnthropicBackend(**KEYS, model="claude-sonnet-5-5", base_url=server.url, documents="native") as backend:
            assert backend.infer(prompt(), response_format=shape).parsed == {"a": 1}
            backend.infer(prompt())
        shaped, plain = (request.body["messages"][0]["content"][0] for request in server.requests)
    assert "citations" not in shaped
    assert plain["citations"] == {"enabled": True}


def test_who_reads_the_file_at_openrouter_is_the_callers_choice() -> None:
    """By extra_body; else nobody but the model."""
    file = Document(data=b"%PDF", media_type=PDF, name="lease.pdf")
    chosen = {"plugins": [{"id": "file-parser", "pdf": {"engine": "mistral-ocr"}}]}
    with OpenRouterBackend(**KEYS, model="openai/gpt-5.4") as backend:
        assert sent(backend, asked(file, extra_body=chosen))["plugins"] == chosen["plugins"]
        assert "plugins" not in sent(backend, asked(TextPart("No file.")))


# -- through a whole call --------


def pages(*texts: str) -> ReadDocument:
    return ReadDocument(
        tuple(Page(number, text, "text layer") for number, text in enumerate(texts, 1)),
        PDF,
        "reader",
        "1",
        len(texts),
        has_pages=True,
    )


SCAN = ReadDocument((Page(1, "", "none", image=PageImage(b"\x89PNG\r\n\x1a\n", "image/png")),), PDF, "r", "1", 1, True)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, ReadDocument]:
    """What the readers find, by the bytes of a file."""
    found: dict[bytes, ReadDocument] = {}
    monkeypatch.setattr(
        "complaint_llm.documents.reading.DocumentReaders.read", lambda _self, data, *_args, **_keys: found[data]
    )
    return found


LETTER = b"%PDF-1.7 letter"


def prompt(role: str = "user") -> list[Any]:
    parts = [Document(data=LETTER, name="letter.pdf"), {"type": "text", "text": "Read."}]
    return [{"role": role, "content": parts}, *([] if role == "user" else [{"role": "user", "content": "And?"}])]


def test_a_file_leaves_whole_and_the_answer_says_that_it_did(wire: Wire, reads: dict[bytes, ReadDocument]) -> None:
    """Over HTTP, from the call to the bytes that a server got."""
    reads[LETTER] = pages("I was dismissed.", "On 3 May.")
    with FaultyServer(Reply("Yes."), wires=(WIRES[wire.dialect],)) as server:
        url = f"{server.url}{WIRES[wire.dialect].base_path}"
        with Mediator([wire.make(id="one", base_url=url, documents="native")]) as mediator:
            output = mediator.infer(prompt())
        body = server.requests[0].body
    assert [base64.b64decode(text) for text in wire.files(body)] == [LETTER]
    assert [(each.shown, each.pages) for each in output.shown] == [("document", (1, 2))]


@pytest.mark.parametrize("keys", [{}, {"documents": "text"}])
def test_without_files_the_text_goes_with_marks_of_its_pages(
    wire: Wire, reads: dict[bytes, ReadDocument], keys: dict[str, Any]
) -> None:
    """At an address that is not the service's own, and where the config or the call wants text."""
    reads[LETTER] = pages("I was dismissed.", "On 3 May.")
    with FaultyServer(Reply("Yes."), wires=(WIRES[wire.dialect],)) as server:
        url = f"{server.url}{WIRES[wire.dialect].base_path}"
        with Mediator([wire.make(id="one", base_url=url, **keys)]) as mediator:
            output = mediator.infer(prompt())
        text = WIRES[wire.dialect].prompt(server.requests[0].body)
        assert not wire.files(server.requests[0].body)
    places = [text.index(each) for each in ("[page 1 of 2", "I was dismissed.", "[page 2 of 2", "On 3 May.", "Read.")]
    assert places == sorted(places)
    assert [(each.shown, each.pages) for each in output.shown] == [("text", (1, 2))]


def test_a_scan_is_refused_unsent_by_who_sees_no_images(reads: dict[bytes, ReadDocument]) -> None:
    """The reason names the file and its page."""
    reads[LETTER] = SCAN
    with FaultyServer(Reply("Yes."), wires=(WIRES["openai"],)) as server:
        blind = declared("deepseek", id="blind", model="m", base_url=f"{server.url}/v1")
        type(blind).capabilities = blind.capabilities - {"images"}  # type: ignore[misc] - a class of its own
        with Mediator([blind]) as mediator, pytest.raises(InvalidRequestError, match=r"'letter\.pdf' page 1"):
            mediator.infer(prompt())
        assert not server.requests


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_only_a_users_turn_has_files(wire: Wire, reads: dict[bytes, ReadDocument], role: str) -> None:
    """In any other the text of the document stands, and ``"native"`` is refused."""
    reads[LETTER] = pages("I was dismissed.")
    with FaultyServer(Reply("Yes."), wires=(WIRES[wire.dialect],)) as server:
        url = f"{server.url}{WIRES[wire.dialect].base_path}"
        with wire.make(id="one", base_url=url, documents="native") as backend:
            output = backend.infer(prompt(role), documents="auto")
            assert "I was dismissed." in str(server.requests[0].body)
            with pytest.raises(InvalidRequestError, match="files stand in a user's messages only"):
                backend.infer(prompt(role))
        assert [each.shown for each in output.shown] == ["text"]
        assert len(server.requests) == 1


def test_a_result_of_a_tool_has_the_text(wire: Wire, reads: dict[bytes, ReadDocument]) -> None:
    """A document that a tool found goes back as its text."""
    reads[LETTER] = pages("I was dismissed.")
    turns = [
        Message("user", "Find it."),
        {"role": "assistant", "content": "", "tool_calls": [{"id": "abcdefghi", "name": "find", "arguments": "{}"}]},
        {"role": "tool", "tool_call_id": "abcdefghi", "content": [Document(data=LETTER, name="letter.pdf")]},
    ]
    with FaultyServer(Reply("Yes."), wires=(WIRES[wire.dialect],)) as server:
        url = f"{server.url}{WIRES[wire.dialect].base_path}"
        with wire.make(id="one", base_url=url, documents="native") as backend:
            backend.infer(turns, [{"name": "find", "parameters": {"type": "object"}}], documents="auto")
        assert "I was dismissed." in str(server.requests[0].body)


def test_messages_that_a_backend_got_can_be_asked_of_another(reads: dict[bytes, ReadDocument]) -> None:
    """A plugin that hands on what it got: the document has its bytes and its CID, and is no evidence for that."""
    reads[LETTER] = pages("I was dismissed.")
    with FaultyServer(Reply("Yes."), wires=(WIRES["openai"],)) as server:
        last = OpenAIBackend(**KEYS, model="m", base_url=f"{server.url}/v1")

        class HandsOn(Backend):
            document_types = frozenset((PDF,))

            def answer(self, request: Request) -> InferenceOutput:
                return last.infer(request.messages)

        with last, HandsOn() as backend:
            output = backend.infer(prompt())
        assert "I was dismissed." in str(server.requests[0].body)
    assert [(each.shown, each.evidence) for each in output.shown] == [("document", False)]


def test_a_real_pdf_leaves_as_its_text() -> None:
    """With the readers that come with the package."""
    letter = tiny_pdf.pdf(tiny_pdf.text("I was dismissed on 3 May.", 50, 700))
    with FaultyServer(Reply("Yes."), wires=(WIRES["openai"],)) as server:
        with OpenAIBackend(**KEYS, model="m", base_url=f"{server.url}/v1") as backend:
            output = backend.infer([{"role": "user", "content": [Document(data=letter, name="letter.pdf")]}])
        text = server.requests[0].body["messages"][0]["content"]
    assert text.index("[page 1 of 1") < text.index("I was dismissed on 3 May.")
    assert [(each.shown, each.pages) for each in output.shown] == [("text", (1,))]
