"""What providers cite, in one form: whole answers and streams give the same, and what is odd never costs the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm import Document, Mediator
from complaint_llm.backends import AnthropicBackend, GoogleBackend, HTTPBackend, OpenAIBackend
from complaint_llm.documents.pages import Page, ReadDocument
from complaint_llm.messages import Citation, InferenceOutput, Message, TextPart
from complaint_llm.request import Request
from complaint_llm.testing import FaultyServer, Reply
from complaint_llm.testing.dialects import AnswerContent, AnthropicDialect
from tests.arbitrary_values import JSON
from tests.sampled import sampled
from tests.wire_messages import ask, chat, chunk, done, read, sse

PDF = "application/pdf"
LEASE = Document(data=b"%PDF-1.7 lease", cid="bafklease", media_type=PDF, name="lease.pdf")
LETTER = Document(data=b"%PDF-1.7 letter", cid="bafkletter", media_type=PDF, name="letter.pdf")
REQUEST = ask([Message("user", (LETTER, TextPart("Read."), LEASE))])
TEXT = "Straße 😀: the rent is $900. See there. End."


def openai(api: str) -> OpenAIBackend:
    return OpenAIBackend(api_key="sk-of-nobody", model="gpt-5.4", api=api)


def whole(backend: HTTPBackend, body: Mapping[str, Any], request: Request = REQUEST) -> InferenceOutput:
    with backend:
        return backend.decode(body, request)


def streamed(backend: HTTPBackend, events: list[Any], request: Request = REQUEST) -> InferenceOutput:
    with backend:
        return done(read(backend.decoder(request), [sse(*events)]))


def said(output: InferenceOutput) -> list[str | None]:
    """The part of the text that each citation stands at."""
    return [None if each.start is None else output.content[each.start : each.end] for each in output.citations]


# -- Anthropic --------

PIECES = ("Straße 😀: ", "the rent is $900.", " See there.", " End.")
LOCATIONS: list[tuple[Any, Citation]] = [
    (
        {
            "type": "page_location",
            "cited_text": "Rent: $900",
            "document_index": 1,
            "document_title": "lease.pdf",
            "start_page_number": 3,
            "end_page_number": 4,
        },
        Citation("Rent: $900", "bafklease", title="lease.pdf", page=3),
    ),
    (
        {
            "type": "char_location",
            "cited_text": "Dear tenant",
            "document_index": 0,
            "document_title": None,
            "start_char_index": 0,
            "end_char_index": 11,
        },
        Citation("Dear tenant", "bafkletter"),
    ),
    (
        {
            "type": "content_block_location",
            "cited_text": "a block",
            "document_index": 0,
            "document_title": "letter.pdf",
            "start_block_index": 0,
            "end_block_index": 1,
        },
        Citation("a block", "bafkletter", title="letter.pdf"),
    ),
    (
        {"type": "char_location", "cited_text": "x", "document_index": 7, "start_char_index": 0, "end_char_index": 1},
        Citation("x"),
    ),
    (
        {"type": "page_location", "cited_text": "x", "document_index": -1, "start_page_number": 0},
        Citation("x"),
    ),
    (
        {
            "type": "search_result_location",
            "cited_text": "found",
            "search_result_index": 0,
            "source": "https://example.org/a",
            "title": "A",
            "start_block_index": 0,
            "end_block_index": 1,
        },
        Citation("found", url="https://example.org/a", title="A"),
    ),
    (
        {"type": "search_result_location", "cited_text": "found", "source": "memo 7", "title": None},
        Citation("found", title="memo 7"),
    ),
    (
        {
            "type": "web_search_result_location",
            "cited_text": "law",
            "url": "https://example.org/law",
            "title": "Law",
            "encrypted_index": "x",
        },
        Citation("law", url="https://example.org/law", title="Law"),
    ),
]


def claude(citations: list[list[Any]]) -> Mapping[str, Any]:
    """A message whose blocks of text are cited so."""
    blocks: list[dict[str, Any]] = []
    for piece, cited in zip(PIECES, citations, strict=True):
        blocks.append({"type": "text", "text": piece, **({"citations": cited} if cited else {})})
    return {
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": blocks,
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 5, "output_tokens": 3},
    }


def claude_events(citations: list[list[Any]]) -> list[Any]:
    events: list[Any] = [
        {"type": "message_start", "message": {"model": "claude-sonnet-5-5", "usage": {"input_tokens": 5}}}
    ]
    for index, (piece, cited) in enumerate(zip(PIECES, citations, strict=True)):
        start = {"type": "text", "text": "", **({"citations": []} if cited else {})}
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        deltas = [{"type": "text_delta", "text": piece[:4]}, {"type": "text_delta", "text": piece[4:]}]
        deltas[1:1] = [{"type": "citations_delta", "citation": each} for each in cited]
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}})
    return [*events, {"type": "message_stop"}]


def anthropic() -> AnthropicBackend:
    return AnthropicBackend(api_key="sk-of-nobody", model="claude-sonnet-5-5")


@pytest.mark.parametrize(("location", "citation"), LOCATIONS)
def test_anthropics_locations_are_citations_of_the_block_that_they_came_with(location: Any, citation: Citation) -> None:
    """Documents are counted as they stand in the messages; a place that is none is nothing of ours."""
    cited: list[list[Any]] = [[], [location], [], []]
    for output in (whole(anthropic(), claude(cited)), streamed(anthropic(), claude_events(cited))):
        assert output.content == TEXT
        assert said(output) == ["the rent is $900."]
        assert [each._replace(start=None, end=None) for each in output.citations] == [citation]


def test_several_citations_of_several_blocks_keep_their_places() -> None:
    """The same words in two blocks are two places."""
    (first, _), (second, _) = LOCATIONS[:2]
    cited = [[], [first, second], [first], [second]]
    for output in (whole(anthropic(), claude(cited)), streamed(anthropic(), claude_events(cited))):
        assert said(output) == ["the rent is $900.", "the rent is $900.", " See there.", " End."]
        assert [each.source for each in output.citations] == ["bafklease", "bafkletter", "bafklease", "bafkletter"]


@sampled(30, of=500)
@given(st.lists(JSON, min_size=4, max_size=4), st.lists(JSON, max_size=2))
def test_odd_citations_never_cost_anthropics_answer(odd: list[Any], more: list[Any]) -> None:
    """Whatever stands where they should be."""
    bodies = [claude([[each], more, [], []]) for each in odd]
    for body in bodies:
        for block in body["content"]:
            block["citations"] = odd[0]
        assert whole(anthropic(), body).content == TEXT
    assert streamed(anthropic(), claude_events([odd, more, [], []])).content == TEXT


# -- OpenAI's wires --------

AT = TEXT.index("the rent")
URL = {"url": "https://example.org/a", "title": "A", "start_index": AT, "end_index": AT + 16}
OF_URL = Citation(url="https://example.org/a", title="A", start=AT, end=AT + 16)


def test_annotations_of_chat_are_citations_whole_and_streamed() -> None:
    """OpenRouter's have the text that was found; its notes on parsed files are none."""
    notes = [
        {"type": "url_citation", "url_citation": {**URL, "content": "It says so."}},
        {"type": "file", "file": {"hash": "x", "name": "lease.pdf", "content": []}},
    ]
    expected = (OF_URL._replace(cited_text="It says so."),)
    assert whole(openai("chat"), chat(TEXT, annotations=notes)).citations == expected
    events = [chunk({"content": TEXT[:9]}), chunk({"content": TEXT[9:], "annotations": notes}), chunk({}, "stop")]
    output = streamed(openai("chat"), [*events, "[DONE]"])
    assert output.citations == expected
    assert said(output) == ["the rent is $900"]


