"""Values that must not be printed."""

from __future__ import annotations

from collections.abc import Iterable

HIDDEN = "***"


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
    """Cuts known secrets out of foreign text (a provider's message, a logged body). Immutable."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Iterable[Secret | None]) -> None:
        # Longest first: a secret that contains another goes as a whole. Very short ones would cut ordinary words.
        found = {s for s in secrets if s is not None and len(s.reveal()) >= 4}
        self._secrets = tuple(sorted(found, key=lambda s: -len(s.reveal())))

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret.reveal(), HIDDEN)
        return text

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"
