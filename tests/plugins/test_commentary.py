"""What a model of the Responses API says beside its answer, and what comes only at its stream's end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.backends import OpenAIBackend
from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.messages import InferenceOutput, StreamEvent, TextDelta, ToolCallStart
from complaint_llm.testing import FaultyServer, Reply
from tests.plugins.plain_backends import RESPONSES, SCHEMA, body, call, message
from tests.wire_answers import event
from tests.wire_messages import ask, done, read

# -- commentary -------------------------------------------------------------------------------------------------------


def events_of(
    response: dict[str, Any], *, index: Any = None, last: Any = None, phase_early: bool = True
) -> list[bytes]:
    """The events of a response; ``index`` is put in place of every output index."""
    found: list[dict[str, Any]] = [{"type": "response.created", "response": {**response, "output": []}}]
    for at, item in enumerate(response["output"]):
        place = at if index is None else index
        empty = {"content": []} if item["type"] == "message" else {"arguments": ""}
        begun = {**item, **empty, **({} if phase_early else {"phase": None})}
        found.append({"type": "response.output_item.added", "output_index": place, "item": begun})
        where = {"output_index": place, "item_id": item["id"]}
        pieces = [
            (part, piece)
            for part, content in enumerate(item.get("content", ()))
            for piece in (content["text"][:3], content["text"][3:])
        ]
        kind = "response.output_text.delta"
        found += [{"type": kind, **where, "content_index": part, "delta": piece} for part, piece in pieces]
        if item["type"] == "function_call":
            found.append({"type": "response.function_call_arguments.delta", **where, "delta": item["arguments"]})
        found.append({"type": "response.output_item.done", "output_index": place, "item": item})
    found.append({"type": "response.completed", "response": {**response, **(last or {})}})
    return [event(each, each["type"]) for each in found]


def streamed(stream: list[bytes]) -> tuple[list[StreamEvent], InferenceOutput]:
    events = read(RESPONSES.decoder(ask(stream=True)), stream)
    return events, done(events)


COMMENTED = [
    ([message("m1", "commentary", "I will look."), message("m2", "final_answer", "Void.")], "Void.", "I will look."),
    ([message("m2", "final_answer", "Void."), message("m1", "commentary", "Done.")], "Void.", "Done."),
    (
        [message("m1", "commentary", "A."), message("m2", "commentary", "B."), message("m3", None, "C.")],
        "C.",
        "A.\n\nB.",
    ),
    ([message("m1", "commentary", "A", "B"), message("m2", "final_answer", "C", "D")], "CD", "AB"),
    ([message("m1", None, "Void.")], "Void.", None),
    ([message("m1", "final_answer", "Void.")], "Void.", None),
    ([message("m1", "commentary", ""), message("m2", "final_answer", "Void.")], "Void.", None),
    ([message("m1", "commentary", "I call."), call("a")], "", "I call."),
    ([call("a"), message("m1", "commentary", "I called."), call("b")], "", "I called."),
    (
        [message("m1", "commentary", "<think>hm</think>"), message("m2", None, "<think>t</think>C")],
        "C",
        "<think>hm</think>",
    ),
    ([message("m1", "commentary", "Grüße 😀"), message("m2", "final_answer", "世 😀")], "世 😀", "Grüße 😀"),
]


@pytest.mark.parametrize(("output", "content", "commentary"), COMMENTED)
def test_commentary_is_no_content(output: list[Any], content: str, commentary: str | None) -> None:
    """It is in the metadata, whole and streamed, and has no event of the stream."""
    whole = RESPONSES.decode(body(*output), ask())
    assert (whole.content, whole.metadata.get("commentary")) == (content, commentary)
    for stream in (events_of(body(*output)), events_of(body(*output), index=0)):
        events, last = streamed(stream)
        assert last._replace(extra=None) == whole._replace(extra=None)
        assert "".join(each.text for each in events if isinstance(each, TextDelta)) == content
    # Told only at the end: what was handed out stands, and the output is right.
    late = streamed(events_of(body(*output), phase_early=False))[1]
    assert late._replace(extra=None) == whole._replace(extra=None)


@pytest.mark.parametrize("stream", [False, True])
def test_structured_output_reads_the_final_answer_only(stream: bool) -> None:
    """Asked once."""
    said = body(message("m1", "commentary", "I will look."), message("m2", "final_answer", '{"who": "Ann"}'))
    reply = Reply(body=json.dumps(said).encode())
    if stream:
        reply = Reply(body=b"".join(events_of(said)), headers={"Content-Type": "text/event-stream"})
    with (
        FaultyServer(reply) as server,
        OpenAIBackend(base_url=f"{server.url}/v1", api_key="k", model="gpt-5.4", api="responses") as backend,
    ):
        if stream:
            output = done(list(backend.infer_stream("q", response_format=SCHEMA)))
        else:
            output = backend.infer("q", response_format=SCHEMA)
        assert output.parsed == {"who": "Ann"}
        assert len(server.requests) == 1


def test_commentary_alone_is_an_error_that_says_so() -> None:
    """Plain, streamed and structured; with a tool call it is an answer."""
    said = body(message("m1", "commentary", "I will look."))
    with FaultyServer(Reply(body=json.dumps(said).encode())) as server:
        keys: dict[str, Any] = {"base_url": f"{server.url}/v1", "api_key": "k", "model": "gpt-5.4", "api": "responses"}
        with OpenAIBackend(max_retries=0, **keys) as backend:
            for work in (
                lambda: backend.infer("q"),
                lambda: list(backend.infer_stream("q")),
                lambda: backend.infer("q", response_format=SCHEMA),
            ):
                with pytest.raises(ResponseFormatError, match="commentary alone"):
                    work()


# -- what comes only at the end of a Responses stream -----------------------------------------------------------------


SAID = [
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
    message("m1", None, "Grüße ", "😀"),
    call("a"),
    call("b"),
]


@given(st.sets(st.sampled_from(["response.output_item.added", "response.output_text.delta", "response.output_item.done",
                                "response.function_call_arguments.delta"])), st.booleans())  # fmt: skip
@settings(deadline=None)
def test_whatever_came_before_the_last_event_the_answer_is_whole(left_out: set[str], emptied: bool) -> None:
    """Services leave out one kind of event or another, and some the output of the last one."""
    whole = RESPONSES.decode(body(*SAID), ask())
    if emptied and "response.output_item.done" in left_out:
        return
    kept = [
        each
        for each in events_of(body(*SAID), last={"output": []} if emptied else None)
        if not any(f"event: {kind}\n".encode() in each for kind in left_out)
    ]
    events, output = streamed(kept)
    assert output._replace(extra=None) == whole._replace(extra=None)
    assert "".join(each.text for each in events if isinstance(each, TextDelta)) == "Grüße 😀"
    assert [each.id for each in events if isinstance(each, ToolCallStart)] == ["a", "b"]


def test_text_that_comes_as_done_without_deltas_is_handed_out_once() -> None:
    """``response.output_text.done`` holds the whole part."""
    where = {"output_index": 0, "item_id": "m1", "content_index": 0}
    item = message("m1", None, "Void.")
    stream = [
        event({"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}}),
        event({"type": "response.output_text.delta", **where, "delta": "Vo"}),
        event({"type": "response.output_text.done", **where, "text": "Void."}),
        event({"type": "response.completed", "response": body(item)}),
    ]
    events, output = streamed(stream)
    assert [each.text for each in events if isinstance(each, TextDelta)] == ["Vo", "id."]
    assert output.content == "Void."