@pytest.mark.parametrize(
    ("beside", "citations"),
    [
        ({"citations": ["https://a.example", "https://b.example"]}, ["https://a.example", "https://b.example"]),
        ({"citations": ["https://a.example"] * 2}, ["https://a.example"]),
        ({"citations": [{"url": "https://a.example", "title": "A"}]}, ["https://a.example"]),
        ({"citations": [], "search_results": [{"title": "A", "url": "https://a.example"}]}, ["https://a.example"]),
        (
            {"citations": ["https://a.example"], "search_results": [{"title": "B", "url": "https://b.example"}]},
            ["https://b.example"],
        ),
        ({"search_results": [{"title": "no address"}]}, [None]),
        ({"citations": [7, None, "", {}, []]}, []),
        ({"search_results": [7, None, {}], "citations": ["https://a.example"]}, []),
        ({"citations": "https://a.example"}, []),
        ({"search_results": {"url": "x"}}, []),
    ],
)
def test_sources_that_are_listed_beside_an_answer_are_citations(
    beside: dict[str, Any], citations: list[str | None]
) -> None:
    """Each once, without a place (Perplexity, xAI)."""
    output = whole(openai("chat"), {**chat(TEXT), **beside})
    assert [each.url for each in output.citations] == citations
    assert all(each.start is None for each in output.citations)
    streams = [chunk({"content": TEXT}, **beside), chunk({}, "stop", **beside), "[DONE]"]
    assert streamed(openai("chat"), streams).citations == output.citations


