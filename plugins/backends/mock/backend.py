"""The scripted backend of complaint_llm.testing, under the name by which a config finds it."""

from __future__ import annotations

from complaint_llm.testing import MockBackend

__all__ = ["MockBackend"]
