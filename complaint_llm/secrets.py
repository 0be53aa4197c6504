"""Values that must not be printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NoReturn

HIDDEN = "***"
SHORTEST = 4
"""A shorter text is not cut out of others."""


class Secret:
    """A text that shows only as ``***``; ``reveal()`` gives it to the one place that needs it.

    Not a ``str`` on purpose: formatting, joining and ``repr`` of frames and objects cannot leak it by accident.
    ``variable`` is the environment variable that it is the whole value of, None if it is not known to be one's.
    """

    __slots__ = ("_value", "variable")

    def __init__(self, value: str, variable: str | None = None) -> None:
        self._value = value
        self.variable = variable

    def reveal(self) -> str:
        """The text itself. Use it inside an expression; a local variable would show in a traceback with locals."""
        return self._value

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: the other process fills it from its own environment")

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


class Redactor:
    """Cuts known secrets out of foreign text (a provider's message, a logged body). Immutable.

    A server may say a secret back as it is, in part, in base64, in hex, percent-encoded, escaped or reversed: whatever
    run of characters shares a third of such a form (half of a short one) is cut.
    """

    __slots__ = ("_parts", "_secrets")

    def __init__(self, secrets: Iterable[Secret | None]) -> None:
        # Very short ones would cut ordinary words.
        self._secrets = tuple({s for s in secrets if s is not None and len(s.reveal()) >= SHORTEST})
        self._parts: tuple[str, ...] | None = None  # made for the first text

    def __call__(self, text: str) -> str:
        if self._parts is None:
            self._parts = tuple({part for secret in self._secrets for part in _parts(secret)})
        if not any(part in text for part in self._parts):
            return text
        covered: list[list[int]] = []
        for start, end in sorted(span for secret in self._secrets for span in _spans(text, secret)):
            if covered and start <= covered[-1][1]:
                covered[-1][1] = max(covered[-1][1], end)
            else:
                covered.append([start, end])
        pieces, done = [], 0
        for start, end in covered:
            # A blank before or behind it is the sentence's, though a header's value has one too.
            begins = start + (text[start] == " ")
            pieces += [text[done:begins], HIDDEN]
            done = end - (text[end - 1] == " ")
        return "".join((*pieces, text[done:]))

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"


def _spans(text: str, secret: Secret) -> Iterator[tuple[int, int]]:
    """Where the text shares a run with one of the secret's forms."""
    for form in _forms(secret.reveal()):
        size = _run_size(form)
        runs = {form[at : at + size] for at in range(len(form) - size + 1)}
        yield from ((at, at + size) for at in range(len(text) - size + 1) if text[at : at + size] in runs)


def _parts(secret: Secret) -> Iterator[str]:
    """The secret's forms in pieces of half a run: of any run that a text shares with a form it has one piece whole."""
    for form in _forms(secret.reveal()):
        half = _run_size(form) // 2
        yield from (form[at : at + half] for at in range(0, len(form) - half + 1, half))


def _run_size(form: str) -> int:
    """How many characters of a form, in a row, are not to be shown."""
    return max(SHORTEST, len(form) // 2 if len(form) < 16 else max(8, len(form) // 3))


def _forms(value: str) -> set[str]:
    """The secret as it is, and as encoders of texts and addresses write it."""
    # cold start: for errors that show a secret
    from base64 import b64encode
    from html import escape
    from urllib.parse import quote

    data = value.encode("utf-8", "surrogatepass")
    forms = {value, value[::-1], data.hex(), data.hex().upper(), quote(value, safe=""), quote(value)}
    forms |= {quote(value, safe="").replace("%2F", "%2f"), value.replace("/", "\\/"), escape(value)}
    for before in range(3):
        # Inside a longer text it begins at one of three places of base64's groups; the first and last signs are shared.
        encoded = b64encode(b"\0" * before + data).decode()
        inner = encoded[(before * 8 + 5) // 6 : len(encoded.rstrip("=")) - (1 if encoded.endswith("=") else 0)]
        forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {form for form in forms if len(form) >= SHORTEST}
