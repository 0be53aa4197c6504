"""From a prompt and a call's parameters to the request that is routed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.client.privacy import content_elsewhere
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.handling import Requirements, strictest
from complaint_llm.messages import Document, Message, Part, Prompt, Shown, TextPart, ToolLike
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import (
    DOCUMENT_MODES,
    EMPTY,
    DocumentMode,
    EmbeddingRequest,
    Request,
    as_generation,
    as_messages,
    as_response_format,
    as_tools,
)

if TYPE_CHECKING:
    from complaint_llm.checks.check import Check
    from complaint_llm.tasks.task import Task

DEFAULT_TIMEOUT = 600.0
"""Seconds for a whole call: the official SDKs' default; reasoning models are silent for minutes."""

R = TypeVar("R", Request, EmbeddingRequest)

_OF_EMBEDDINGS = frozenset(
    ("model", "backend", "timeout", "privacy", "extra_body", "matter", "requires")
)


def built_in_task(id: str) -> Task:
    """One of the package's own tasks. Raises ConfigError."""
    # cold start: tasks
    from complaint_llm.tasks.load import built_in

    return built_in(id)


def built_in_checks() -> Mapping[str, Check]:
    """The package's own checks by name."""
    # cold start: checks
    from complaint_llm.checks.answer_checks import BUILT_IN

    return BUILT_IN


def cite_nothing(cids: Sequence[str]) -> tuple[str, ...]:
    """Evidence cannot be cited where no provenance is kept. Raises InvalidRequestError."""
    raise InvalidRequestError('cite= is for provenance, which is off: set MEDIATOR "provenance"', sent=False)


class RequestReader(NamedTuple):
    """Reads what users pass in. Immutable; any thread may call it.

    ``timeout`` (seconds) and ``privacy`` hold where a call says nothing; ``find_task`` and ``checks`` are the tasks and
    checks that a call may name; ``cite`` gives CIDs in one spelling, and raises where evidence cannot be cited;
    ``evidence_is_shown`` hears of each call that names evidence to be shown. All methods raise InvalidRequestError
    for a wrong value and TypeError for an unknown parameter, before anything is sent.
    """

    timeout: float = DEFAULT_TIMEOUT
    privacy: Literal["local"] | None = None
    requires: Requirements | None = None
    matter_required: bool = False
    find_task: Callable[[str], Task] = built_in_task
    checks: Callable[[], Mapping[str, Check]] = built_in_checks
    cite: Callable[[Sequence[str]], tuple[str, ...]] = cite_nothing
    evidence_is_shown: Callable[[], object] | None = None

    def request(
        self,
        prompt: Prompt,
        tools: Sequence[ToolLike],
        temperature: float | None,
        params: Mapping[str, Any],
        *,
        stream: bool = False,
    ) -> Request:
        """One question to a model."""
        checks = None
        if params and params.get("task") is not None:
            # cold start: tasks
            from complaint_llm.client.task_call import asked_for_task

            prompt, params, checks = asked_for_task(self.find_task, self.checks(), prompt, params)
        messages = as_messages(prompt, params.get("system") if params else None)
        plain = Request(
            messages=messages,
            deadline=Deadline(self._timeout_of(params) if params else self.timeout),
            cancel=CancelToken(),
            privacy=self._privacy_of(params) if params else self.privacy,
            stream=stream,
            attaches=not isinstance(prompt, str) and _has_documents(messages),
            requires=self.requires,
        )
        if self.matter_required:
            self.check_matter(params)
        if not params and temperature is None and not tools:
            return plain if plain.privacy is None else self._kept_here(plain)
        given = params.get("response_format")
        cited = _texts_of(params, "cite")
        if cited:
            cited = tuple(dict.fromkeys(self.cite(cited)))
        shown = _texts_of(params, "evidence")
        if shown and self.evidence_is_shown is not None:
            self.evidence_is_shown()
        request = plain._replace(
            model=_model_of(params),
            params=as_generation(params, temperature),
            tools=as_tools(tools) if tools else (),
            response_format=None if given is None else as_response_format(given),
            extra_body=_extra_body_of(params),
            messages=_with_evidence(messages, shown) if shown else messages,
            attaches=plain.attaches or bool(shown),
            evidence=cited,
            shown=tuple(Shown(cid, "no", evidence=True) for cid in cited),
            checks=checks,
            documents=_document_mode_of(params),
            names=_texts_of(params, "names"),
            matter=_matter_of(params),
            requires=self._requires_of(params),
        )
        if checks is None and request.response_format is not None:
            # cold start: checks
            from complaint_llm.client.task_call import with_quotes

            request = with_quotes(request)
        return self._kept_here(request)

    def embedding(self, texts: Sequence[str], params: Mapping[str, Any]) -> EmbeddingRequest:
        """Texts to be embedded."""
        unknown = params.keys() - _OF_EMBEDDINGS
        if unknown:
            raise TypeError(f"embeddings got an unexpected parameter {min(unknown)!r}")
        if self.matter_required:
            self.check_matter(params)
        return self._kept_here(
            EmbeddingRequest(
                texts=tuple(texts),
                deadline=Deadline(self._timeout_of(params)),
                cancel=CancelToken(),
                model=_model_of(params),
                extra_body=_extra_body_of(params),
                privacy=self._privacy_of(params),
                matter=_matter_of(params),
                requires=self._requires_of(params),
            )
        )

    def check_matter(self, params: Mapping[str, Any]) -> None:
        """Raise InvalidRequestError where a call must name its matter and does not, or by what is no name of one."""
        if _matter_of(params) is None and self.matter_required:
            raise InvalidRequestError(
                'no matter: the config says MEDIATOR "matter_required"; give matter= (--matter)', sent=False
            )

    def check(self, common: Mapping[str, Any]) -> None:
        """Look at what all prompts of a batch are to be asked with."""
        given = dict(common)
        task = given.pop("task", None)
        if task is not None:
            # cold start: tasks
            from complaint_llm.tasks.apply import TaskCall

            self.find_task(TaskCall.read(task).id)
        self.request("", given.pop("tools", ()), given.pop("temperature", None), given)

    def _kept_here(self, request: R) -> R:
        """The request, unless it is private and whoever answers would fetch some of it."""
        found = None if request.privacy is None else content_elsewhere(request)
        if found is not None:
            raise InvalidRequestError(found, sent=False)
        return request

    def _timeout_of(self, params: Mapping[str, Any]) -> float:
        given = params.get("timeout")
        if given is None:
            return self.timeout
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not given > 0:
            raise InvalidRequestError(f"timeout is a number of seconds above 0, not {given!r}", sent=False)
        return float(given)

    def _requires_of(self, params: Mapping[str, Any]) -> Requirements | None:
        """What holds beside what always does: the strictest of both."""
        given = params.get("requires")
        if given is None:
            return self.requires
        try:
            return strictest(self.requires, given)
        except ValueError as fault:
            raise InvalidRequestError(f"requires {fault}", sent=False) from fault

    def _privacy_of(self, params: Mapping[str, Any]) -> Literal["local"] | None:
        given = params.get("privacy")
        if given not in (None, "local"):
            raise InvalidRequestError(f'privacy is "local" or nothing, not {given!r}', sent=False)
        return given or self.privacy


