"""Quotes of texts whose words are known: right ones, and wrong ones that are proved to stand nowhere."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Words = Sequence[str]
Texts = Sequence[Sequence[Words]]
"""Texts, each with its blocks of words."""


class WordSearch:
    """Finds words of texts by brute force over the words that the texts were made of."""

    def __init__(self, texts: Texts) -> None:
        self._joined = [f" {' '.join(word for block in text for word in block)} " for text in texts]

    def __contains__(self, words: Words) -> bool:
        wanted = f" {' '.join(words)} "
        return any(wanted in text for text in self._joined)


def right_quotes(chance: random.Random, texts: Texts, count: int) -> list[tuple[int, int, int, int]]:
    """Text, block, first and last word + 1 of quotes of four to fourteen words."""
    chosen = []
    while len(chosen) < count:
        number = chance.randrange(len(texts))
        block = chance.randrange(len(texts[number]))
        size = len(texts[number][block])
        if size >= 4:
            first = chance.randint(0, size - 4)
            chosen.append((number, block, first, min(size, first + chance.randint(4, 14))))
    return chosen


def wrong_quotes(chance: random.Random, texts: Texts, count: int) -> list[tuple[int, str]]:
    """The number of a text and a quote that stands nowhere in any, each proved over the words."""
    search = WordSearch(texts)
    wrong: list[tuple[int, str]] = []
    for number, block, first, last in right_quotes(chance, texts, count * 3):
        words = list(texts[number][block][first:last])
        changed = chance.choice(CHANGES)(chance, words, texts)
        if changed is not None and changed not in search:
            wrong.append((number, " ".join(changed)))
            if len(wrong) == count:
                return wrong
    raise AssertionError("too few wrong quotes were made")


def other_word(chance: random.Random, words: list[str], texts: Texts) -> list[str]:
    place = chance.randrange(1, len(words) - 1)
    return [*words[:place], chance.choice(chance.choice(texts)[0]), *words[place + 1 :]]


def other_number(chance: random.Random, words: list[str], texts: Texts) -> list[str] | None:
    places = [place for place, word in enumerate(words) if any(map(str.isdigit, word))]
    if not places:
        return None
    place = chance.choice(places)
    digit = next(index for index, character in enumerate(words[place]) if character.isdigit())
    changed = words[place][:digit] + str((int(words[place][digit]) + 1) % 10) + words[place][digit + 1 :]
    return [*words[:place], changed, *words[place + 1 :]]


def negation(chance: random.Random, words: list[str], texts: Texts) -> list[str]:
    place = chance.randrange(1, len(words))
    if words[place] in ("not", "never", "no"):
        return [*words[:place], *words[place + 1 :]]
    return [*words[:place], "not", *words[place:]]


def cut_word(chance: random.Random, words: list[str], texts: Texts) -> list[str] | None:
    first = words[0]
    if len(first) < 5 or not first.isalpha():
        return None
    return [first[chance.randint(1, len(first) - 2) :], *words[1:]]


def cut_number(chance: random.Random, words: list[str], texts: Texts) -> list[str] | None:
    for place in range(len(words) - 1, 2, -1):
        digits = sum(map(str.isdigit, words[place]))
        if digits > 1:
            stripped = words[place].rstrip(",.;:%")
            return [*words[:place], stripped[:-1].rstrip(",.:-/")]
    return None


def halves(chance: random.Random, words: list[str], texts: Texts) -> list[str]:
    other = list(chance.choice(texts)[-1])
    return [*words[: len(words) // 2], *other[: max(2, len(words) // 2)]]


CHANGES: Sequence[Callable[[random.Random, list[str], Texts], list[str] | None]] = (
    other_word,
    other_number,
    negation,
    cut_word,
    cut_number,
    halves,
)
"""Each makes a wrong quote of the words of a right one; None where it cannot."""
