"""How a Mediator's answers get their provenance records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.evidence import ProvenanceLog, ProvenanceRef, RequestDetails, parse_cid
from complaint_llm.evidence.provenance.guards import OwnForms

if TYPE_CHECKING:
    from complaint_llm.messages import InferenceOutput
    from complaint_llm.request import Request


class Provenance(NamedTuple):
    """The log of one Mediator. Any thread may call it."""

    log: ProvenanceLog

    def check(self, cids: Sequence[str]) -> tuple[str, ...]:
        """The CIDs in one spelling. Raises EvidenceError for evidence that cannot be cited, before anything is sent."""
        return tuple(cid.name for cid in self.log.check_evidence(cids))

    def record(
        self,
        binding: Callable[[], Request],
        given: Request,
        output: InferenceOutput,
        handed_out: InferenceOutput,
    ) -> ProvenanceRef:
        """This answer's record, which gives its CID. ``binding`` gives the request as it was sent: with the backend's
        own defaults, as guards let it go. ``output`` is what came; ``given`` and ``handed_out`` are the caller's."""
        if _cannot_change(given, output, handed_out):
            return self.log.record_later(partial(_text_details, binding), output)
        sent = binding()
        cited = tuple(map(parse_cid, sent.evidence)) if sent.evidence else ()
        guards = handed_out.metadata.get("guards")
        own = OwnForms(guards, given.messages, given.tools, handed_out.content) if guards else None
        details = RequestDetails(
            messages=sent.messages,
            parameters=_parameters(sent),
            tools=sent.tools,
            evidence=cited,
            shown=sent.shown,
            own=own,
            matter=sent.matter,
        )
        return self.log.record(details, output)

    def close(self) -> None:
        """Write what waits."""
        self.log.close()


def _cannot_change(given: Request, output: InferenceOutput, handed_out: InferenceOutput) -> bool:
    """Whether nothing of what is recorded is the caller's to change: texts and the backend's own parameters alone."""
    for message in given.messages:
        if type(message.content) is not str or message.tool_calls:
            return False
    return not (
        given.params
        or given.tools
        or given.evidence
        or given.shown
        or given.forms is not None
        or given.response_format is not None
        or given.checks is not None
        or output.tool_calls
        or handed_out.metadata.get("guards")
    )


def _text_details(binding: Callable[[], Request]) -> RequestDetails:
    sent = binding()
    return RequestDetails(messages=sent.messages, parameters=sent.params, matter=sent.matter)


def _parameters(sent: Request) -> Mapping[str, Any]:
    """What was sent beside the messages: the parameters, and by digest the schema and the task of the answer."""
    shape, checks = sent.response_format, sent.checks
    if shape is None and (checks is None or checks.task is None):
        return sent.params
    described = dict(sent.params)
    if shape is not None:
        described["response_format"] = shape.kind
        if shape.schema is not None:
            described["schema_sha256"] = schema_digest(shape.schema)
    if checks is not None and checks.task is not None:
        described |= {"task": checks.task, "task_sha256": checks.task_digest}
    return described


def schema_digest(schema: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of a JSON Schema: its keys sorted, no blanks."""
    text = json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