def _model_of(params: Mapping[str, Any]) -> str | None:
    given = params.get("model")
    if given is not None and not isinstance(given, str):
        raise InvalidRequestError(f"model is a text, not {type(given).__name__}", sent=False)
    return given


def _texts_of(params: Mapping[str, Any], name: str) -> tuple[str, ...]:
    given = params.get(name) or ()
    if isinstance(given, str) or not all(isinstance(each, str) and each for each in given):
        raise InvalidRequestError(f"{name} is a list of texts, none of them empty", sent=False)
    return tuple(given)


def _matter_of(params: Mapping[str, Any]) -> str | None:
    given = params.get("matter")
    if given is not None and (not isinstance(given, str) or not given.strip() or not given.isprintable()):
        raise InvalidRequestError("matter is a text of one line that is not empty", sent=False)
    return given


def _has_documents(messages: Sequence[Message]) -> bool:
    contents = (message.content for message in messages if not isinstance(message.content, str))
    return any(isinstance(part, Document) for content in contents for part in content)


def _with_evidence(messages: tuple[Message, ...], cids: Sequence[str]) -> tuple[Message, ...]:
    """The messages with evidence before what the user said last."""
    parts: tuple[Part, ...] = tuple(Document(cid=cid) for cid in cids)
    for place in range(len(messages) - 1, -1, -1):
        said = messages[place]
        if said.role == "user":
            content = (TextPart(said.content),) if isinstance(said.content, str) else said.content
            return (*messages[:place], said._replace(content=(*parts, *content)), *messages[place + 1 :])
    return (*messages, Message("user", parts))


def _document_mode_of(params: Mapping[str, Any]) -> DocumentMode | None:
    given = params.get("documents")
    if given is not None and given not in DOCUMENT_MODES:
        raise InvalidRequestError(f"documents is one of {', '.join(DOCUMENT_MODES)}, not {given!r:.60}", sent=False)
    mode: DocumentMode | None = given
    return mode


def _extra_body_of(params: Mapping[str, Any]) -> Mapping[str, Any]:
    given = params.get("extra_body") or EMPTY
    if not isinstance(given, Mapping):
        raise InvalidRequestError(f"extra_body is a mapping, not {type(given).__name__}", sent=False)
    return given
