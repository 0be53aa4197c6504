"""A request as guards let it go to targets of one kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.checks.quote_search import SearchableText
from complaint_llm.exceptions import GuardError, InvalidRequestError
from complaint_llm.guards.guard import GuardRequest
from complaint_llm.messages import ImagePart, Message
from complaint_llm.request import EMPTY

if TYPE_CHECKING:

    from complaint_llm.checks.answer_checks import AnswerChecks
    from complaint_llm.guards.chain import CallGuards
    from complaint_llm.guards.guard import TargetKind
    from complaint_llm.messages import InferenceOutput
    from complaint_llm.request import FormTarget, Request


class TargetForm(NamedTuple):
    """What a target is asked: the call's request as it may be sent there; ``reason`` is why it may not."""

    asked: Request | None
    own_checks: AnswerChecks | None = None
    """Checks of the answer over the texts as the caller gave them; those of ``asked`` are over what is sent."""
    reason: str | None = None

    def in_place_of(self, request: Request) -> Request:
        """What is asked in the place of ``request``, which is the call's but for deadline, token, bounds and terms.

        Raises InvalidRequestError where there is a reason.
        """
        asked = self.asked
        if asked is None:
            raise InvalidRequestError(f"cannot serve this request: {self.reason}", sent=False)
        stop, params = asked.params.get("stop"), request.params
        return request._replace(
            messages=asked.messages,
            tools=asked.tools,
            response_format=asked.response_format,
            # Not those of ``asked``: a budget may have chosen a longest answer for this attempt.
            params=params if params.get("stop") is stop else {**params, "stop": stop},
            checks=asked.checks,
            shown=asked.shown,
            file_tokens=asked.file_tokens,
            forms=None,
        )


def kind_of(target: FormTarget) -> TargetKind:
    """Whether what it is asked stays on this machine."""
    return "local" if target.local else "remote"


def guarded_form(request: Request, guards: CallGuards, kind: TargetKind) -> TargetForm:
    """The form that guards give the request, which is the same object where none changes it. Raises GuardError."""
    if not guards.applies_to(kind):
        return TargetForm(request, request.checks)
    for message in request.messages:
        if not isinstance(message.content, str) and any(isinstance(part, ImagePart) for part in message.content):
            barring = guards.bars(kind, "image")
            if barring is not None:
                return TargetForm(None, reason=f"images, which the guard {barring!r} does not look into")
    shape, stop, checks = request.response_format, request.params.get("stop"), request.checks
    given = GuardRequest(
        request.messages,
        request.tools,
        None if shape is None else shape.schema,
        EMPTY if stop is None else {"stop": stop},
        request.names,
        request.matter,
    )
    found = guards.before(kind, given)
    if found is given and checks is None:
        return TargetForm(request)
    return TargetForm(
        request._replace(
            messages=tuple(found.messages),
            tools=tuple(found.tools),
            response_format=None if shape is None else shape._replace(schema=found.schema),
            params={**request.params, **found.parameters} if found.parameters else request.params,
            checks=None if checks is None else _guarded_checks(checks, given, guards, kind),
        ),
        checks,
    )


def restored_answer(guards: CallGuards, kind: TargetKind, output: InferenceOutput) -> InferenceOutput:
    """The answer with names in their places again, and which guards stood before it.

    Raises GuardError, which has the answer as it came.
    """
    try:
        found = guards.after(kind, output)
    except GuardError as error:
        error.output = output
        raise
    if output.citations:
        citations = output.citations
        if found.content != output.content:  # then they have other places, which nobody told
            citations = tuple(each._replace(start=None, end=None) for each in citations)
        found = found._replace(citations=citations)
    return found._replace(metadata={**found.metadata, "guards": guards.report(kind)})


def _guarded_checks(checks: AnswerChecks, given: GuardRequest, guards: CallGuards, kind: TargetKind) -> AnswerChecks:
    """The checks over the texts as they are sent."""
    texts = [*checks.texts, *(each.text for each in checks.documents)]
    turns = guards.before(kind, given._replace(messages=[Message("user", text) for text in texts])).messages
    sent = [turn.text for turn in turns]
    own = len(checks.texts)
    sources = zip(checks.documents, sent[own:], strict=True)
    documents = tuple(SearchableText.of(text, source=each.source) for each, text in sources)
    return checks._replace(texts=tuple(sent[:own]), documents=documents)
