"""What stands beside an answer is not the answer, and never costs it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm import Mediator, Message
from complaint_llm.backends import GoogleBackend, HTTPBackend, OpenAIBackend
from complaint_llm.exceptions import BackendError, InvalidRequestError, ResponseFormatError
from complaint_llm.messages import InferenceOutput, StreamEvent, TextDelta, TokenUsage, ToolCallStart
from complaint_llm.testing import FaultyServer, Reply
from tests.wire_answers import WIRES, Said, event, in_one
from tests.wire_messages import ask, chat, chunk, done, read, sse

GPT: HTTPBackend = OpenAIBackend(api_key="sk-secret-1", model="m")
RESPONSES: HTTPBackend = OpenAIBackend(api_key="sk-secret-1", model="m", api="responses")
CLAUDE = WIRES["anthropic"].backend
SCHEMA = {
    "type": "object",
    "properties": {"who": {"type": "string"}},
    "required": ["who"],
    "additionalProperties": False,
}


# -- several choices ---------------------------------------------------------------------------------------------------


def choice(index: Any, text: str, key: str = "message", finish: str | None = "stop") -> dict[str, Any]:
    found = {key: {"content": text}, "finish_reason": finish}
    return found if index is None else {"index": index, **found}


@pytest.mark.parametrize(
    "choices",
    [
        [(0, "first"), (1, "SECOND")],
        [(1, "SECOND"), (0, "first")],
        [(2, "THIRD"), (1, "SECOND"), (0, "first")],
        [(None, "first"), (None, "SECOND")],
        [(1, "SECOND"), (None, "first")],
        [(0, "first")],
        [(None, "first")],
        [("0", "first")],
        [(1, "SECOND"), (0, "first"), (0, "LATE")],
        [(0, "first"), (1, "")],
        [(1, ""), (0, "first")],
    ],
)
def test_the_answer_is_the_choice_with_index_0(choices: list[tuple[Any, str]]) -> None:
    """In any order, whole; streamed the pieces of the others are passed over."""
    body = {"choices": [choice(index, text) for index, text in choices]}
    assert GPT.decode(body, ask()).content == "first"
    numbered = [(index, text) for index, text in choices if text != "LATE" and index is not None]
    if any(index in (0, "0") for index, _ in numbered):
        pieces = [chunk_of(index, piece) for index, text in numbered for piece in (text[:2], text[2:])]
        ends = [{"choices": [choice(index, "", "delta")]} for index, _ in numbered]
        assert done(read(GPT.decoder(ask(stream=True)), [sse(*pieces, *ends, "[DONE]")])).content == "first"


def chunk_of(index: Any, text: str) -> dict[str, Any]:
    return {"choices": [choice(index, text, "delta", None)]}


@pytest.mark.parametrize("extra", [{"n": 2}, {"n": 128}, {"n": 2.0}])
@pytest.mark.parametrize("stream", [False, True])
def test_several_answers_are_refused_before_sending(extra: dict[str, Any], stream: bool) -> None:
    """All would be paid and one is read; on every wire that knows the wish, in the call and in the config."""
    gemini: dict[str, Any] = {"generationConfig": {"candidateCount": extra["n"]}}
    makers: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
        (OpenAIBackend, {}, extra),
        (OpenAIBackend, {"api": "responses"}, extra),
        (GoogleBackend, {}, gemini),
        (GoogleBackend, {}, {"generationConfig": {"candidate_count": extra["n"]}}),
    ]
    with FaultyServer() as server:
        for make, keys, wish in makers:
            common = {"base_url": server.url, "api_key": "k", "model": "m", **keys}
            for backend, params in ((make(**common), {"extra_body": wish}), (make(**common, extra_body=wish), {})):
                with backend, pytest.raises(InvalidRequestError, match="one answer is read") as caught:
                    list(backend.infer_stream("q", **params)) if stream else backend.infer("q", **params)
                assert caught.value.sent is False
        assert server.requests == []


def test_one_answer_may_be_asked_for_by_name() -> None:
    """``n`` is 1: nothing is refused."""
    body = OpenAIBackend(api_key="k", model="m", extra_body={"n": 1}).encode(ask(extra_body={"n": 1})).body
    assert body is not None
    assert body["n"] == 1


# -- commentary --------------------------------------------------------------------------------------------------------


def message(id: str, phase: str | None, *texts: str) -> dict[str, Any]:
    parts = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"type": "message", "id": id, "role": "assistant", "phase": phase, "status": "completed", "content": parts}


def call(id: str) -> dict[str, Any]:
    return {"type": "function_call", "id": f"fc_{id}", "call_id": id, "name": "f", "arguments": "{}"}


def body(*output: Any, **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    return {
        "id": "r",
        "object": "response",
        "model": "served",
        "status": "completed",
        "output": list(output),
        "usage": usage,
        **more,
    }


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


# -- what comes only at the end of a Responses stream ------------------------------------------------------------------


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


# -- tools of the provider ---------------------------------------------------------------------------------------------


SERVER_BLOCKS: list[list[dict[str, Any]]] = [
    [{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "rent"}}],
    [{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "rent"}},
     {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "u"}]}],
    [{"type": "server_tool_use", "id": "s1", "name": "web_fetch", "input": {"url": "u"}},
     {"type": "web_fetch_tool_result", "tool_use_id": "s1", "content": {"type": "web_fetch_result"}}],
    [{"type": "server_tool_use", "id": "s1", "name": "bash_code_execution", "input": {"command": "ls"}},
     {"type": "bash_code_execution_tool_result", "tool_use_id": "s1", "content": {"stdout": "x"}}],
    [{"type": "server_tool_use", "id": "s1", "name": "code_execution", "input": {"code": "1"}},
     {"type": "code_execution_tool_result", "tool_use_id": "s1", "content": {"stdout": "1"}}],
    [{"type": "mcp_tool_use", "id": "m1", "name": "look", "server_name": "law", "input": {"q": "}"}},
     {"type": "mcp_tool_result", "tool_use_id": "m1", "is_error": False, "content": []}],
    [{"type": "server_tool_use", "id": "s1", "name": "tool_search_tool_regex", "input": {}},
     {"type": "tool_search_tool_result", "tool_use_id": "s1", "content": {}}],
    [{"type": "server_tool_use", "id": "s1", "name": "text_editor", "input": {"a": {"b": ["😀"]}}}],
    [{"type": "server_tool_use", "id": "s1", "name": "f", "input": {}}],
    [{"type": "container_upload", "file_id": "file_1"}],
    [{"type": "a_block_of_the_future", "input": {"x": 1}, "name": "g", "id": "z"}],
]  # fmt: skip


def block_events(blocks: list[dict[str, Any]], *, index: int | None = None) -> list[bytes]:
    found: list[dict[str, Any]] = [{"type": "message_start", "message": {"model": "served", "usage": {}}}]
    for at, block in enumerate(blocks):
        place = at if index is None else index
        begun, pieces = block, []
        if block["type"] == "text":
            begun, pieces = {**block, "text": ""}, [{"type": "text_delta", "text": block["text"]}]
        elif "input" in block:
            whole = json.dumps(block["input"])
            pieces = [{"type": "input_json_delta", "partial_json": part} for part in ("", whole[:4], whole[4:])]
            begun = {**block, "input": {}}
        found.append({"type": "content_block_start", "index": place, "content_block": begun})
        found += [{"type": "content_block_delta", "index": place, "delta": piece} for piece in pieces]
        found.append({"type": "content_block_stop", "index": place})
    found += [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
    return [event(each, each["type"]) for each in found]


OWN = {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}}


@pytest.mark.parametrize("index", [None, 0], ids=["numbered", "all 0"])
@pytest.mark.parametrize("own", [[], [OWN]], ids=["alone", "beside a call of ours"])
@pytest.mark.parametrize("blocks", SERVER_BLOCKS, ids=lambda blocks: blocks[0].get("name", blocks[0]["type"]))
def test_tools_of_the_provider_are_no_calls_of_ours(blocks: list[Any], own: list[Any], index: int | None) -> None:
    """Whole and streamed; they go back with the next turn, as they came."""
    said = [*blocks, {"type": "text", "text": "Found."}, *own]
    whole = CLAUDE.decode({"type": "message", "model": "served", "content": said, "stop_reason": "end_turn"}, ask())
    events = read(CLAUDE.decoder(ask(stream=True)), block_events(said, index=index))
    assert done(events) == whole
    assert whole.content == "Found."
    names = ["f"] if own else []
    assert [call.name for call in whole.tool_calls] == names
    assert [each.name for each in events if isinstance(each, ToolCallStart)] == names
    sent = CLAUDE.encode(ask([Message("user", "q"), whole.message(), Message("user", "more")])).body
    assert sent is not None
    assert sent["messages"][1]["content"] == said


def test_citations_of_a_streamed_text_go_back_with_it() -> None:
    """As they do where the answer came whole."""
    cited = {"type": "text", "text": "Found.", "citations": [{"type": "web_search_result_location", "url": "u"}]}
    said = [SERVER_BLOCKS[0][0], cited]
    stream = block_events([said[0], {"type": "text", "text": "Found."}])
    citation = {"type": "citations_delta", "citation": cited["citations"][0]}
    stream.insert(-3, event({"type": "content_block_delta", "index": 1, "delta": citation}))
    whole = CLAUDE.decode({"type": "message", "content": said, "stop_reason": "end_turn"}, ask())
    output = done(read(CLAUDE.decoder(ask(stream=True)), stream))
    assert output.extra == whole.extra


# -- what is odd beside an answer --------------------------------------------------------------------------------------


ODD: list[Any] = [None, True, 7, -1, 1.5, 2**60, 1e308, "text", "", [], [1], {}, {"a": [None]}]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(
    "field", ["model", "id", "created", "object", "system_fingerprint", "service_tier", "new_field"]
)
def test_odd_values_beside_an_answer_cost_nothing(field: str, odd: Any) -> None:
    """Of known and unknown fields, in the body, in the choice and in the message."""
    answer = chat("x")
    answer[field] = odd
    answer["choices"][0][field] = odd
    answer["choices"][0]["message"][field] = odd
    assert GPT.decode(answer, ask()).content == "x"
    piece = chunk({"content": "x", field: odd} if field != "id" else {"content": "x"}, "stop")
    piece[field] = odd
    piece["choices"][0][field] = odd
    assert done(read(GPT.decoder(ask(stream=True)), [sse(piece, "[DONE]")])).content == "x"


LOGPROBS: list[tuple[Any, bool]] = [
    ({"content": [{"token": "x", "logprob": -0.5}]}, True),
    ({"content": [{"token": "x", "logprob": 0}]}, True),
    ({"content": [{"token": "x", "logprob": 0.3}]}, True),
    ({"content": [{"token": "x", "logprob": -9999.0}]}, True),
    ({"content": [{"token": "x", "logprob": None}]}, False),
    ({"content": [{"token": "x"}]}, False),
    ({"content": [{"token": "x", "logprob": "-0.5"}]}, False),
    ({"content": [{"token": "x", "logprob": True}]}, False),
    ({"content": [{"token": "x", "logprob": -0.5}, {"token": "y", "logprob": None}]}, False),
    ({"content": [{"token": "x", "logprob": 10**400}]}, False),
    ({"content": [{"token": "x", "logprob": 1e308}]}, False),
    ({"content": [{"token": "x", "logprob": -1e308}]}, False),
    ({"content": [{"token": "x", "logprob": float("inf")}]}, False),
    ({"content": [{"token": "x", "logprob": float("nan")}]}, False),
    ({"content": [None]}, False),
    ({"content": [[]]}, False),
    ({"content": "text"}, False),
    ({"content": {}}, False),
    ({"content": []}, False),
    ({"content": None}, False),
    ({}, False),
    ([], False),
    ("text", False),
    (7, False),
    (None, False),
]


@pytest.mark.parametrize(("given_", "known"), LOGPROBS, ids=[repr(row[0]) for row in LOGPROBS])
def test_odd_probabilities_make_the_confidence_unknown(given_: Any, known: bool) -> None:
    """Never an error: the answer is paid."""
    asked = {"logprobs": True}
    answer = chat("x")
    answer["choices"][0]["logprobs"] = given_
    piece = chunk({"content": "x"}, "stop")
    piece["choices"][0]["logprobs"] = given_
    outputs = [
        GPT.decode(answer, ask(params=asked)),
        done(read(GPT.decoder(ask(stream=True, params=asked)), [sse(piece, "[DONE]")])),
    ]
    if isinstance(given_, dict) and "content" in given_:
        part = {"type": "output_text", "text": "x", "logprobs": given_["content"]}
        outputs.append(RESPONSES.decode(body({"type": "message", "id": "m", "content": [part]}), ask(params=asked)))
        if isinstance(given_["content"], list):
            chosen = [
                {"logProbability": each.get("logprob")} if isinstance(each, dict) else each
                for each in given_["content"]
            ]
            candidate = {
                "content": {"parts": [{"text": "x"}]},
                "finishReason": "STOP",
                "logprobsResult": {"chosenCandidates": chosen},
            }
            outputs.append(WIRES["gemini"].backend.decode({"candidates": [candidate]}, ask(params=asked)))
    for output in outputs:
        assert output.content == "x"
        assert (output.confidence is not None) == known
        assert output.confidence is None or 0 <= output.confidence <= 1


@pytest.mark.parametrize("place", ["body", "choice", "x_groq"])
def test_usage_counts_where_services_put_it(place: str) -> None:
    """In the chunk, in the choice (Moonshot) or in a field of their own (Groq)."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    last = chunk({}, "stop")
    if place == "choice":
        last["choices"][0]["usage"] = usage
    elif place == "body":
        last["usage"] = usage
    else:
        last["x_groq"] = {"id": "req", "usage": usage}
    output = done(read(GPT.decoder(ask(stream=True)), [sse(chunk({"content": "x"}), last, "[DONE]")]))
    assert output.token_usage[:3] == (5, 2, 7)


