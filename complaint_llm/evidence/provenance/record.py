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

from complaint_llm.evidence.ipld.cid import DAG_CBOR, RAW, Cid, parse_cid
from complaint_llm.evidence.ipld.dagcbor import decode, encode, head, link_to
from complaint_llm.evidence.records import moment
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError
from complaint_llm.messages import ImagePart, InferenceOutput, Message, TextPart, Tool, ToolCall
from complaint_llm.request import EMPTY

KIND = "complaint_llm/provenance/1"

_NULL, _EMPTY = b"\xf6", b"\x80"
_NOTHING = type(None)


Text = tuple[int, bytes, bytes]


class RequestFacts(NamedTuple):
    """What was asked. ``parameters`` are those that were sent, without secrets; ``evidence`` is what is cited."""

    messages: Sequence[Message]
    parameters: Mapping[str, Any] = EMPTY
    tools: Sequence[Tool] = ()
    evidence: Sequence[Cid] = ()


class Draft(NamedTuple):
    """A record but for its link to the one before: ``template % (*before, link, *after)``.

    ``texts`` are what it names by digest: codec, digest, bytes.
    """

    template: bytes
    before: Sequence[bytes]
    after: Sequence[bytes]
    texts: Sequence[Text]


def field(key: str, value: Any) -> bytes:
    """A key and its value, encoded."""
    return _text(key) + encode(value)


def marks(output: InferenceOutput) -> tuple[bool, bool]:
    """What ``metadata`` says of an answer (demo, cached), taken from it at once: its owner may change it."""
    given = output.metadata
    return bool(given.get("demo")), bool(given.get("cached"))


def all_text(facts: RequestFacts) -> bool:
    """Whether nothing that was asked can change later, or lack a form in DAG-CBOR: texts, no parts and no tools."""
    for message in facts.messages:
        if type(message.content) is not str:
            return False
    return not facts.tools


def draft(
    facts: RequestFacts,
    output: InferenceOutput,
    marked: tuple[bool, bool],
    when: float,
    parameters: bytes,
    plugins: bytes,
    config: bytes,
) -> Draft:
    """The record of an answer that ``marks`` marked and that came ``when`` (Unix seconds); the rest are encoded fields.

    Raises TypeError or ValueError if a tool has no form in DAG-CBOR.
    """
    cost, usage, reasoning = output.cost, output.token_usage, _NULL
    answer, prompt, calls = _utf8(output.content), _prompt(facts), _NULL
    answer_digest, prompt_digest = sha256(answer).digest(), sha256(prompt).digest()
    texts = [(RAW, answer_digest, answer), (DAG_CBOR, prompt_digest, prompt)]
    if output.reasoning is not None:
        reasoning = _linked(RAW, _utf8(output.reasoning), texts)
    if output.tool_calls:
        calls = _linked(DAG_CBOR, encode([_call(call) for call in output.tool_calls]), texts)
    before = (
        _NULL if cost is None else b"\xfb" + pack(">d", cost),
        _time(when),
        head(0, usage.total_tokens),
        _NULL if usage.cached_tokens is None else head(0, usage.cached_tokens),
        head(0, usage.prompt_tokens),
        _NULL if usage.reasoning_tokens is None else head(0, usage.reasoning_tokens),
        head(0, usage.completion_tokens),
        answer_digest,
        prompt_digest,
        encode(facts.evidence) if facts.evidence else _EMPTY,
    )
    template = _template(output.model, output.backend, output.finish_reason, *marked, plugins, config)
    return Draft(template, before, (reasoning, parameters, calls), texts)


