"""Text from outside, made harmless for a terminal or a log: what would act there is shown as an escape."""

from __future__ import annotations

import logging
import re

_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed: escape sequences begin with them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they turn the order of what follows
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff\ufff9-\ufffb\U000e0000-\U000e007f]"  # halves, annotations and tags that nobody sees
)


def harmless(text: str) -> str:
    """``text`` with control and bidi characters as ``\\x1b``, ``\\u202e``; line breaks and tabs stay."""
    return _ACTING.sub(_escape, text)


def harmless_line(text: str) -> str:
    """The same in one line: a line break from outside must not begin what looks like a line of ours."""
    return harmless(text).replace("\n", "\\n")


class HarmlessFormatter(logging.Formatter):
    """Formats records so that neither message nor traceback acts on who reads the log; a message is one line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The record's line."""
        return harmless_line(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802
        """The traceback, its line breaks kept."""
        return harmless(super().formatException(ei))  # type: ignore[arg-type]


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
