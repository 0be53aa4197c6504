"""The record of one answer: a DAG-CBOR map of fixed keys (schemas/provenance.schema.json says what they mean).

``answer`` and ``reasoning`` link to raw blocks of the text in UTF-8, so that ``sha256sum`` of a saved answer shows the
same digest; ``prompt`` and ``tool_calls`` to DAG-CBOR blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from operator import index
from typing import Any, NamedTuple

from complaint_llm.evidence.ipld.cid import DAG_CBOR, RAW, Cid, cid_of, parse_cid
from complaint_llm.evidence.ipld.dag_pb import Block
from complaint_llm.evidence.ipld.dagcbor import Encoded, decode, encode
from complaint_llm.evidence.provenance.guards import OwnForms, check_guards, guards_entry
from complaint_llm.evidence.provenance.shown import check_shown, shown_entry
from complaint_llm.evidence.records import rfc3339
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError
from complaint_llm.messages import Document, InferenceOutput, Message, Part, Shown, TextPart, Tool, ToolCall
from complaint_llm.request import EMPTY

KIND = "complaint_llm/provenance/1"


class RequestDetails(NamedTuple):
    """What was asked. ``parameters`` are those that were sent, without secrets; ``evidence`` is what is cited or shown;
    ``shown`` says of that, and of each document, how; ``own`` is what the caller gave and got where guards
    changed it."""

    messages: Sequence[Message]
    parameters: Mapping[str, Any] = EMPTY
    tools: Sequence[Tool] = ()
    evidence: Sequence[Cid] = ()
    shown: Sequence[Shown] = ()
    own: OwnForms | None = None
    matter: str | None = None


class LogSetup(NamedTuple):
    """What the records of one log have in common: the versions of what took part, and the digest of the config."""

    plugins: Encoded
    config_sha256: bytes | None


class MadeRecord(NamedTuple):
    """A record as a block, and the blocks of the texts that it names."""

    block: Block
    texts: Sequence[Block]


class Answered(NamedTuple):
    """An answer, the ``time`` when it came (Unix seconds), and what its metadata said then."""

    output: InferenceOutput
    time: float
    demo: bool
    cached: bool


class Draft(NamedTuple):
    """What a record will say, but for its link to the record before it. Made by ``draft``; nothing in it can change."""

    details: RequestDetails
    answered: Answered
    parameters: Encoded
    setup: LogSetup
    prompt: bytes | None = None
    """The block of what was asked, if that is more than texts."""
    tool_calls: bytes | None = None
    shown: Encoded | None = None
    guards: Encoded | None = None

    def record(self, previous: Cid | None) -> MadeRecord:
        """The record that follows ``previous``. Raises TypeError or ValueError for what has no form in DAG-CBOR."""
        output, time, demo, cached = self.answered
        usage = output.token_usage
        answer = _block(RAW, _utf8(output.content))
        prompt = _block(DAG_CBOR, self.prompt or encode_prompt(self.details.messages, ()))
        reasoning = None if output.reasoning is None else _block(RAW, _utf8(output.reasoning))
        calls = None if self.tool_calls is None else _block(DAG_CBOR, self.tool_calls)
        record: dict[str, Any] = {
            "cost": None if output.cost is None else float(output.cost),
            "demo": demo,
            "kind": KIND,
            "time": rfc3339(time),
            "model": _clean(output.model),
            "usage": {
                "total_tokens": index(usage.total_tokens),
                "cached_tokens": _count(usage.cached_tokens),
                "prompt_tokens": index(usage.prompt_tokens),
                "reasoning_tokens": _count(usage.reasoning_tokens),
                "completion_tokens": index(usage.completion_tokens),
            },
            "answer": answer.cid,
            "cached": cached,
            "prompt": prompt.cid,
            "backend": _clean(output.backend),
            "plugins": self.setup.plugins,
            "evidence": self.details.evidence,
            "previous": previous,
            "reasoning": None if reasoning is None else reasoning.cid,
            "parameters": self.parameters,
            "tool_calls": None if calls is None else calls.cid,
            "config_sha256": self.setup.config_sha256,
            "finish_reason": output.finish_reason,
        }
        if self.shown is not None:
            record["shown"] = self.shown
        if self.guards is not None:
            record["guards"] = self.guards
        if self.details.matter is not None:
            record["matter"] = _clean(self.details.matter)
        texts = [block for block in (answer, prompt, reasoning, calls) if block is not None]
        return MadeRecord(_block(DAG_CBOR, encode(record)), texts)


class LateDraft(NamedTuple):
    """A draft that ``make`` makes when its record is made: of an answer of which nothing can change."""

    make: Callable[[RequestDetails, Answered], Draft]
    details: Callable[[], RequestDetails]
    answered: Answered

    def record(self, previous: Cid | None) -> MadeRecord:
        """As ``Draft.record``."""
        return self.make(self.details(), self.answered).record(previous)


def draft(details: RequestDetails, answered: Answered, *, parameters: Encoded, setup: LogSetup) -> Draft:
    """The draft of an answer. What its owner may change is encoded at once.

    Raises TypeError or ValueError for what has no form in DAG-CBOR.
    """
    output = answered.output
    return Draft(
        details=details,
        answered=answered,
        parameters=parameters,
        setup=setup,
        prompt=None if _is_fixed(details) else encode_prompt(details.messages, details.tools),
        tool_calls=encode([_call(call) for call in output.tool_calls]) if output.tool_calls else None,
        shown=Encoded(encode([shown_entry(each) for each in details.shown])) if details.shown else None,
        guards=None if details.own is None else _encode_guards(details.own),
    )


def _encode_guards(own: OwnForms) -> Encoded:
    prompt = cid_of(DAG_CBOR, encode_prompt(own.messages, own.tools))
    return Encoded(encode(guards_entry(own, prompt=prompt, answer=cid_of(RAW, _utf8(own.content)))))


def encode_prompt(messages: Sequence[Message], tools: Sequence[Tool]) -> bytes:
    """The block of what was asked: a map of messages, and of tools where there are any."""
    prompt: dict[str, Any] = {"messages": [_message(message) for message in messages]}
    if tools:
        prompt["tools"] = [tool._asdict() for tool in tools]
    return encode(prompt)


def decode_provenance(name: str, data: bytes) -> dict[str, Any]:
    """The record of this name, if it is that one and complete. Raises EvidenceCorruptedError naming it."""
    try:
        if not parse_cid(name).matches(data):
            raise ValueError("its bytes are not what it is named by")
        record = decode(data)
        if not isinstance(record, dict) or record.get("kind") != KIND or record.keys() - _OPTIONAL != _TYPES.keys():
            raise ValueError(f"it is no {KIND} record")
        for key, kind in _TYPES.items():
            if not isinstance(record[key], kind):
                raise ValueError(f"its {key} is of the wrong type")
        if not all(isinstance(cid, Cid) for cid in record["evidence"]):
            raise ValueError("its evidence is no list of links")
        if "shown" in record:
            check_shown(record["shown"])
        if "guards" in record:
            check_guards(record["guards"])
        if not isinstance(record.get("matter", ""), str):
            raise ValueError("its matter is no text")
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


def _is_fixed(details: RequestDetails) -> bool:
    """Whether what was asked is nothing but texts, which nobody can change."""
    for message in details.messages:
        if type(message.content) is not str or message.tool_calls:
            return False
    return not details.tools


def _block(codec: int, data: bytes) -> Block:
    return Block(cid_of(codec, data), data)


def _message(message: Message) -> dict[str, Any]:
    content = message.content
    plain: dict[str, Any] = {
        "role": _clean(message.role),
        "content": _clean(content) if isinstance(content, str) else [_part(part) for part in content],
    }
    if message.name is not None:
        plain["name"] = _clean(message.name)
    if message.tool_calls:
        plain["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        plain["tool_call_id"] = _clean(message.tool_call_id)
    return plain


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": _clean(part.text)}
    if isinstance(part, Document):
        # Its bytes may be many; the record names them.
        about = {"name": part.name and _clean(part.name), "media_type": part.media_type, "pages": part.pages}
        digest = None if part.data is None else sha256(part.data).digest()
        named = {"type": part.type, **about, "cid": part.cid, "path": part.path, "sha256": digest}
        return {key: value for key, value in named.items() if value is not None}
    return {key: value for key, value in part._asdict().items() if value is not None}


def _call(call: ToolCall) -> dict[str, str]:
    return {"id": call.id, "name": call.name, "arguments": _clean(call.arguments_text)}


def _count(tokens: int | None) -> int | None:
    return None if tokens is None else index(tokens)


def _clean(text: str) -> str:
    """The text with U+FFFD for lone surrogates, which have no UTF-8 form."""
    return text if text.isascii() else _utf8(text).decode()


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


_NONE = type(None)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "kind": (str,),
    "time": (str,),
    "backend": (str,),
    "model": (str,),
    "prompt": (Cid,),
    "answer": (Cid,),
    "reasoning": (Cid, _NONE),
    "tool_calls": (Cid, _NONE),
    "parameters": (dict,),
    "usage": (dict,),
    "cost": (float, _NONE),
    "finish_reason": (str, _NONE),
    "demo": (bool,),
    "cached": (bool,),
    "config_sha256": (bytes, _NONE),
    "plugins": (dict,),
    "evidence": (list,),
    "previous": (Cid, _NONE),
}
_OPTIONAL = frozenset(("shown", "guards", "matter"))
"""Keys that records have only where there is something to say; those of before have none."""
_PREVIOUS, _NULL, _LINK = encode("previous"), encode(None), encode(Cid(DAG_CBOR, bytes(32)))[:-32]
