"""What a Mediator would do with a prompt, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from complaint_llm.routing.explain import Considered


class Explanation(NamedTuple):
    """The candidates in the order in which they would be tried; ``left_out`` are those that the config left out."""

    strategy: str
    candidates: tuple[Considered, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def first(self) -> Considered | None:
        """The one that would be asked."""
        return next((each for each in self.candidates if each.skip is None), None)

    @property
    def prompt_tokens(self) -> int:
        """Estimated tokens of the prompt at the one that would be asked; 0 if none would."""
        return self.first.estimate.prompt_tokens if self.first else 0

    @property
    def cost(self) -> float | None:
        """US dollars at most at the one that would be asked, None if unknown."""
        return self.first.estimate.cost if self.first else None
