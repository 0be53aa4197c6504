"""Characters that a reader would not see, made visible: they may turn text around or hide a part of it."""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for tab and line feed
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"  # bidi controls, characters without width
    "\U000e0000-\U000e007f\ud800-\udfff]"  # tags, halves of surrogate pairs
)
"""Joiners (U+200C, U+200D) and the soft hyphen stay: scripts need them, and they turn nothing around."""


def visible(text: str) -> str:
    """The text with every control or bidi character as its code point: ``<U+202E>`` in mathematical angle brackets."""
    return _UNSEEN.sub(lambda found: f"\u27e8U+{ord(found[0]):04X}\u27e9", text)
