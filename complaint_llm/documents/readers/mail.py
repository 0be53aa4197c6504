"""Mails (.eml): headers and text, then what is attached, each read as what it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO

from complaint_llm.documents.kinds import HTML, KINDS, MAIL, document_kind
from complaint_llm.documents.pages import Limits, Page, ReadDocument
from complaint_llm.documents.readers.choice import Room, chosen_pages
from complaint_llm.documents.readers.html import page_of_html
from complaint_llm.documents.readers.mail_parts import MOST_PARTS, MailMessage, MailPart, parse_mail
from complaint_llm.documents.readers.pictures import page_image
from complaint_llm.documents.readers.unreadable import UnreadableError
from complaint_llm.documents.registry import READERS
from complaint_llm.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from complaint_llm.documents.page_choice import Pages

MEDIA_TYPE = MAIL
VERSION = "1"

_MOST_DEPTH = 5
"""Mails within mails; what is deeper is told."""

_STUB = 3
"""How many times the words of its text the HTML of a mail has where the text only says that there is HTML."""

Reader = Callable[[BinaryIO, Limits, "Pages | None"], ReadDocument]


def built_in_reader(media_type: str) -> Reader | None:
    """The reader of a kind of attachment; None if there is none here."""
    if media_type not in READERS:
        return None
    try:
        found: Reader = import_module(READERS[media_type]).read
    except ModuleNotFoundError:
        return None
    return found


def read(
    file: BinaryIO,
    limits: Limits,
    pages: Pages | None = None,
    *,
    reader_of: Callable[[str], Reader | None] = built_in_reader,
) -> ReadDocument:
    """A mail as its first page, then attachments and forwarded mails, a page or more each, with their names as labels.

    The text is ``text/plain`` if there is one, else HTML as it is shown. ``reader_of`` gives readers of attachments by
    media type. What is not read is named in the notes. Raises UnreadableError.
    """
    found = _Reading(limits, reader_of)
    found.add_mail(parse_mail(file.read()), depth=0, label="")
    return ReadDocument(
        pages=chosen_pages(found.pages, pages),
        media_type=MEDIA_TYPE,
        reader="mail",
        version=VERSION,
        page_count=len(found.pages),
        has_pages=False,
        notes=tuple(found.notes),
    )


class _Reading:
    """What was found in a mail until now."""

    def __init__(self, limits: Limits, reader_of: Callable[[str], Reader | None]) -> None:
        self.pages: list[Page] = []
        self.notes: list[str] = []
        self._limits = limits
        self._reader_of = reader_of
        self._room = Room(limits)
        self._parts = 0

    def add_mail(self, mail: MailMessage, *, depth: int, label: str) -> None:
        """A mail and all in it."""
        self.notes += [_of(label, note) for note in mail.notes]
        body, hidden = self._body(mail, label)
        text = "\n\n".join(part for part in ("\n".join(mail.headers), body) if part)
        self._put(Page(0, text, "extracted" if text.strip() else "none", label=label, hidden=hidden))
        for part in mail.attachments:
            self._parts += 1
            if self._parts > MOST_PARTS:
                raise UnreadableError(f"has more than {MOST_PARTS} attachments: save those that count as files")
            self._add_attachment(part, depth=depth, label=label)

    def _body(self, mail: MailMessage, label: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        plain = "\n\n".join(part.strip("\n") for part in mail.plain if part.strip())
        page: Page | None = None
        notes: tuple[str, ...] = ()
        if mail.html:
            page, notes = page_of_html("\n".join(mail.html), Room(self._limits))
        if not plain:
            self.notes += [_of(label, note) for note in notes]
            return ("", ()) if page is None else (page.text, tuple(page.hidden))
        if page is None:
            return plain, ()
        if len(_words(page.text)) > _STUB * len(_words(plain)):
            self.notes += [_of(label, "the mail's text says less than its HTML, which was read"), *notes]
            return page.text, tuple(page.hidden)
        if _words(plain) != _words(page.text):
            self.notes.append(_of(label, "the mail's text and its HTML say different things; the text was read"))
            missing = _missing(page.text, plain)
            if missing:
                return plain, (*page.hidden, ("only in the HTML of the mail", missing))
        return plain, tuple(page.hidden)

    def _add_attachment(self, part: MailPart, *, depth: int, label: str) -> None:
        name = f"{label}: {part.name}" if label else part.name
        if part.problem:
            self.notes.append(f"attachment {name}: {part.problem}")
        if part.mail is not None:
            if depth + 1 > _MOST_DEPTH:
                self.notes.append(f"attachment {name} was not read: it is a mail in more than {_MOST_DEPTH} others")
            else:
                self.add_mail(part.mail, depth=depth + 1, label=name)
            return
        image = page_image(part.data)
        if image is not None:
            self._put(Page(0, "", "none", label=name, image=image))
            return
        why = self._read_attachment(part, name, depth=depth)
        if why:
            self.notes.append(f"attachment {name} was not read: {why}")

    def _read_attachment(self, part: MailPart, name: str, *, depth: int) -> str:
        """Adds its pages; why they could not be read, "" if they were."""
        if not part.data:
            return "it is empty"
        try:
            kind = document_kind(
                part.data[: 64 * 1024], part.name, part.media_type if part.media_type in KINDS else None
            )
            if kind not in KINDS:
                return "it is of a kind that is not read"
            if kind == MAIL:
                if depth + 1 > _MOST_DEPTH:
                    return f"it is a mail in more than {_MOST_DEPTH} others"
                self.add_mail(parse_mail(part.data), depth=depth + 1, label=name)
                return ""
            if kind == HTML:
                page, notes = page_of_html(part.text, Room(self._limits))
                self.notes += [_of(name, note) for note in notes]
                self._put(page._replace(label=name))
                return ""
            reader = self._reader_of(kind)
            if reader is None:
                return f"no reader for it is installed ({KINDS[kind]})"
            document = reader(io.BytesIO(part.data), self._limits, None)
        except UnreadableError as error:
            return f"it {error}"
        except InvalidRequestError as error:
            return str(error).removeprefix(part.name).strip()
        self.notes += [_of(name, note) for note in document.notes]
        for page in document.pages:
            more = f"page {page.number}" if document.has_pages else page.label
            self._put(page._replace(label=f"{name}, {more}" if more and document.page_count > 1 else name))
        return ""

    def _put(self, page: Page) -> None:
        if len(self.pages) >= self._limits.pages:
            raise UnreadableError(f"has more than {self._limits.pages:,} pages with what is attached: save it in parts")
        self._room.take_text(len(page.text) + sum(len(text) for _, text in page.hidden))
        if page.image is not None:
            self._room.take_image(len(page.image.data))
        self.pages.append(page._replace(number=len(self.pages) + 1))


def _of(label: str, note: str) -> str:
    return f"{label}: {note}" if label else note


def _words(text: str) -> list[str]:
    """What both forms of a mail should say alike: letters and digits, without the marks around links and lists."""
    return "".join(character if character.isalnum() else " " for character in text.lower()).split()


def _missing(shown: str, plain: str) -> str:
    """Lines of the HTML that the text has not."""
    have = f" {' '.join(_words(plain))} "
    lines = [line for line in shown.split("\n") if (words := _words(line)) and f" {' '.join(words)} " not in have]
    return "\n".join(lines)
