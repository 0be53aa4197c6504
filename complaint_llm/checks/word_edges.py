"""Where a word may be cut: a quote that begins or ends inside a word or a number is not that text."""

from __future__ import annotations

import unicodedata

_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""Scripts that put no space between words: each character is taken for an edge."""
_JOIN_WORDS = frozenset(".'’@/&_-")
_JOIN_NUMBERS = frozenset(".,/:-'’")
_SIGNS = frozenset("+-±\u2212")
_PERCENT = frozenset("%‰°")
_CURRENCY = "Sc"


def is_word_edge(text: str, place: int) -> bool:
    """Whether ``text`` can be cut before the character at ``place`` without cutting a word or a number in two.

    Digit groups with ``. , / : -`` between them are one word; a sign before a number and a per cent sign after it
    belong to it; letters joined by ``. ' @ / & _ -`` are one word.
    """
    if place <= 0 or place >= len(text):
        return True
    before, after = text[place - 1], text[place]
    if _is_word(before) and _is_word(after):
        return _is_unspaced(before) or (_is_unspaced(after) and not _is_mark(after))
    further_before = text[place - 2] if place > 1 else " "
    further_after = text[place + 1] if place + 1 < len(text) else " "
    if _is_word(before) and _joins(before, after, further_after):
        return False
    if _is_word(after) and _joins(further_before, before, after):
        return False
    if before in _SIGNS and after.isdigit() and not _is_word(further_before):
        return False
    return not (before.isdigit() and after in _PERCENT)


def is_sign_edge(text: str, place: int) -> bool:
    """Whether a quote may end before ``place``: not between a currency sign and its number."""
    return not (0 < place < len(text) and unicodedata.category(text[place - 1]) == _CURRENCY and text[place].isdigit())


def count_words(text: str) -> int:
    """How many words a reader counts; in scripts without spaces two characters are one."""
    words, unspaced, inside = 0, 0, False
    for place, character in enumerate(text):
        if _is_unspaced(character):
            unspaced += 1
            inside = False
        elif _is_word(character):
            words += not inside
            inside = True
        elif inside and is_word_edge(text, place):
            inside = False
    return words + (unspaced + 1) // 2


def _joins(before: str, joint: str, after: str) -> bool:
    if not (_is_word(before) and _is_word(after)):
        return False
    if before.isdigit() and after.isdigit():
        return joint in _JOIN_NUMBERS
    return joint in _JOIN_WORDS


def _is_word(character: str) -> bool:
    return character.isalnum() or _is_mark(character)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _is_unspaced(character: str) -> bool:
    code = ord(character)
    return any(low <= code <= high for low, high in _UNSPACED)
