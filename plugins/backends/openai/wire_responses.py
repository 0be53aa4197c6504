"""The Responses API: ``POST /responses``, always with ``store: false``. Pure. Source: the openai SDK's types (3.52).

Read from a models.json: the fact ``reasoning`` (the model reasons, and its encrypted reasoning items are kept in
``Message.extra`` for the next turn, since nothing is stored), ``strict`` as in wire_chat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from complaint_llm_plugins.backends.openai.usage import cost, log_probability, token_usage
from complaint_llm_plugins.backends.openai.wire_chat import Fail, arguments_text, image_url, json_schema, refuse

from complaint_llm.backends import WireRequest
from complaint_llm.backends.accumulator import confidence
from complaint_llm.backends.bodies import overlay
from complaint_llm.backends.parameters import KEY, Family
from complaint_llm.backends.shapes import items, mapping, optional_mapping, text, wrong
from complaint_llm.exceptions import BackendError
from complaint_llm.messages import FinishReason, ImagePart, InferenceOutput, Message, Tool, ToolCall
from complaint_llm.request import Request, ResponseFormat, parse_arguments

PARAMETERS: Mapping[str, Any] = {
    "temperature": "temperature",
    "max_tokens": "max_output_tokens",
    "top_p": "top_p",
    "reasoning_effort": "reasoning.effort",
    "logprobs": {"with": {"include": ["message.output_text.logprobs"]}},
}
"""This wire's names of the neutral parameters; the names of a models.json are chat's."""

INCOMPLETE: Mapping[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}
"""Finish reasons by ``incomplete_details.reason``; every other one cut the answer too."""


def encode(request: Request, family: Family) -> WireRequest:
    """The HTTP request; parameters that the model refuses are left out."""
    body: dict[str, Any] = {
        "model": request.model,
        "input": [item for message in request.messages for item in _items(message, family.facts)],
        "store": False,
    }
    if request.params:
        family.write(request.params, body)
    if family.facts.get("reasoning"):
        body["include"] = [*body.get("include", ()), "reasoning.encrypted_content"]
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.response_format is not None:
        body["text"] = {"format": _format(request.response_format, family.facts)}
    if request.stream:
        body["stream"] = True
    if request.extra_body:
        overlay(body, request.extra_body)
    return WireRequest("/responses", body)


def decode(payload: Any, request: Request, family: Family, fail: Fail) -> InferenceOutput:
    """The answer in a response object. Raises ResponseFormatError for a wrong shape, or the error that it tells of."""
    body = mapping(payload, "the body")
    check_status(body, fail)
    texts: list[str] = []
    thoughts: list[str] = []
    refusals: list[str] = []
    probabilities: list[float] = []
    calls: list[ToolCall] = []
    output = [mapping(item, "output[]") for item in items(body.get("output"), "output")]
    if not output and body.get("status") is None:
        raise wrong("output", None, "an array with an answer")
    for item in output:
        kind = item.get("type")
        if kind == "message":
            for part in _parts(item.get("content"), "output[].content"):
                if part.get("type") == "refusal":
                    refusals.append(text(part.get("refusal"), "refusal"))
                else:
                    texts.append(text(part.get("text"), "output[].content[].text"))
                    probabilities.extend(log_probabilities(part.get("logprobs")))
        elif kind == "function_call":
            calls.append(_tool_call(len(calls), item))
        elif kind == "reasoning":
            thoughts.append(reasoning_text(item))
    content = "".join(texts)
    finish_reason = finish_of(body, called=bool(calls))
    if not content and not calls:
        refuse("".join(refusals), finish_reason)
    usage = body.get("usage")
    return InferenceOutput(
        content,
        tuple(calls),
        "\n\n".join(filter(None, thoughts)) or None,
        confidence(probabilities) if request.params.get("logprobs") else None,
        token_usage(usage, "input", "output"),
        finish_reason,
        None,
        cost(usage, family.facts),
        "",
        text(body.get("model"), "model"),
        (),
        None,
        metadata(family.refused(request.params), body),
        kept_reasoning(output, family.facts),
    )


def check_status(body: Mapping[str, Any], fail: Fail) -> None:
    """Raises the error of a response that failed, although HTTP said 200."""
    if body.get("error") or body.get("status") in ("failed", "cancelled"):
        raise fail_with(body, fail)


def fail_with(body: Mapping[str, Any], fail: Fail) -> BackendError:
    """The error of a failed response; one without details still says its status."""
    return fail(body if body.get("error") else {"error": {"message": f"the response's status is {body.get('status')}"}})


def finish_of(body: Mapping[str, Any], *, called: bool) -> FinishReason:
    """The neutral finish reason of a response object."""
    if body.get("status") == "incomplete":
        reason = text(optional_mapping(body.get("incomplete_details"), "incomplete_details").get("reason"), "reason")
        return INCOMPLETE.get(reason, "length")
    return "tool_calls" if called else "stop"


def reasoning_text(item: Mapping[str, Any]) -> str:
    """The reasoning of one item: its own text where the model shows it (open models), else its summary."""
    shown = [*_parts(item.get("content"), "reasoning.content")] or [*_parts(item.get("summary"), "reasoning.summary")]
    return "\n\n".join(text(part.get("text"), "reasoning text") for part in shown)


def log_probabilities(given: Any) -> list[float]:
    """The log-probabilities of the tokens of one piece of text."""
    return [log_probability(token, "logprobs[]") for token in items(given, "logprobs")]


def metadata(refused: tuple[str, ...], body: Mapping[str, Any]) -> dict[str, Any]:
    """The provider's id of the answer and what was left out."""
    found: dict[str, Any] = {"response_id": body.get("id")}
    if refused:
        found[KEY] = list(refused)
    return found


