"""What a check finds."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """Something that a check found wrong."""

    check: str
    pointer: str
    """The place in the answer, as a JSON pointer."""
    message: str
    """What is wrong there, in a sentence that the model and a reader can act on; no text of the client's."""
