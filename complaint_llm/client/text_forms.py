"""What each target is asked of a call without documents, where guards stand before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from complaint_llm.client.guarded_form import TargetForm, guarded_form, kind_of, restored_answer
from complaint_llm.routing.eligible import first_able
from complaint_llm.routing.turns import alike_targets

if TYPE_CHECKING:
    from complaint_llm.guards.chain import CallGuards
    from complaint_llm.guards.guard import TargetKind
    from complaint_llm.messages import InferenceOutput
    from complaint_llm.request import FormTarget, Request
    from complaint_llm.routing.target import EventStream
    from complaint_llm.routing.target import Target as FormRoute


class TextForms:
    """One form for each kind of target. See ``request.Forms``; ``request`` has none."""

    __slots__ = ("_forms", "_guards", "_request")

    def __init__(self, request: Request, guards: CallGuards) -> None:
        self._request = request
        self._guards = guards
        self._forms: dict[TargetKind, TargetForm] = {}

    def prepare(self, routes: Sequence[FormRoute]) -> Request:
        """Guard the request for each kind of target that may be asked. Raises GuardError, before anything is looked up.

        Where all are of one kind, what they are asked; else the request with its forms.
        """
        request, forms, without = self._request, self._forms, []
        groups = alike_targets(routes)
        for alike in groups:
            # Where all are asked the same, what they lack is told when their turn comes.
            route = alike[0] if len(groups) == 1 else first_able(alike, request)
            if route is None:
                without.append(alike)
                continue
            kind: TargetKind = "local" if route.local else "remote"
            if kind not in forms:
                forms[kind] = guarded_form(request, self._guards, kind)
        if len(forms) == 1:
            (form,) = forms.values()
            asked = form.asked
            # Of what guards let go another kind may lack nothing any more: that is asked in a form of its own.
            if asked is request or (asked is not None and not any(first_able(each, asked) for each in without)):
                return asked
        return request._replace(forms=self)

    def lacks(self, target: FormTarget) -> str | None:
        """Why this target must not be asked, as a phrase, or None."""
        return self._form(kind_of(target)).reason

    def request_to(self, target: FormTarget, request: Request) -> Request:
        """What this target is asked. Raises InvalidRequestError where ``lacks`` says something."""
        return self._form(kind_of(target)).in_place_of(request)

    def guard_report(self, target: FormTarget) -> Sequence[Mapping[str, Any]]:
        """Which guards stand before this target, and what they counted so far."""
        return self._guards.report(kind_of(target))

    def hand_out(self, target: FormTarget, output: InferenceOutput) -> InferenceOutput:
        """The answer of this target as the caller gets it: names in their places again, and checked by the texts that
        the caller gave. Raises GuardError, which has the answer as it came."""
        # Who answered was asked, in the form for its kind.
        kind = next(iter(self._forms)) if len(self._forms) == 1 else kind_of(target)
        if self._guards.applies_to(kind):
            output = restored_answer(self._guards, kind, output)
        elif not output.metadata.get("cached"):
            return output
        checks = self._request.checks
        return output if checks is None else checks.examine(output)

    def restored_stream(self, target: FormTarget, stream: EventStream) -> EventStream:
        """Its pieces as the caller gets them; its last event is as the target gave it."""
        kind = kind_of(target)
        if not self._guards.applies_to(kind):
            return stream
        from complaint_llm.guards.stream import RestoredStream  # cold start: guards

        is_json = self._request.response_format is not None
        return RestoredStream(stream, partial(self._guards.pieces, kind), is_json=is_json)

    def length_in_words(self) -> str:
        """There is no document whose pages could be chosen."""
        return "ask for less at once"

    def _form(self, kind: TargetKind) -> TargetForm:
        known = self._forms.get(kind)
        if known is None:
            known = self._forms[kind] = guarded_form(self._request, self._guards, kind)
        return known
