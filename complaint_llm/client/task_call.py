"""From a call that names a task, or a shape that marks quotes, to a plain request with checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from complaint_llm.checks.answer_checks import AnswerChecks, marks_quotes
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.handling import Requirements, strictest
from complaint_llm.messages import ImagePart, Message
from complaint_llm.request import Request, as_messages, as_response_format
from complaint_llm.tasks.apply import TaskCall, asked_for
from complaint_llm.tasks.material import attaches_files, split_material

if TYPE_CHECKING:
    from complaint_llm.checks.check import Check
    from complaint_llm.messages import Prompt
    from complaint_llm.tasks.task import Task


def asked_for_task(
    find_task: Callable[[str], Task], known: Mapping[str, Check], prompt: Prompt, params: Mapping[str, Any]
) -> tuple[Prompt, Mapping[str, Any], AnswerChecks]:
    """The prompt, parameters and checks of a call that names a task: the call's own stand above the task's."""
    call = TaskCall.read(params["task"])
    task = find_task(call.id)
    messages = as_messages(prompt)
    before, material, after = split_material(messages)
    given = params.get("response_format")
    schema = None if given is None else as_response_format(given).schema
    attached = bool(params.get("evidence")) or attaches_files(messages)
    asked = asked_for(task, call, material, known=known, schema=schema, attached=attached)
    own = {
        "system": asked.system,
        "response_format": asked.response_format,
        "documents": task.documents,
        **task.params,
    }
    stated = {name: value for name, value in params.items() if value is not None and name != "task"}
    stated["requires"] = _strictest(task.requires, task.params.get("requires"), stated.get("requires"))
    checks = asked.checks._replace(searchable=not _shows_images(messages))
    return [*before, *after(asked.text)], {**own, **stated}, checks


def _strictest(*levels: Any) -> Requirements | None:
    """What the task and the call require together. Raises InvalidRequestError."""
    try:
        return strictest(*levels)
    except ValueError as fault:
        raise InvalidRequestError(f"requires {fault}", sent=False) from fault


def with_quotes(request: Request) -> Request:
    """The request; where its schema marks quotes, with the user's texts in which they are looked up."""
    schema = None if request.response_format is None else request.response_format.schema
    if schema is None or not marks_quotes(schema):
        return request
    texts = tuple(message.text for message in request.messages if message.role == "user")
    searchable = not _shows_images(request.messages)
    return request._replace(checks=AnswerChecks(schema, texts, searchable=searchable))


def _shows_images(messages: Sequence[Message]) -> bool:
    """Whether a user's turn has something whose words nobody can look up."""
    contents = (message.content for message in messages if message.role == "user")
    return any(isinstance(part, ImagePart) for content in contents if not isinstance(content, str) for part in content)