def extra_key(facts: Mapping[str, Any]) -> str:
    """Under what name a message's ``extra`` holds what this service gave on this wire."""
    return f"responses {facts.get('service')}"


def kept_reasoning(output: Iterable[Mapping[str, Any]], facts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The ``extra`` of an answer: reasoning items that the provider can read again, since it stored nothing."""
    kept = [
        {"type": "reasoning", "id": item.get("id"), "summary": [], "encrypted_content": item["encrypted_content"]}
        for item in output
        if item.get("type") == "reasoning" and item.get("encrypted_content")
    ]
    return {extra_key(facts): kept} if kept else None


def _parts(given: Any, where: str) -> Iterable[Mapping[str, Any]]:
    return [mapping(part, f"{where}[]") for part in items(given, where)]


def _tool_call(place: int, item: Mapping[str, Any]) -> ToolCall:
    name = text(item.get("name"), "function_call.name")
    if not name:
        raise wrong("function_call.name", None, "a text")
    raw = text(item.get("arguments"), "function_call.arguments")
    id = text(item.get("call_id"), "function_call.call_id") or text(item.get("id"), "function_call.id")
    return ToolCall(id or f"call_{place}", name, parse_arguments(raw), raw)


def _items(message: Message, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The input items of one message: its text and images, its tool calls, or a tool's result."""
    if message.role == "tool":
        return [{"type": "function_call_output", "call_id": message.tool_call_id, "output": _output(message)}]
    if message.role == "user":
        return [{"role": "user", "content": _content(message)}]
    found: list[dict[str, Any]] = []
    if message.role == "assistant" and message.extra is not None:
        found.extend(message.extra.get(extra_key(facts), ()))
    if message.text:
        found.append({"role": message.role, "content": message.text})
    found.extend(
        {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": arguments_text(call)}
        for call in message.tool_calls
    )
    return found


def _content(message: Message) -> str | list[dict[str, Any]]:
    content = message.content
    if isinstance(content, str):
        return content
    return [
        {"type": "input_image", "image_url": image_url(part), "detail": "auto"}
        if isinstance(part, ImagePart)
        else {"type": "input_text", "text": part.text}
        for part in content
    ]


def _output(message: Message) -> str | list[dict[str, Any]]:
    content = _content(message)
    return message.text if not isinstance(content, str) and all(p["type"] == "input_text" for p in content) else content


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": False,
    }


def _format(wanted: ResponseFormat, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    if wanted.kind == "json_object":
        return {"type": "json_object"}
    return {"type": "json_schema", **json_schema(wanted, facts)}