def responses(*parts: dict[str, Any], more: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """A response of these parts of text."""
    content = [{"type": "output_text", "annotations": [], **part} for part in parts]
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}
    return {"id": "r", "model": "gpt-5.4", "status": "completed", "output": [*more, message]}


def test_annotations_of_responses_count_from_their_part_of_the_text() -> None:
    """A file that was sent is known by its name; it has a place but no words."""
    file = {"type": "file_citation", "file_id": "file-1", "filename": "lease.pdf", "index": 4}
    foreign = {"type": "container_file_citation", "filename": "x.csv", "start_index": 0, "end_index": 2}
    body = responses(
        {"text": TEXT, "annotations": [{"type": "url_citation", **URL}]},
        {"text": " More.", "annotations": [file, foreign, {"type": "file_path", "file_id": "f", "index": 0}]},
    )
    base = len(TEXT)
    expected = (
        OF_URL,
        Citation(source="bafklease", title="lease.pdf", start=base + 4, end=base + 4),
        Citation(title="x.csv", start=base, end=base + 2),
    )
    assert whole(openai("responses"), body).citations == expected
    events: list[Any] = [{"type": "response.output_text.delta", "item_id": "m", "content_index": 0, "delta": TEXT}]
    output = streamed(openai("responses"), [*events, {"type": "response.completed", "response": body}])
    assert output.citations == expected
    assert output.content == TEXT + " More."


def test_results_of_a_search_are_citations_unless_they_are_annotated() -> None:
    """As Perplexity's agents give them, in an item of their own."""
    results = {
        "type": "search_results",
        "results": [
            {"id": 1, "url": "https://example.org/a", "title": "A", "snippet": "It says so."},
            {"id": 2, "url": "https://example.org/b", "title": "B", "snippet": "Or so."},
        ],
    }
    part = {"text": TEXT, "annotations": [{"type": "url_citation", **URL}]}
    output = whole(openai("responses"), responses(part, more=(results,)))
    assert output.citations == (OF_URL, Citation("Or so.", url="https://example.org/b", title="B"))


@pytest.mark.parametrize(
    "span",
    [
        {"start_index": 5, "end_index": 3},
        {"start_index": -1, "end_index": 3},
        {"start_index": 0, "end_index": len(TEXT) + 1},
        {"start_index": "0", "end_index": 3},
        {"start_index": True, "end_index": 3},
        {"start_index": 0},
        {"end_index": 4},
        {"start_index": 0.5, "end_index": 4},
        {"start_index": None, "end_index": None},
        {},
    ],
)
def test_a_place_that_is_none_is_left_out(span: dict[str, Any]) -> None:
    """The source counts all the same."""
    note = {"type": "url_citation", "url": "https://example.org/a", **span}
    expected = (Citation(url="https://example.org/a"),)
    assert whole(openai("chat"), chat(TEXT, annotations=[note])).citations == expected
    assert whole(openai("responses"), responses({"text": TEXT, "annotations": [note]})).citations == expected


def test_a_place_in_a_text_that_is_handed_out_otherwise_is_left_out() -> None:
    """Reasoning that is taken out of it moves what stands behind it."""
    note = {"type": "url_citation", "url_citation": URL}
    output = whole(openai("chat"), chat(f"<think>Hm.</think>{TEXT}", annotations=[note]))
    assert output.content == TEXT
    assert output.citations == (OF_URL._replace(start=None, end=None),)


@sampled(30, of=500)
@given(JSON, JSON)
def test_odd_annotations_never_cost_the_answer_of_openais_wires(odd: Any, other: Any) -> None:
    """Whatever stands where they should be."""
    body = {**chat(TEXT, annotations=odd), "citations": other, "search_results": odd}
    assert whole(openai("chat"), body).content == TEXT
    body = responses({"text": TEXT, "annotations": odd}, more=({"type": "search_results", "results": other},))
    assert whole(openai("responses"), {**body, "citations": odd}).content == TEXT


