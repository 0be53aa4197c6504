"""The record of one answer: a DAG-CBOR map of fixed keys (schemas/provenance.schema.json says what they mean).

``answer`` and ``reasoning`` link to raw blocks of the text in UTF-8, so that ``sha256sum`` of a saved answer shows the
same digest; ``prompt`` and ``tool_calls`` to DAG-CBOR blocks. The keys' order is the format's, so that a record is
joined from pieces: the general encoder takes four times as long, and an answer waits for this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from struct import pack
from typing import Any, NamedTuple

from complaint_llm.evidence.cid import DAG_CBOR, RAW, Cid, parse_cid
from complaint_llm.evidence.dagcbor import decode, encode, head, link_to
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError
from complaint_llm.messages import ImagePart, InferenceOutput, Message, TextPart, TokenUsage, Tool, ToolCall

KIND = "complaint_llm/provenance/1"

_NULL, _FALSE, _TRUE, _EMPTY = b"\xf6", b"\xf4", b"\xf5", b"\x80"
_NOTHING = type(None)


Text = tuple[int, bytes, bytes]


class RequestFacts(NamedTuple):
    """What was asked. ``parameters`` are those that were sent, without secrets; ``evidence`` is what is cited."""

    messages: Sequence[Message]
    parameters: Mapping[str, Any] = {}
    tools: Sequence[Tool] = ()
    evidence: Sequence[Cid] = ()


class Draft(NamedTuple):
    """A record but for its link to the one before; ``texts`` are what it names by digest: codec, digest, bytes."""

    before: bytes
    after: bytes
    texts: Sequence[Text]


def field(key: str, value: Any) -> bytes:
    """A key and its value, encoded."""
    return _text(key) + encode(value)


def draft(facts: RequestFacts, output: InferenceOutput, when: bytes, plugins: bytes, config: bytes) -> Draft:
    """The record of an answer. ``when`` is the encoded time, ``plugins`` and ``config`` are encoded fields.

    Raises TypeError or ValueError if a parameter or tool has no form in DAG-CBOR.
    """
    texts: list[Text] = []

    def linked(codec: int, data: bytes) -> bytes:
        digest = sha256(data).digest()
        texts.append((codec, digest, data))
        return link_to(codec, digest)

    cost, finish, marks = output.cost, output.finish_reason, output.metadata
    parts = (
        _COST,
        _NULL if cost is None else b"\xfb" + pack(">d", cost),
        _DEMO,
        _TRUE if marks.get("demo") else _FALSE,
        _KIND_AND_TIME,
        when,
        _MODEL,
        _name(output.model),
        _USAGE,
        _usage(output.token_usage),
        _ANSWER,
        linked(RAW, _utf8(output.content)),
        _CACHED,
        _TRUE if marks.get("cached") else _FALSE,
        _PROMPT,
        linked(DAG_CBOR, _prompt(facts)),
        _BACKEND,
        _name(output.backend),
        plugins,
        _EVIDENCE,
        encode(facts.evidence) if facts.evidence else _EMPTY,
        _PREVIOUS,
    )
    rest = (
        _REASONING,
        _NULL if output.reasoning is None else linked(RAW, _utf8(output.reasoning)),
        _PARAMETERS,
        encode(facts.parameters),
        _TOOL_CALLS,
        linked(DAG_CBOR, encode([_call(call) for call in output.tool_calls])) if output.tool_calls else _NULL,
        config,
        _FINISH_REASON,
        _NULL if finish is None else _name(finish),
    )
    return Draft(b"".join(parts), b"".join(rest), texts)


def decode_provenance(name: str, data: bytes) -> dict[str, Any]:
    """The record of this name, if it is that one and complete. Raises EvidenceCorruptedError naming it."""
    try:
        if not parse_cid(name).matches(data):
            raise ValueError("its bytes are not what it is named by")
        record = decode(data)
        if not isinstance(record, dict) or record.get("kind") != KIND or record.keys() != _TYPES.keys():
            raise ValueError(f"it is no {KIND} record")
        for key, kind in _TYPES.items():
            if not isinstance(record[key], kind):
                raise ValueError(f"its {key} is of the wrong type")
        if not all(isinstance(cid, Cid) for cid in record["evidence"]):
            raise ValueError("its evidence is no list of links")
    except (ValueError, EvidenceError) as error:
        raise EvidenceCorruptedError(f"provenance record {name} is damaged: {error}") from error
    return record


def _prompt(facts: RequestFacts) -> bytes:
    """The block of what was asked: a map of messages, and of tools where there are any."""
    messages = facts.messages
    parts = [_PROMPT_TOOLS, encode([tool._asdict() for tool in facts.tools])] if facts.tools else [b"\xa1"]
    parts += (_MESSAGES, head(4, len(messages)))
    for role, content, calls, call_id, name, _extra in messages:
        parts.append(head(5, 2 + bool(calls) + (call_id is not None) + (name is not None)))
        if name is not None:
            parts += (_NAME, _text(name))
        parts += (_ROLE, _name(role), _CONTENT)
        parts.append(_text(content) if isinstance(content, str) else encode([_part(part) for part in content]))
        if calls:
            parts += (_TOOL_CALLS, encode([_call(call) for call in calls]))
        if call_id is not None:
            parts += (_TOOL_CALL_ID, _text(call_id))
    return b"".join(parts)


def _part(part: TextPart | ImagePart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": _clean(part.text)}
    return {key: value for key, value in part._asdict().items() if value is not None}


def _call(call: ToolCall) -> dict[str, str]:
    return {"id": call.id, "name": call.name, "arguments": _clean(call.arguments_raw)}


def _clean(text: str) -> str:
    """The text with U+FFFD for lone surrogates, which have no UTF-8 form."""
    return text if text.isascii() else _utf8(text).decode()


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _text(text: str) -> bytes:
    data = _utf8(text)
    return head(3, len(data)) + data


@lru_cache(maxsize=1024)
def _name(text: str) -> bytes:
    """A text that comes again with every record: a role, a model, a backend."""
    return _text(text)


def _usage(usage: TokenUsage) -> bytes:
    cached, reasoning = usage.cached_tokens, usage.reasoning_tokens
    return b"".join(
        (
            _TOTAL_TOKENS,
            head(0, usage.total_tokens),
            _CACHED_TOKENS,
            _NULL if cached is None else head(0, cached),
            _PROMPT_TOKENS,
            head(0, usage.prompt_tokens),
            _REASONING_TOKENS,
            _NULL if reasoning is None else head(0, reasoning),
            _COMPLETION_TOKENS,
            head(0, usage.completion_tokens),
        )
    )


_TYPES: Mapping[str, tuple[type, ...]] = {
    "cost": (float, _NOTHING),
    "demo": (bool,),
    "kind": (str,),
    "time": (str,),
    "model": (str,),
    "usage": (dict,),
    "answer": (Cid,),
    "cached": (bool,),
    "prompt": (Cid,),
    "backend": (str,),
    "plugins": (dict,),
    "evidence": (list,),
    "previous": (Cid, _NOTHING),
    "reasoning": (Cid, _NOTHING),
    "parameters": (dict,),
    "tool_calls": (Cid, _NOTHING),
    "config_sha256": (bytes, _NOTHING),
    "finish_reason": (str, _NOTHING),
}
_COST = head(5, len(_TYPES)) + _text("cost")
_DEMO, _MODEL, _USAGE = _text("demo"), _text("model"), _text("usage") + head(5, 5)
_KIND_AND_TIME = field("kind", KIND) + _text("time")
_ANSWER, _CACHED, _PROMPT = _text("answer"), _text("cached"), _text("prompt")
_BACKEND, _EVIDENCE, _PREVIOUS = _text("backend"), _text("evidence"), _text("previous")
_REASONING, _PARAMETERS, _TOOL_CALLS = _text("reasoning"), _text("parameters"), _text("tool_calls")
_FINISH_REASON = _text("finish_reason")
_NAME, _ROLE, _CONTENT, _TOOL_CALL_ID = _text("name"), _text("role"), _text("content"), _text("tool_call_id")
_PROMPT_TOOLS, _MESSAGES = b"\xa2" + _text("tools"), _text("messages")
_TOTAL_TOKENS, _CACHED_TOKENS, _PROMPT_TOKENS = _text("total_tokens"), _text("cached_tokens"), _text("prompt_tokens")
_REASONING_TOKENS, _COMPLETION_TOKENS = _text("reasoning_tokens"), _text("completion_tokens")