@lru_cache(maxsize=256)
def _template(
    model: str, backend: str, finish: str | None, demo: bool, cached: bool, plugins: bytes, config: bytes
) -> bytes:
    """What is the same in every record of one model, in the format's order of keys, and places for the rest."""
    fixed = (
        head(5, len(_TYPES)) + _text("cost"),
        field("demo", demo) + field("kind", KIND) + _text("time"),
        _text("model") + _text(model) + _text("usage") + head(5, 5) + _text("total_tokens"),
        _text("cached_tokens"),
        _text("prompt_tokens"),
        _text("reasoning_tokens"),
        _text("completion_tokens"),
        _text("answer") + link_to(RAW, b""),
        field("cached", cached) + _text("prompt") + link_to(DAG_CBOR, b""),
        _text("backend") + _text(backend) + plugins + _text("evidence"),
        _text("previous"),
        _text("reasoning"),
        b"",  # the parameters bring their key
        _text("tool_calls"),
        config + field("finish_reason", finish),
    )
    return b"%b".join(part.replace(b"%", b"%%") for part in fixed)


def _time(when: float) -> bytes:
    """A moment as an encoded text."""
    whole = int(when)
    return b"%b%06dZ" % (_second(whole), int((when - whole) * 1e6))


@lru_cache(maxsize=4)
def _second(whole: int) -> bytes:
    """The part of an encoded moment that changes once a second."""
    return encode(moment(whole))[:-7]


def _linked(codec: int, data: bytes, texts: list[Text]) -> bytes:
    digest = sha256(data).digest()
    texts.append((codec, digest, data))
    return link_to(codec, digest)


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


def previous_of(name: str, data: bytes) -> Cid | None:
    """The record before the one of this name, without decoding it whole where its bytes leave no doubt.

    Raises EvidenceCorruptedError if it is not what it is named by.
    """
    if not parse_cid(name).matches(data):
        raise EvidenceCorruptedError(f"provenance record {name} is damaged: its bytes are not what it is named by")
    place = data.find(_PREVIOUS)
    if place >= 0 and data.find(_PREVIOUS, place + 1) < 0:
        value = data[place + len(_PREVIOUS) :]
        if value.startswith(_NULL):
            return None
        if value.startswith(_LINK) and len(value) >= len(_LINK) + 32:
            return Cid(DAG_CBOR, value[len(_LINK) : len(_LINK) + 32])
    before: Cid | None = decode_provenance(name, data)["previous"]
    return before


def texts_of(record: Mapping[str, Any]) -> list[Cid]:
    """The blocks of texts that a decoded record names."""
    return [record[key] for key in ("answer", "prompt", "reasoning", "tool_calls") if record[key] is not None]


def _prompt(facts: RequestFacts) -> bytes:
    """The block of what was asked: a map of messages, and of tools where there are any."""
    parts = [_PROMPT_TOOLS, encode([tool._asdict() for tool in facts.tools])] if facts.tools else [b"\xa1"]
    parts.append(_messages(len(facts.messages)))
    for role, content, calls, call_id, name, _extra in facts.messages:
        parts.append(_opening(role, name, 2 + bool(calls) + (call_id is not None) + (name is not None)))
        if isinstance(content, str):
            text = _utf8(content)
            parts += (head(3, len(text)), text)
        else:
            parts.append(encode([_part(part) for part in content]))
        if calls:
            parts += (_TOOL_CALLS, encode([_call(call) for call in calls]))
        if call_id is not None:
            parts += (_TOOL_CALL_ID, _text(call_id))
    return b"".join(parts)


@lru_cache(maxsize=256)
def _messages(count: int) -> bytes:
    return _MESSAGES + head(4, count)


@lru_cache(maxsize=256)
def _opening(role: str, name: str | None, fields: int) -> bytes:
    """A message up to its content."""
    named = b"" if name is None else _NAME + _text(name)
    return head(5, fields) + named + _ROLE + _text(role) + _CONTENT


def _part(part: TextPart | ImagePart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": _clean(part.text)}
    return {key: value for key, value in part._asdict().items() if value is not None}


def _call(call: ToolCall) -> dict[str, str]:
    return {"id": call.id, "name": call.name, "arguments": _clean(call.arguments_text)}


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
_NAME, _ROLE, _CONTENT, _TOOL_CALL_ID = _text("name"), _text("role"), _text("content"), _text("tool_call_id")
_TOOL_CALLS, _MESSAGES, _PROMPT_TOOLS = _text("tool_calls"), _text("messages"), b"\xa2" + _text("tools")
_PREVIOUS, _LINK = _text("previous"), link_to(DAG_CBOR, b"")
