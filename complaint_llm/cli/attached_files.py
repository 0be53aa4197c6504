"""Documents and evidence that a command's options name, as parts of its prompts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Document, ImagePart, Message, TextPart
from complaint_llm.prompt_files import image_kind, read_document_file
from complaint_llm.request import DOCUMENT_MODES, as_messages

if TYPE_CHECKING:
    from complaint_llm.messages import Part, Prompt

F = TypeVar("F", bound=Callable[..., Any])

NAMES = ("files", "evidence", "cite", "documents", "pages")
"""What the options hand over, by name."""


def attachment_options(command: F) -> F:
    """The options, for a command's decorators."""
    for option in reversed(
        (
            click.option(
                *("-f", "--file", "files"),
                multiple=True,
                metavar="PATH",
                help="A document or image beside each prompt: PDF, .docx, .xlsx, .eml, .html, text. Repeatable.",
            ),
            click.option("--pages", metavar="PAGES", help='Of the one document of -f, such as "1-3,7".'),
            click.option("--evidence", multiple=True, metavar="CID", help="Evidence that the model reads. Repeatable."),
            click.option(
                "--cite", multiple=True, metavar="CID", help="Evidence that is recorded and not shown. Repeatable."
            ),
            click.option(
                "--documents",
                type=click.Choice(list(DOCUMENT_MODES)),
                help="How documents are given: as files where the backend takes them (auto), always so, or as text.",
            ),
        )
    ):
        command = option(command)
    return command


def attachment_params(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a call that the options say."""
    params: dict[str, Any] = {name: tuple(given[name]) for name in ("evidence", "cite") if given.get(name)}
    if given.get("documents") is not None:
        params["documents"] = given["documents"]
    return params


def file_parts(paths: Sequence[str], pages: str | None = None) -> tuple[Part, ...]:
    """The files of ``-f``, each read now and once: what is asked later is what was looked at here.

    An image is an ImagePart, all else a Document. Raises UsageError in a line for the first that is no document, and
    for ``pages`` that are none or have no one document to be of.
    """
    parts = tuple(map(_file_part, paths))
    if pages is None:
        return parts
    from complaint_llm.documents.page_choice import Pages  # cold start: documents

    if len(parts) != 1 or not isinstance(parts[0], Document):
        raise click.UsageError("--pages is of one document: give it with one -f")
    try:
        Pages.parse(pages)
    except ValueError as error:
        raise click.UsageError(f"--pages: {error}") from error
    return (parts[0]._replace(pages=pages),)


def with_parts(prompt: Prompt, parts: Sequence[Part]) -> Prompt:
    """The prompt with ``parts`` before what the user said last."""
    if not parts:
        return prompt
    messages = list(as_messages(prompt))
    for place in range(len(messages) - 1, -1, -1):
        said = messages[place]
        if said.role == "user":
            own = said.content
            if isinstance(own, str):
                own = (TextPart(own),) if own.strip() else ()
            messages[place] = said._replace(content=(*parts, *own))
            return messages
    return [*messages, Message("user", tuple(parts))]


def _file_part(path: str) -> Part:
    from complaint_llm.documents.kinds import document_kind  # cold start: documents

    name = Path(path).name
    try:
        data = read_document_file(path)
        kind = image_kind(data)
        if kind is not None and document_kind(data, name, None) == kind:
            return ImagePart(data=data, media_type=kind)
        return Document(data=data, media_type=document_kind(data, name, None), name=name)
    except InvalidRequestError as error:
        raise click.UsageError(f"-f {path}: {error.message}") from error
