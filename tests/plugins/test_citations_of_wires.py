"""Citations of OpenAI's wires and of Gemini: what they rest on, by characters of the whole answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from complaint_llm.backends import GoogleBackend, OpenAIBackend
from complaint_llm.messages import Citation
from tests.arbitrary_values import JSON
from tests.plugins.cited_answers import TEXT, said, streamed, whole
from tests.sampled import sampled
from tests.wire_messages import chat, chunk


def openai(api: str) -> OpenAIBackend:
    return OpenAIBackend(api_key="sk-of-nobody", model="gpt-5.4", api=api)


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
