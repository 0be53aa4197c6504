"""Texts whose words are known before they are laid out, so that what stands in them is known without searching them."""

from __future__ import annotations

import random
from typing import NamedTuple


def words(text: str) -> list[str]:
    """The words of a text between blanks."""
    return text.split()


ENGLISH = words(
    "my landlord cut the heat in November and would not fix it after I called him twice at work "
    "because the boiler is old the manager said that nobody gets paid for training time so I left "
    "early on Friday with the children and a neighbor they never gave me the notice that was promised "
    "in writing although I asked for copies of every page again we moved out on time with witnesses "
    "present and photos taken of each room door window stain pipe ceiling lock mailbox hallway"
)
HYPHENATED = words("non-payment re-signing well-known move-out twelve-month self-employed on-site follow-up")
SPANISH = words(
    "el dueño no pagó las horas extras ni devolvió el depósito después de que mi hermana avisó por teléfono ayer"
)
ARABIC = words("قال المالك إن التدفئة ستعود غدا لكن البيت بقي باردا طوال الشهر ولم يصلح أحد شيئا رغم الشكوى المكتوبة")
HEBREW = words("בעל הבית ניתק את החשמל בלי הודעה מראש ואמר שלא ישלם על התיקון למרות ההסכם הכתוב שחתמנו עליו בקיץ")
NAMES = words(
    "Okoro Tassler Nwosu-Hart Achterberg Salvesen O'Brien Dale Vandergriff Telleson Prakash Strand Castellane"
)
NUMBERS = words("$1,400 $17.50 $15,000 $2,380 9.5% 2026-08-21 8/24/26 11:00 forty-one 1.5 350 $82 14 2025 $186")
LINES = ("\n", "\n", "\r\n", "\n  ", " \n")


class GeneratedText(NamedTuple):
    """A text, its blocks of words, and where each word stands."""

    kind: str
    text: str
    blocks: tuple[tuple[str, ...], ...]
    """The words of each paragraph or cell, as they were before they were laid out."""
    places: tuple[tuple[tuple[int, int], ...], ...]
    """Start and end of each word of each block in ``text``."""


def generated_texts(seed: int, count: int) -> list[GeneratedText]:
    """Intakes, letters, mails, right-to-left texts and tables, in turn."""
    chance = random.Random(seed)
    kinds = ("intake", "letter", "mail", "spanish", "arabic", "hebrew", "table", "narrow")
    return [generated_text(chance, kinds[number % len(kinds)]) for number in range(count)]


def generated_text(chance: random.Random, kind: str) -> GeneratedText:
    """One text of a kind."""
    words = {"spanish": SPANISH, "arabic": ARABIC, "hebrew": HEBREW}.get(kind, ENGLISH)
    blocks = [
        tuple(word(chance, words) for _ in range(chance.randint(3, 6) if kind == "table" else chance.randint(40, 90)))
        for _ in range(60 if kind == "table" else 8)
    ]
    parts: list[str] = []
    places: list[tuple[tuple[int, int], ...]] = []
    length = 0
    for number, block in enumerate(blocks):
        laid: list[tuple[int, int]] = []
        for index, each in enumerate(block):
            if index:
                gap = space(chance, kind)
                parts.append(gap)
                length += len(gap)
            shown = layout(chance, each, kind)
            laid.append((length, length + len(shown)))
            parts.append(shown)
            length += len(shown)
        places.append(tuple(laid))
        between = " | " if kind == "table" and number % 4 else "\n\n"
        parts.append(between)
        length += len(between)
    return GeneratedText(kind, "".join(parts), tuple(blocks), tuple(places))


def word(chance: random.Random, words: list[str]) -> str:
    """A word of the language, a name, a number or a hyphenated word; now and then with a mark behind it."""
    kind = chance.random()
    chosen = chance.choice(NUMBERS if kind < 0.06 else NAMES if kind < 0.11 else HYPHENATED if kind < 0.14 else words)
    return chosen + (chance.choice((",", ".", ";", ":")) if chance.random() < 0.1 else "")


def space(chance: random.Random, kind: str) -> str:
    """What stands between two words."""
    if kind == "narrow":
        return chance.choice((" ", *LINES, "\u00a0"))
    if chance.random() < 0.1:
        return chance.choice(LINES)
    return "  " if kind == "mail" and chance.random() < 0.1 else " "


def layout(chance: random.Random, each: str, kind: str) -> str:
    """A word as a page shows it: broken at a line end, with a soft hyphen, with a ligature."""
    plain = each.isalpha() and each.isascii() and len(each) > 5
    if plain and kind in ("narrow", "letter") and chance.random() < 0.15:
        cut = chance.randint(2, len(each) - 2)
        return each[:cut] + chance.choice(("-\n", "\u00ad", "\x02", "\ufffe", "-\n  ")) + each[cut:]
    if kind == "narrow" and "fi" in each:
        return each.replace("fi", "ﬁ")
    return each
