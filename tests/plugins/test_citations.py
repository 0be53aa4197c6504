"""What providers cite, in one form: whole answers and streams give the same, and what is odd never costs the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm import Document, Mediator
from complaint_llm.backends import AnthropicBackend
from complaint_llm.documents.pages import Page, ReadDocument
from complaint_llm.messages import Citation
from complaint_llm.testing import FaultyServer, Reply
from complaint_llm.testing.dialects import AnswerContent, AnthropicDialect
from tests.arbitrary_values import JSON
from tests.plugins.cited_answers import LEASE, LETTER, PDF, TEXT, said, streamed, whole
from tests.sampled import sampled
from tests.wire_messages import sse

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