# -- nothing but thinking ----------------------------------------------------------------------------------------------


def thought_only(name: str, finish: str) -> Any:
    """An answer whose tokens all went into thinking."""
    if name == "chat":
        usage = {"prompt_tokens": 9, "completion_tokens": 500, "total_tokens": 509}
        usage["completion_tokens_details"] = {"reasoning_tokens": 500}  # type: ignore[assignment]
        return chat(None, finish_reason=finish, usage=usage, reasoning_content="hm")
    if name == "responses":
        usage = {"input_tokens": 9, "output_tokens": 500, "total_tokens": 509}
        usage["output_tokens_details"] = {"reasoning_tokens": 500}  # type: ignore[assignment]
        details = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        item = {"type": "reasoning", "id": "rs", "summary": []}
        return body(item, usage=usage, **(details if finish == "length" else {}))
    if name == "anthropic":
        blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}]
        reason = {"length": "max_tokens", "stop": "end_turn"}[finish]
        usage = {"input_tokens": 9, "output_tokens": 500}
        return {"type": "message", "model": "c", "content": blocks, "stop_reason": reason, "usage": usage}
    reason = {"length": "MAX_TOKENS", "stop": "STOP"}[finish]
    usage = {"promptTokenCount": 9, "thoughtsTokenCount": 500, "totalTokenCount": 509}
    return {"candidates": [{"content": {"role": "model"}, "finishReason": reason}], "usageMetadata": usage}


