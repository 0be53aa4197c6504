"""The lines that a browser would show of a page: blanks that run together, lines of blocks, what is hidden apart."""

from __future__ import annotations

import re

from complaint_llm.documents.readers.choice import Room

_BLANKS = re.compile(r"[ \t\n\r\f]+")


class VisibleLines:
    """Takes text and breaks in their order; ``text`` and ``hidden`` are what came of it."""

    def __init__(self, room: Room) -> None:
        self.hidden: list[tuple[str, str]] = []
        self._room = room
        self._pieces: list[str] = []
        self._breaks = 0
        self._tabs = 0
        self._blank = False
        self._at_start = True
        """Of a line, or of a cell in it: blanks and breaks here are none."""
        self._in_new_cell = False
        """Nothing was put into a cell yet: it stands on the line of its row."""
        self._mark = ""
        self._hidden_goes_on = False

    def add(self, text: str, *, why: str | None, keeps_blanks: bool) -> None:
        """Text of an element; ``why`` nobody sees it, None if somebody does."""
        if why is not None:
            self._add_hidden(why, text)
        elif keeps_blanks:
            self._put(text)
            self._at_start = text.endswith("\n")
        else:
            words = _BLANKS.sub(" ", text)
            if words.startswith(" "):
                self._blank = self._blank or not self._at_start
                words = words[1:]
            if words:
                ends = words.endswith(" ")
                self._put(words[:-1] if ends else words)
                self._blank = ends

    def break_line(self, count: int = 1) -> None:
        """Before what comes next at least ``count`` line ends; none before the first text of a page or cell."""
        self._blank = False
        if not self._in_new_cell and (not self._at_start or self._breaks):
            self._breaks = max(self._breaks, count)
        self._at_start = True
        self._hidden_goes_on = False

    def line_end(self) -> None:
        """One line end, wherever: ``<br>``."""
        if self._pieces or self._at_start is False:
            self._breaks += 1
            self._tabs = 0
        self._blank = False
        self._at_start = True

    def begin_cell(self, *, first: bool) -> None:
        """A cell of a table: on the line of the one before."""
        if not first:
            self._breaks = 0
            self._blank = False
            self._tabs += 1
        self._at_start = self._in_new_cell = True

    def begin_row(self) -> None:
        """A row of a table: on a line of its own."""
        self._mark = ""
        if not self._in_new_cell:
            self._tabs = 0
            self.break_line()

    def end_row(self) -> None:
        """Behind the last cell of a row."""
        self._in_new_cell = False
        self._tabs = 0
        self.break_line()

    def mark_item(self, mark: str) -> None:
        """What stands before the next text: the mark of a list."""
        self._mark = mark

    def drop_mark(self) -> None:
        """The item had no text."""
        self._mark = ""

    @property
    def text(self) -> str:
        """The lines until now, without blanks at their ends and with at most one empty line in a row."""
        lines: list[str] = []
        for line in "".join(self._pieces).split("\n"):
            line = line.rstrip(" \t")
            if line or (lines and lines[-1]):
                lines.append(line)
        return "\n".join(lines).strip("\n")

    def _put(self, text: str) -> None:
        if not text:
            return
        before = ""
        if self._breaks and self._pieces:
            before = "\n" * min(self._breaks, 2)
        if self._tabs:
            before += "\t" * self._tabs
        elif self._blank and not before:
            before = " "
        before += self._mark
        self._room.take_text(len(before) + len(text))
        self._pieces.append(before + text)
        self._breaks = self._tabs = 0
        self._mark = ""
        self._blank = self._at_start = self._in_new_cell = False
        self._hidden_goes_on = False

    def _add_hidden(self, why: str, text: str) -> None:
        words = _BLANKS.sub(" ", text)
        if not words.strip():
            if self._hidden_goes_on and self.hidden:
                self.hidden[-1] = (self.hidden[-1][0], self.hidden[-1][1].rstrip() + " ")
            return
        self._room.take_text(len(words))
        if self._hidden_goes_on and self.hidden[-1][0] == why and len(self.hidden[-1][1]) < 10_000:
            self.hidden[-1] = (why, self.hidden[-1][1] + words)
        else:
            self.hidden.append((why, words.lstrip()))
        self._hidden_goes_on = True
