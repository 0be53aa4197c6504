"""Reasoning that a local model writes into its answer: ``<think>...</think>`` before the text.

It counts at the beginning of an answer alone: after white space, or after another such block. Later in the text the
tags are quoted text. A block that is not closed reaches to the end of the answer.

Templates of some models put the opening tag into the prompt, so that the answer has the closing one alone. Where it is
known of a model (``OPENED_BY_TEMPLATE``), its stream is held back until that tag. Of any other the tag is found when
the answer is whole (``split_unopened``): the output is right then, but its pieces were handed out as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from complaint_llm.named_tuples import NamedTuple

TAGS: tuple[tuple[str, str], ...] = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
)
"""Opening and closing tags: most models; Mistral's Magistral; ByteDance's Seed-OSS (their chat templates)."""

OPENED_BY_TEMPLATE = re.compile(r"deepseek-r1|\bqwq|qwen3.*thinking|minimax-m2|kimi-k2\.5", re.IGNORECASE)
"""Models whose chat template opens the tag. Sources: SGLang's and vLLM's lists of reasoning parsers, the models' own
chat templates (2026-11)."""

MAX_HELD = 4096
"""Characters of white space that may be held back."""

_BEGINNINGS = frozenset(opening[:size] for opening, _ in TAGS for size in range(len(opening)))
_FIRST = frozenset(opening[0] for opening, _ in TAGS)
_QUOTES = "\"'`«»“”‘’„("
_CLOSING = "</think>"


class Piece(NamedTuple):
    """A piece of text, or of reasoning."""

    text: str
    is_reasoning: bool = False


@lru_cache(maxsize=1024)
def is_opened_by_template(model: str) -> bool:
    """Whether the chat template of the model opens the tag, as far as it is known. Asked at every answer."""
    return OPENED_BY_TEMPLATE.search(model) is not None


class ThinkSplitter:
    """Tells reasoning from text in an answer that comes in pieces, however they are cut. Used by one thread.

    ``over`` is whether all that follows is text.
    """

    def __init__(self, model: str = "") -> None:
        self._unopened = is_opened_by_template(model)
        self._read: Callable[[ThinkSplitter, str, list[Piece]], str] = ThinkSplitter._beginning
        self.over = False
        self._held = ""  # the end of what came, which may be the beginning of a tag
        self._unread: list[str] = []  # what may turn out to be reasoning
        self._closing = ""
        self._begun = False  # whether the block under way gave anything
        self._thought = False  # whether a block was there

    def begins_as_text(self, piece: str) -> bool:
        """Whether an answer that begins with ``piece`` is all text. Most are, and need no further look."""
        first = piece.lstrip()[:1]
        undecided = self._read is ThinkSplitter._beginning and not (self._held or self._thought or self._unopened)
        if not undecided or not first or first in _FIRST:
            return False
        self._read, self.over = ThinkSplitter._text, True
        return True

    def feed(self, piece: str) -> list[Piece]:
        """The pieces that are certain by now."""
        ready: list[Piece] = []
        rest = piece
        while rest:
            rest = self._read(self, rest, ready)
        return ready

    def finish(self) -> list[Piece]:
        """What was held back, once nothing more comes."""
        inside = self._read is ThinkSplitter._inside
        held = "".join(self._unread) + self._held
        if self._thought and self._read is ThinkSplitter._beginning:
            held = held.lstrip()
        self._unread, self._held, self._read = [], "", ThinkSplitter._text
        held = held.rstrip() if inside else held
        return [Piece(held, inside)] if held else []

    def reasoning_comes_apart(self) -> None:
        """The server itself tells reasoning from text: an answer of this model needs no closing tag."""
        self._unopened = False

    @property
    def found(self) -> bool:
        """Whether there was a block, be it open still."""
        return self._thought or self._read is ThinkSplitter._inside

    def _text(self, rest: str, ready: list[Piece]) -> str:
        self.over = True
        ready.append(Piece(rest))
        return ""

    def _beginning(self, rest: str, ready: list[Piece]) -> str:
        text = self._held + rest
        self._held = ""
        bare = text.lstrip()
        for opening, closing in TAGS:
            if bare.startswith(opening):
                self._read, self._closing, self._begun = ThinkSplitter._inside, closing, False
                return bare[len(opening) :]
        if len(text) <= MAX_HELD and bare in _BEGINNINGS:
            self._held = text
            return ""
        is_unopened = self._unopened and not self._thought
        self._read = ThinkSplitter._until_closed if is_unopened else ThinkSplitter._text
        return bare if self._thought else text

    def _until_closed(self, rest: str, ready: list[Piece]) -> str:
        text = self._held + rest
        place = text.find(_CLOSING)
        if place < 0:
            kept = len(text) - overlap(text, _CLOSING)
            self._unread.append(text[:kept])
            self._held = text[kept:]
            return ""
        before = "".join((*self._unread, text[:place])).strip()
        self._unread, self._held, self._read, self._thought = [], "", ThinkSplitter._beginning, True
        if before:
            ready.append(Piece(before, True))
        return text[place + len(_CLOSING) :]

    def _inside(self, rest: str, ready: list[Piece]) -> str:
        text = self._held + rest
        place = text.find(self._closing)
        ended = place >= 0
        certain = text[:place] if ended else text[: len(text) - overlap(text, self._closing)]
        said = certain.rstrip()
        if not ended and len(certain) - len(said) > MAX_HELD:
            said = certain
        self._held = "" if ended else text[len(said) :]
        if not self._begun:
            said = said.lstrip()
        if said:
            ready.append(Piece(said if self._begun or not self._thought else f"\n\n{said}", True))
            self._begun = self._thought = True
        if not ended:
            return ""
        self._read, self._thought = ThinkSplitter._beginning, True
        return text[place + len(self._closing) :]


class Split(NamedTuple):
    """A whole answer's reasoning and text."""

    reasoning: str
    text: str


def split_unopened(text: str) -> Split | None:
    """A whole answer that closes a block which it did not open; None for any other.

    The tag stands at the beginning or the end of a line, or without a blank before it: one in the middle of a sentence,
    in quotation marks, in a code block or after an opening tag is text.
    """
    place = text.find(_CLOSING)
    if place < 0:
        return None
    before, after = text[:place], text[place + len(_CLOSING) :]
    if "<think>" in before or before.count("```") % 2:
        return None
    left, right = before[-1:] or "\n", after[:1] or "\n"
    if left in _QUOTES or right in _QUOTES:
        return None
    if "\n" not in (left, right) and left.isspace():
        return None
    return Split(before.strip(), after.lstrip())


def overlap(text: str, tag: str) -> int:
    """How much of the end of ``text`` is the beginning of ``tag``."""
    return next((size for size in range(min(len(text), len(tag) - 1), 0, -1) if text.endswith(tag[:size])), 0)
