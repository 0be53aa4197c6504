"""Tasks over documents: how they are given, where the material is, and where quotes are sought."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import MockBackend
from complaint_llm.client.attachments import Attachments
from complaint_llm.client.requests import RequestReader
from complaint_llm.config import load_config
from complaint_llm.exceptions import ConfigError, InvalidRequestError
from complaint_llm.messages import Document, Message, TextPart
from complaint_llm.request import Request
from complaint_llm.tasks.load import load_task, load_tasks
from tests.end_to_end.everything import write_config

LEASE = "The rent is due on the first of the month."
QUOTED = "due on the first of the month"
IN_WORDS = "its material is in what is attached to this message"


def answer(quote: str) -> str:
    """An answer of the task summary."""
    point = {"statement": "Rent is due.", "quote": quote}
    return json.dumps({"points": [point], "wants": [], "instructions_in_text": [], "nothing_because": None})


def with_lease(*text: str) -> list[Message]:
    return [Message("user", (Document(data=LEASE.encode(), name="lease.txt"), *map(TextPart, text)))]


@pytest.mark.rows(4)
@pytest.mark.parametrize("text", [(), ("",), (" ",), ("\n\t",), ("", " ")])
@pytest.mark.parametrize("task", ["summary", "claims", "chronology"])
def test_a_blank_text_beside_documents_is_said_in_words(text: tuple[str, ...], task: str) -> None:
    """Between the marks of the material, and the document stands beside it."""
    backend = MockBackend(id="a", responses=["{}"])
    with Mediator([backend]) as mediator, pytest.raises(Exception, match=r"fit|schema|shape"):
        mediator.infer(with_lease(*text), task=task)
    assert backend.last_request is not None
    said = backend.last_request.messages[-1].text
    assert IN_WORDS in said
    assert LEASE in said


@pytest.mark.parametrize("text", ["My landlord says I am late.", ".", "due on the first"])
def test_a_text_beside_documents_is_the_material_too(text: str) -> None:
    """Nothing is said in its place."""
    backend = MockBackend(id="a", responses=[answer(QUOTED)])
    with Mediator([backend]) as mediator:
        mediator.infer(with_lease(text), task="summary")
    assert backend.last_request is not None
    assert IN_WORDS not in backend.last_request.messages[-1].text
    assert text in backend.last_request.messages[-1].text


@pytest.mark.parametrize(
    ("quote", "text", "source"),
    [
        (QUOTED, "", "document"),
        (QUOTED, "Something else.", "document"),
        ("I was late twice in May", "I was late twice in May.", "prompt"),
        (IN_WORDS, "", None),
        ("This item has no text of its own", "", None),
        ("rent is never due at all", "", None),
    ],
)
def test_quotes_are_sought_in_text_and_documents_and_in_no_words_of_ours(
    quote: str, text: str, source: str | None
) -> None:
    """What is put in the place of a blank text is no material."""
    with Mediator([MockBackend(id="a", responses=[answer(quote)] * 2)]) as mediator:
        (found,) = mediator.infer(with_lease(text), task="summary").quotes
    assert found.stands is (source is not None)
    if source is not None:
        assert (found.source == "prompt") is (source == "prompt")


class Files(MockBackend):
    """Takes plain text as a file."""

    document_types = frozenset(("text/plain",))


@pytest.mark.parametrize(
    ("call", "task", "backend", "shown"),
    [
        (None, None, None, "document"),
        (None, None, "text", "text"),
        (None, "text", None, "text"),
        (None, "native", "text", "document"),
        (None, "auto", "text", "document"),
        ("text", "native", "native", "text"),
        ("native", "text", "text", "document"),
        ("auto", "text", "text", "document"),
        ("text", None, "native", "text"),
        (None, "text", "native", "text"),
    ],
)
def test_the_call_stands_above_the_task_and_the_task_above_the_backend(
    call: str | None, task: str | None, backend: str | None, shown: str
) -> None:
    """How documents are given, by whoever says so first."""
    entry = {"id": "summary", **({} if task is None else {"documents": task})}
    keys = {} if backend is None else {"documents": backend}
    tasks, faults = load_tasks([entry], Path(), ("quotes", "no_law_added", "schema"))
    assert faults == []
    params = {} if call is None else {"documents": call}
    reader = RequestReader(find_task=tasks.__getitem__)
    request = reader.request(with_lease("?"), (), None, {"task": "summary", **params})
    client = Files(id="a", echo=True, **keys)
    with client, closing(Attachments()) as attachments:
        sent = client.backend_target.request_to(attachments.with_forms(request))
    assert isinstance(sent, Request)
    assert [each.shown for each in sent.shown] == [shown]


def test_the_digest_of_a_task_changes_with_documents_alone_where_it_says_so() -> None:
    """A task that says nothing of documents is the task that it was before it could."""
    digests = {
        load_task("t", {"t": {"prompt": "{input}", "documents": mode}}).digest for mode in ("auto", "native", "text")
    }
    without = load_task("t", {"t": {"prompt": "{input}"}})
    assert len(digests) == 3
    assert without.digest not in digests
    assert without.digest == "69901cda7885511910e855959239f6e6ee954e8b2af3fb3ff93790e9056d3648"


@pytest.mark.parametrize("wrong", ["", "Text", "files", "no", 1, True, [], {}, ["text"], "auto "])
def test_another_word_is_refused_by_its_place(tmp_path: Any, wrong: Any) -> None:
    """In a config and in code."""
    path = write_config(tmp_path, [{"id": "a", "type": "mock"}], TASKS=[{"id": "summary", "documents": wrong}])
    with pytest.raises(ConfigError, match="/TASKS/0/documents"):
        load_config(path)
    with pytest.raises(ConfigError, match="documents"):
        load_task("summary", {"summary": {"documents": wrong}})


def test_only_files_can_be_asked_for(tmp_path: Any) -> None:
    """A task that wants files says so where nobody reads them; nothing is asked."""
    path = write_config(
        tmp_path,
        [{"id": "a", "type": "mock", "responses": ["x"]}],
        TASKS=[{"id": "t", "prompt": "{input}", "documents": "native"}],
    )
    with Mediator.from_config(path) as mediator, pytest.raises(InvalidRequestError, match="native"):
        mediator.infer(with_lease("?"), task="t")