def backend_at(server: FaultyServer, name: str, **keys: Any) -> Any:
    kind = type(WIRES[name].backend)
    keys = {"api_key": "k", "model": "m", "max_retries": 0, **keys}
    if name == "responses":
        keys["api"] = "responses"
    return kind(base_url=f"{server.url}/v1" if name in ("chat", "responses") else server.url, **keys)


@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["plain", "structured"])
@pytest.mark.parametrize("finish", ["length", "stop"])
@pytest.mark.parametrize("name", WIRES)
def test_an_answer_of_thinking_alone_says_so_and_what_to_do(name: str, finish: str, schema: Any) -> None:
    """With what it took; asked once where it was cut, since it would be cut again."""
    with FaultyServer(Reply(body=json.dumps(thought_only(name, finish)).encode())) as server:
        with backend_at(server, name) as backend, pytest.raises(ResponseFormatError) as caught:
            backend.infer("q", max_tokens=500, response_format=schema)
        if finish == "length":
            assert len(server.requests) == 1
    said = str(caught.value)
    assert "thinking" in said
    assert "raise max_tokens" in said
    assert "reasoning_effort" in said
    assert ("500 completion tokens" in said) == (finish == "length")
    if schema is None:
        usage = caught.value.token_usage
        assert isinstance(usage, TokenUsage)
        assert (usage.prompt_tokens, usage.completion_tokens) == (9, 500)


@pytest.mark.parametrize(
    "blank",
    [
        "",
        " ",
        "\n",
        "     \n",
        "\t\r\n",
        "\u00a0",
        "\u2003 \n",
        "\u3000",
        "<think>hm</think>",
        "<think>hm</think>\n\n ",
    ],
)
@pytest.mark.parametrize("name", WIRES)
def test_an_answer_of_blanks_is_no_answer(name: str, blank: str) -> None:
    """Whole and streamed, on every wire."""
    said = Said(blank)
    with FaultyServer() as server, Mediator([backend_at(server, name)], timeout=20) as mediator:
        server.script(Reply(body=json.dumps(WIRES[name].whole(said)).encode()))
        with pytest.raises(ResponseFormatError, match="empty"):
            mediator.infer("q")
        stream = b"".join(WIRES[name].events(said, in_one))
        server.script(Reply(body=stream, headers={"Content-Type": "text/event-stream"}))
        with pytest.raises(BackendError, match="empty"):
            list(mediator.infer_stream("q"))
