"""Fenced code blocks of a Markdown text, as CommonMark has them: what a script wants of an answer that explains."""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPENING = re.compile(r"(?P<indent>[ \t]*)(?P<fence>`{3,}(?=[^`]*$)|~{3,})")
"""Three or more backticks or tildes; what stands behind backticks has none."""
_LIST_ITEM = re.compile(r"[ \t]*(?:[-+*]|\d{1,9}[.)])[ \t]+(?=`{3}|~{3})")


def code_blocks(text: str) -> Iterator[str]:
    """The text of each block without its fences, with a line end behind each line.

    A block that is indented, as below an item of a list, loses that much indentation; one that is not closed goes to
    the end of the text.
    """
    lines = iter(re.split(r"\r\n|\n|\r", text))
    for line in lines:
        item = _LIST_ITEM.match(line)
        shown = line if item is None else " " * item.end() + line[item.end() :]
        opening = _OPENING.match(shown)
        if opening is not None:
            yield "".join(_lines_inside(lines, len(opening["indent"].expandtabs(4)), opening["fence"]))


def _lines_inside(lines: Iterator[str], indent: int, fence: str) -> Iterator[str]:
    closing = re.compile(rf"[ \t]*{fence[0]}{{{len(fence)},}}[ \t]*")
    for line in lines:
        if closing.fullmatch(line):
            return
        blanks = len(line) - len(line.lstrip(" "))
        yield line[min(blanks, indent) :] + "\n"