# -- Gemini --------


def gemini(**more: Any) -> dict[str, Any]:
    """An answer whose second part is reasoning, so that parts are counted."""
    parts = [{"text": TEXT[:10]}, {"text": "Hm.", "thought": True}, {"text": TEXT[10:]}]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", **more}
    return {"candidates": [candidate], "modelVersion": "gemini-3.8-flash"}


def google() -> GoogleBackend:
    return GoogleBackend(api_key="sk-of-nobody", model="gemini-3.8-flash")


CHUNKS = [
    {"web": {"uri": "https://example.org/a", "title": "A"}},
    {"retrievedContext": {"uri": "store/1", "title": "memo", "text": "It says so.", "pageNumber": 3}},
    {"maps": {"uri": "https://maps.example", "title": "M"}},
]
IN_SECOND = TEXT[10:].index("the rent")
BYTES = len(TEXT[10 : 10 + IN_SECOND].encode())


@pytest.mark.parametrize(
    ("segment", "place"),
    [
        ({"partIndex": 2, "startIndex": BYTES, "endIndex": BYTES + 16, "text": "the rent is $900"}, "the rent is $900"),
        ({"partIndex": 2, "startIndex": BYTES, "endIndex": BYTES + 16}, "the rent is $900"),
        ({"startIndex": 0, "endIndex": 7, "text": "Straße"}, "Straße"),
        ({"endIndex": 7}, "Straße"),
        ({"partIndex": 2, "startIndex": 1, "endIndex": 9, "text": "See there."}, "See there."),
        ({"partIndex": 2, "endIndex": 9999, "text": "End."}, "End."),
        ({"partIndex": 2, "endIndex": 9999, "text": "not said"}, None),
        ({"partIndex": 1, "endIndex": 3, "text": "Hm."}, None),
        ({"partIndex": 9, "endIndex": 3}, None),
        ({"partIndex": "0", "endIndex": 3}, None),
        ({"startIndex": 5, "endIndex": 2}, None),
        ({"endIndex": None}, None),
        (None, None),
    ],
)
def test_grounding_counts_bytes_of_a_part(segment: Any, place: str | None) -> None:
    """A source for each chunk that a segment rests on; its own text decides where the numbers do not fit."""
    metadata = {"groundingChunks": CHUNKS, "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0, 1]}]}
    output = whole(google(), gemini(groundingMetadata=metadata))
    assert said(output) == [place, place]
    assert [each._replace(start=None, end=None) for each in output.citations] == [
        Citation(url="https://example.org/a", title="A"),
        Citation("It says so.", url="store/1", title="memo"),
    ]


def test_grounding_at_the_end_of_a_stream_is_that_of_the_whole_answer() -> None:
    """Pieces of one part are one part, as in the answer that is not streamed."""
    segment = {"startIndex": 0, "endIndex": len(TEXT.encode()), "text": TEXT}
    metadata = {"groundingChunks": CHUNKS, "groundingSupports": [{"segment": segment, "groundingChunkIndices": [2, 7]}]}
    pieces = [
        {"candidates": [{"content": {"parts": [{"text": TEXT[:10]}]}}]},
        {"candidates": [{"content": {"parts": [{"text": TEXT[10:]}]}, "groundingMetadata": {}}]},
        {"candidates": [{"content": {"parts": []}, "finishReason": "STOP", "groundingMetadata": metadata}]},
    ]
    output = streamed(google(), pieces)
    assert said(output) == [TEXT]
    assert output.citations[0].url == "https://maps.example"


def test_sources_that_nothing_rests_on_are_those_of_the_whole_answer() -> None:
    """Also what an answer repeats at length, under both names of the field."""
    output = whole(google(), gemini(groundingMetadata={"groundingChunks": CHUNKS}))
    assert [each.url for each in output.citations] == ["https://example.org/a", "store/1", "https://maps.example"]
    for key in ("citations", "citationSources"):
        recited = {key: [{"startIndex": 0, "endIndex": 7, "uri": "https://example.org/poem"}, {"license": "MIT"}]}
        output = whole(google(), gemini(citationMetadata=recited))
        assert output.citations == (Citation(url="https://example.org/poem", start=0, end=6),)


@sampled(40, of=500)
@given(JSON, JSON, JSON)
def test_odd_grounding_never_costs_geminis_answer(odd: Any, other: Any, third: Any) -> None:
    """Whatever stands where it should be."""
    supports = [{"segment": odd, "groundingChunkIndices": other}, third]
    for metadata in (odd, {"groundingChunks": other, "groundingSupports": odd}, {"groundingSupports": supports}):
        assert whole(google(), gemini(groundingMetadata=metadata, citationMetadata=other)).content == TEXT


# -- a whole call --------


class Citing(AnthropicDialect):
    """Answers with a citation of the second document, page 2, and of words that stand nowhere."""

    def answer(self, path: str, body: Mapping[str, Any], content: AnswerContent) -> Any:
        return claude(self._cited())

    def events(self, content: AnswerContent) -> list[bytes]:
        return [sse(event) for event in claude_events(self._cited())]

    @staticmethod
    def _cited() -> list[list[Any]]:
        about = {"type": "page_location", "document_index": 1, "document_title": "lease.pdf", "start_page_number": 1}
        stands = {**about, "cited_text": "The rent is $900 a month."}
        return [[], [stands], [{**about, "cited_text": "The rent is $90 a month."}], []]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what the readers find, page by page, by the bytes of a file."""

    def find(**texts: Any) -> None:
        found = {Document(data=f"%PDF-1.7 {name}".encode()).data: pages for name, pages in texts.items()}

        def read(_self: object, data: bytes, *_: Any, **__: Any) -> ReadDocument:
            pages = tuple(Page(number, text, "text layer") for number, text in enumerate(found[data], 1))
            return ReadDocument(pages, PDF, "reader", "1", len(pages), has_pages=True)

        monkeypatch.setattr("complaint_llm.documents.reading.DocumentReaders.read", read)

    return find


@pytest.mark.parametrize("stream", [False, True])
def test_citations_of_our_documents_are_looked_up(reads: Callable[..., None], stream: bool) -> None:
    """By CID, page and state, in whole answers and at the end of a stream; a wrong page is put right."""
    reads(letter=["Dear tenant."], lease=["The lease begins in May.", "The rent is $900 a month."])
    prompt: list[Any] = [
        {
            "role": "user",
            "content": [
                Document(data=b"%PDF-1.7 letter", name="letter.pdf"),
                Document(data=b"%PDF-1.7 lease", name="lease.pdf"),
                {"type": "text", "text": "What is the rent?"},
            ],
        }
    ]
    with FaultyServer(Reply("x"), wires=(Citing(),)) as server:
        backend = AnthropicBackend(
            id="one", api_key="sk-of-nobody", model="claude-sonnet-5-5", base_url=server.url, documents="native"
        )
        with Mediator([backend]) as mediator:
            if stream:
                output = list(mediator.infer_stream(prompt))[-1].output  # type: ignore[union-attr]
            else:
                output = mediator.infer(prompt)
    lease = output.shown[1].cid
    assert [(each.source, each.page, each.state) for each in output.citations] == [
        (lease, 2, "verbatim"),
        (lease, 1, "not_found"),
    ]
    assert said(output) == ["the rent is $900.", " See there."]


def test_an_answer_that_is_kept_comes_back_with_what_it_cites_and_was_shown(
    reads: Callable[..., None], tmp_path: Any
) -> None:
    """From the cache on disk, in the same types."""
    reads(letter=["Dear tenant."], lease=["The rent is $900 a month."])
    prompt: list[Any] = [{"role": "user", "content": [LETTER._replace(cid=None), LEASE._replace(cid=None)]}]
    with FaultyServer(Reply("x"), wires=(Citing(),)) as server:
        for _ in range(2):
            backend = AnthropicBackend(
                id="one",
                api_key="sk-of-nobody",
                model="claude-sonnet-5-5",
                base_url=server.url,
                documents="native",
                cache_enabled=True,
            )
            with Mediator([backend], cache={"path": str(tmp_path / "answers.db")}) as mediator:
                output = mediator.infer(prompt)
        assert len(server.requests) == 1
    assert output.metadata["cached"]
    assert [(each.page, each.state) for each in output.citations] == [(1, "verbatim"), (1, "not_found")]
    assert all(type(each) is Citation for each in output.citations)
    assert [(each.shown, each.pages, each.name) for each in output.shown] == [
        ("document", (1,), "letter.pdf"),
        ("document", (1,), "lease.pdf"),
    ]
