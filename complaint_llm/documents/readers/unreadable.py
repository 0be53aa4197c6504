"""A file that cannot be read, in words that go on from its name."""

from __future__ import annotations


class UnreadableError(Exception):
    """``UnreadableError("is encrypted: save it without a password")``: what is the matter with a file, and what to do.

    The words follow the file's name and hold nothing of what stands in it.
    """
