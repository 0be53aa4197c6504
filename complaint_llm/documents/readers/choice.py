"""Which of the pages that were found are asked for, and the bounds that hold for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from complaint_llm.documents.pages import Limits, Page
from complaint_llm.documents.readers.unreadable import UnreadableError

if TYPE_CHECKING:
    from complaint_llm.documents.page_choice import Pages


def chosen_pages(found: Sequence[Page], pages: Pages | None) -> tuple[Page, ...]:
    """Those of ``found`` that ``pages`` names. Raises UnreadableError if it names one that is not there."""
    if pages is None:
        return tuple(found)
    try:
        numbers = pages.numbers(len(found))
    except ValueError as cause:
        raise UnreadableError(str(cause)) from None
    return tuple(found[number - 1] for number in numbers)


def refuse_choice(pages: Pages | None, what: str) -> None:
    """Raises UnreadableError if pages are asked for of a kind of file that has none."""
    if pages is not None:
        raise UnreadableError(f"is {what}, which has no pages of its own: leave out pages=")


class Room:
    """How many characters and bytes of images may still be given back. Past a bound the file is refused."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._characters = limits.text_characters
        self._image_bytes = limits.image_bytes

    def take_text(self, characters: int) -> None:
        """Counts so many characters. Raises UnreadableError if there is no room for them."""
        self._characters -= characters
        if self._characters < 0:
            raise UnreadableError(f"has more than {self._limits.text_characters:,} characters: split it")

    def take_image(self, size: int) -> None:
        """Counts the bytes of an image. Raises UnreadableError if there is no room for them."""
        self._image_bytes -= size
        if self._image_bytes < 0:
            raise UnreadableError(f"has images of more than {self._limits.image_bytes // (1024 * 1024)} MB: split it")
