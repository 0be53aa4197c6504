"""A mail taken apart: its headers as a person reads them, its text, and what is attached."""

from __future__ import annotations

import binascii
import email.errors
import email.header
import email.message
import email.policy
import re
from collections.abc import Iterator
from email.parser import BytesParser
from email.utils import collapse_rfc2231_value
from typing import NamedTuple

from complaint_llm.documents.readers.charset import decode_text
from complaint_llm.documents.readers.html import declared_charset
from complaint_llm.documents.readers.unreadable import UnreadableError

MOST_PARTS = 500
_MOST_NESTED = 50
"""Multiparts and mails within each other; mail programs write fewer than ten."""
_MOST_HEADER = 20_000
_HEADERS = ("From", "To", "Cc", "Bcc", "Reply-To", "Date", "Subject")
_WORD = re.compile(r"=\?[^?\s]{1,60}\?[bq]\?[^?]*\?=", re.I)
_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")


class MailMessage(NamedTuple):
    """A mail."""

    headers: tuple[str, ...]
    """``Subject: Notice to quit``, those that a person looks at, decoded; the date as it is written."""
    plain: tuple[str, ...]
    html: tuple[str, ...]
    attachments: tuple[MailPart, ...]
    notes: tuple[str, ...]


class MailPart(NamedTuple):
    """What is attached: bytes, or a mail."""

    name: str
    media_type: str
    data: bytes
    problem: str
    text: str = ""
    """Of HTML and text, decoded."""
    mail: MailMessage | None = None


def parse_mail(data: bytes) -> MailMessage:
    """Raises UnreadableError for what is no mail or is nested without end."""
    try:
        message = BytesParser(policy=email.policy.compat32).parsebytes(data)
        if not message.keys():
            raise UnreadableError("is no mail: it has no header")
        return _mail(message)
    except RecursionError:
        raise UnreadableError(
            f"holds mails or parts nested more than {_MOST_NESTED} deep: save the inner ones as files"
        ) from None


def _mail(message: email.message.Message, depth: int = 0) -> MailMessage:
    notes: list[str] = []
    plain: list[str] = []
    html: list[str] = []
    attachments: list[MailPart] = []
    headers = tuple(
        f"{name}: {text}"
        for name in _HEADERS
        for value in message.get_all(name, ())[:20]
        if (text := _header_text(value, notes))
    )
    for part in _parts(message, depth):
        kind = part.get_content_type()
        name = _name(part)
        if kind == "message/rfc822":
            attachments.append(_forwarded_mail(part, name, depth))
            continue
        data, problem = _bytes(part)
        attached = part.get_content_disposition() == "attachment" or bool(name) or not kind.startswith("text/")
        if not attached and kind in ("text/plain", "text/html"):
            declared = part.get_param("charset")
            charset = collapse_rfc2231_value(declared) if declared else None
            if kind == "text/html" and charset is None:
                charset = declared_charset(data)
            text, faults = decode_text(data, str(charset) if charset else None)
            notes += [*faults, *([problem] if problem else [])]
            (plain if kind == "text/plain" else html).append(text)
            continue
        attachments.append(_attachment(part, kind, name, data, problem, len(attachments) + 1))
    return MailMessage(
        headers=headers, plain=tuple(plain), html=tuple(html), attachments=tuple(attachments), notes=tuple(notes)
    )


def _parts(message: email.message.Message, depth: int) -> Iterator[email.message.Message]:
    """The parts that hold something, in their order; a forwarded mail is one."""
    waiting = [(message, depth)]
    count = 0
    while waiting:
        part, level = waiting.pop()
        count += 1
        if level > _MOST_NESTED or count > 4 * MOST_PARTS:
            raise UnreadableError(
                f"has more than {MOST_PARTS} parts or {_MOST_NESTED} within each other: save them as files"
            )
        payload = part.get_payload()
        if isinstance(payload, list) and part.get_content_type() != "message/rfc822":
            waiting += [(each, level + 1) for each in reversed(payload) if isinstance(each, email.message.Message)]
        else:
            yield part


