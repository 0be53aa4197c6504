"""Where a batch's prompts are asked in other processes: after a guard failed there, nothing more is begun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.batch.input.items import Ask
from complaint_llm.exceptions import GuardError
from complaint_llm.messages import InferenceOutput, Prompt


class NotBegunError(Exception):
    """What finishes work that came after the end of a batch: it was not begun."""


class GuardedWork:
    """The prompts of one batch in one process. Whoever runs the batch hears of a failed guard later than the process
    in which it failed, which may have been given more by then. Any thread may call it."""

    def __init__(self) -> None:
        self._over = False

    def end(self) -> None:
        """Begin nothing more."""
        self._over = True

    def ask(self, ask: Ask, prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
        """What ``ask`` answers. Raises NotBegunError after the end or after a guard failed, and what ``ask`` raises."""
        if self._over:
            raise NotBegunError
        try:
            return ask(prompt, params)
        except GuardError:
            self._over = True
            raise
