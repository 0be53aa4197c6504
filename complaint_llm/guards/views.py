"""A text as it is searched for names and numbers: folded, in as many ways as it may be meant, with the way back.

Folded away are case, accents, compatibility forms (NFKC), digits of other scripts, runs of white space, characters that
are not seen, and hyphens at line ends between letters. Where a text holds what only looks like something else, or
escapes such as JSON has, it is searched in that reading as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from complaint_llm.checks.folding import Fold
from complaint_llm.guards.lookalikes import PLAIN, Folds, alike_folds

_BREAK = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_BLANK = " \t\x1f\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
_UNSEEN = "\x00-\x08\x0e-\x1b\x7f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufffe"
_SPACING = f"{_BREAK}{_BLANK}{_UNSEEN}"
_SOFT_HYPHEN = re.compile(r"[\xad\x02\ufffe]|\\u(?:00[aA][dD]|0002|[fF]{3}[eE])")
# Of JSON's escapes, those of what is folded away, after their backslash.
_SPACING_ESCAPE = r"(?:[nrt]|u(?:000[29aAdD]|00[aA][0dD]|200[bBcCdD]|2060|[fF]{3}[eE]|[fF][eE][fF]{2}))"

_ANY_BREAK = re.compile(rf"[{_BREAK}]|\\(?:[nr]|u000[aAdD])")
_ANY_BLANK = re.compile(rf"[{_BLANK}]|\\(?:t|u0009|u00[aA]0)")

# Signs of what only looks like a letter or a digit, in ASCII: Pau1a, L0pez, 0scar, PauIa, O78-05-112O; not 1st, 40s.
_ALIKE_LETTER = re.compile(
    r"[01|I](?:(?<=[A-Za-z][01|])|(?<![0-9].)(?<=[01|])(?=[A-Za-z]{2})(?!st(?![a-z]))|(?<=[a-z]I)|(?<=[A-Z]I)(?=[a-z]))",
    re.S,
)
_ALIKE_DIGIT = re.compile(r"[0-9](?:(?<=[oil][0-9])|(?=[oil]))")
_DIGITS = re.compile(r"(?<![^\W_])[0-9oil]+(?![^\W_])")
_AS_LETTERS = str.maketrans("i1|0", "lllo")
_AS_DIGITS = str.maketrans("oil", "011")


class View(NamedTuple):
    """One reading of a text. ``text`` is folded; ``fold`` leads back.

    ``holds`` says what is looked for in it: "all", "names" (of what is alike, in letters), "numbers" (in digits).
    """

    text: str
    fold: Fold
    holds: str

    @property
    def is_alike(self) -> bool:
        """Whether look-alikes are folded in it."""
        return self.holds != "all"


def views_of(text: str, *, escaped: bool = False) -> Iterator[View]:
    """The readings of ``text``: one for most texts, eight at most. ``escaped``: it is JSON, so that its escapes are
    escapes and nothing else. Each is linear in its length."""
    alike = _has_alike(text)
    for escapes in (True,) if escaped else ((False, True) if "\\" in text else (False,)):
        specials = _specials(escapes, "  " in text)
        plain, is_broken = _fold(text, specials, PLAIN, joined=False)
        yield View(plain.text, plain, "all")
        if is_broken:
            joined, _ = _fold(text, specials, PLAIN, joined=True)
            yield View(joined.text, joined, "all")
        if alike or (escapes and "\\u" in text):
            yield from _alike_views(_fold(text, specials, alike_folds(), joined=is_broken)[0])
        elif _ALIKE_LETTER.search(text) is not None or _ALIKE_DIGIT.search(plain.text) is not None:
            yield from _alike_views(joined if is_broken else plain)


def alike_letters(folded: str) -> str:
    """Of a folded text, letters and digits that look like one another as one of them."""
    return folded.translate(_AS_LETTERS)


def shows_alike(source: str) -> bool:
    """Whether a part of a text holds anything that looks like something else; only then is it what it looks like."""
    return _ALIKE_LETTER.search(source) is not None or _has_alike(source) or "\\u" in source


def folded_words(name: str, *, alike: bool = False) -> str:
    """A name, folded as texts are."""
    if name.isascii() and name.isprintable():
        return " ".join(name.lower().split())
    return _fold(name, _specials(False, True), alike_folds() if alike else PLAIN, joined=True)[0].text


def _alike_views(base: Fold) -> Iterator[View]:
    yield View(alike_letters(base.text), base, "names")
    yield View(_DIGITS.sub(_in_digits, base.text), base, "numbers")


def _in_digits(found: re.Match[str]) -> str:
    return found[0].translate(_AS_DIGITS) if any(map(str.isdigit, found[0])) else found[0]


def _has_alike(text: str) -> bool:
    if text.isascii():
        return False
    alike = alike_folds()
    return any(alike[each] != PLAIN[each] for each in set(text) if not each.isascii())


@cache
def _specials(escapes: bool, spaces: bool) -> re.Pattern[str]:
    """Finds what is folded to another length, and all that is not ASCII; ``spaces``: runs of plain spaces, too. The
    first thing in it is a set of characters: so it is searched for at the speed of one."""
    unit = rf"(?:[{_SPACING}]|\\{_SPACING_ESCAPE})" if escapes else f"[{_SPACING}]"
    backslash = "" if escapes else r"\\"
    first = rf"[^{'' if spaces else ' '}\x21-\x2c\x2e-\x5b{backslash}\x5d-\x7e]"
    branches = [
        rf"(?<=[^\W\d_][-\u2010\u2011]){unit}+(?=[^\W\d_])(?P<hyphen>)",
        rf"(?<=[{_SPACING}]){unit}+(?P<space>)",
        rf"(?<=[{_SPACING}])(?<![ \n])(?P<single>)",
        rf"(?<=[^\x00-\x7f])[^\x00-\x7f{_SPACING}]*(?P<other>)",
    ]
    if escapes:
        pair = r"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
        branches += [
            rf"(?<=\\){_SPACING_ESCAPE}{unit}*(?P<line>)",
            rf"(?<=\\)(?:{pair}|u[0-9a-fA-F]{{4}}|[\"/\\bf])(?P<escape>)",
        ]
    return re.compile(f"{first}(?:{'|'.join(branches)})")


def _breaks_word(found: re.Match[str]) -> bool:
    """Whether a line ends here inside of a word, so that what is around it is one word."""
    if _ANY_BREAK.search(found[0]) is None:
        return False
    if found.lastgroup == "hyphen":
        return True
    text, (start, end) = found.string, found.span()
    between = start > 0 and end < len(text) and text[start - 1].isalpha() and text[end].isalpha()
    return between and _SOFT_HYPHEN.search(found[0]) is not None


def _fold(text: str, specials: re.Pattern[str], folds: Folds, *, joined: bool) -> tuple[Fold, bool]:
    """The text folded, and whether lines end in it inside of words; ``joined``: what they break is one word."""
    pieces: list[str] = []
    run_at: list[int] = []
    run_source: list[tuple[int, int]] = []
    length = done = 0
    is_broken = False

    def put(piece: str, start: int, end: int) -> None:
        nonlocal length
        if piece:
            run_at.append(length)
            run_source.append((start, end))
            pieces.append(piece)
            length += len(piece)

    for found in specials.finditer(text):
        start, end = found.span()
        put(text[done:start].lower(), done, start)
        done = end
        kind = found.lastgroup
        if kind == "other":
            _put_characters(found[0], start, folds, put)
        elif kind == "escape":
            put(_fold_escape(found[0], folds), start, end)
        elif kind != "single" and _breaks_word(found):
            is_broken = True
            put("" if joined else "-", start, end)
        elif kind == "hyphen":
            put("-", start, start + 1)
            put(_spacing(found[0][1:]), start + 1, end)
        else:
            put(_spacing(found[0]), start, end)
    put(text[done:].lower(), done, len(text))
    fold = Fold(text="".join(pieces), run_at=tuple(run_at), run_source=tuple(run_source), hyphens=(), breaks=())
    return fold, is_broken


def _put_characters(part: str, start: int, folds: Folds, put: Callable[[str, int, int], None]) -> None:
    found = [folds[each] for each in part]
    if all(len(each) == 1 for each in found):
        put("".join(found), start, start + len(part))
    else:
        for place, each in enumerate(found, start):
            put(each, place, place + 1)


def _spacing(spacing: str) -> str:
    if _ANY_BREAK.search(spacing) is not None:
        return "\n"
    return " " if _ANY_BLANK.search(spacing) is not None else ""


_SHORT_ESCAPES = {"\\b": "", "\\f": "\n"}


def _fold_escape(escape: str, folds: Folds) -> str:
    if not escape.startswith("\\u"):
        return _SHORT_ESCAPES.get(escape, escape[1:])
    units = bytes.fromhex(escape.replace("\\u", ""))
    character = units.decode("utf-16-be", errors="replace")
    if character.isspace():
        return _spacing(character)
    return "".join(folds[each] for each in character if each.isprintable())