def _forwarded_mail(part: email.message.Message, name: str, depth: int) -> MailPart:
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else None
    if not isinstance(inner, email.message.Message):
        return MailPart(name or "forwarded mail", "message/rfc822", b"", "it is empty")
    mail = _mail(inner, depth + 1)
    subject = next((line.removeprefix("Subject: ") for line in mail.headers if line.startswith("Subject: ")), "")
    return MailPart(
        name or (f"forwarded mail: {subject}" if subject else "forwarded mail"), "message/rfc822", b"", "", mail=mail
    )


def _attachment(part: email.message.Message, kind: str, name: str, data: bytes, problem: str, number: int) -> MailPart:
    text = ""
    if kind == "text/html":
        declared = part.get_param("charset")
        text, _ = decode_text(data, str(collapse_rfc2231_value(declared)) if declared else declared_charset(data))
    endings = {"text/html": ".html", "text/plain": ".txt", "application/pdf": ".pdf"}
    fallback = f"attachment {number}{endings.get(kind, '')}"
    return MailPart(name or fallback, kind, data, problem, text=text)


def _bytes(part: email.message.Message) -> tuple[bytes, str]:
    """What stands in a part, and what was wrong with how it is written."""
    encoding = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    try:
        data = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError, binascii.Error):
        return b"", "its encoding is damaged"
    data = data if isinstance(data, bytes) else b""
    if encoding == "base64":
        raw = part.get_payload()
        source = raw.encode("ascii", "replace") if isinstance(raw, str) else b""
        letters = len(re.sub(rb"[\s=]", b"", source))
        if _BASE64.search(source) or letters % 4 == 1 or len(data) < letters * 3 // 4:
            return data, "its base64 is damaged: some of it may be missing"
    elif encoding not in ("", "7bit", "8bit", "binary", "quoted-printable", "x-uuencode", "uuencode", "uue", "x-uue"):
        return data, f"its encoding {encoding[:40]!r} is not known; it was read as it is"
    return data, ""


def _name(part: email.message.Message) -> str:
    try:
        name = part.get_filename()
    except (ValueError, LookupError, TypeError):
        return ""
    text = _header_text(name, []) if name else ""
    return "".join(" " if character in "\r\n\t" else character for character in text.replace("\\", "/"))[
        :200
    ].rpartition("/")[2]


def _header_text(value: object, notes: list[str]) -> str:
    """A header as a person reads it: encoded words decoded, on one line."""
    if isinstance(value, email.header.Header):  # bytes beyond ASCII stand in it
        value = str(value)
        notes.append("a header holds letters that no standard allows there; they may be wrong")
    text = " ".join(str(value)[:_MOST_HEADER].split())
    if len(str(value)) > _MOST_HEADER:
        notes.append(f"a header is longer than {_MOST_HEADER:,} characters; its rest was not read")
    if "=?" not in text:
        return text
    text = re.sub(r"(\?=)\s+(?==\?[^?\s]{1,60}\?[bq]\?)", r"\1", text, flags=re.I)
    return _joined_words(text, notes)


def _joined_words(text: str, notes: list[str]) -> str:
    """Encoded words decoded; bytes of neighbours in one character set are joined first, as some programs cut within."""
    pieces: list[str] = []
    pending = b""
    charset = ""
    end = 0
    for found in _WORD.finditer(text):
        if pending and found.start() != end:
            pieces.append(_decoded_word(pending, charset, notes))
            pending = b""
        if found.start() != end:
            pieces.append(text[end : found.start()])
        try:
            ((data, name),) = email.header.decode_header(found[0])
        except (ValueError, email.errors.HeaderParseError):
            data, name = found[0].encode(), "ascii"
            notes.append("a word of a header is damaged and shown as it is written")
        raw = data if isinstance(data, bytes) else data.encode("utf-8", "replace")
        if pending and name != charset:
            pieces.append(_decoded_word(pending, charset, notes))
            pending = b""
        pending, charset, end = pending + raw, name or "ascii", found.end()
    if pending:
        pieces.append(_decoded_word(pending, charset, notes))
    return " ".join("".join([*pieces, text[end:]]).split())


def _decoded_word(data: bytes, charset: str, notes: list[str]) -> str:
    text, faults = decode_text(data, charset.partition("*")[0])
    notes += [f"a header: {fault}" for fault in faults]
    return text
