"""What MEDIATOR.on_truncation wants done with an answer that was cut at its longest length."""

from __future__ import annotations

from logging import Logger
from typing import Literal

from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.messages import InferenceOutput

OnTruncation = Literal["warn", "error", "ignore"]


def mark_truncation(output: InferenceOutput, on_truncation: OnTruncation, log: Logger) -> InferenceOutput:
    """The answer, which was cut, with ``metadata["truncated"]`` and a warning. Raises ResponseFormatError if asked."""
    if on_truncation == "ignore":
        return output
    said = "the answer was cut at its longest length: raise max_tokens"
    if on_truncation == "error":
        raise ResponseFormatError(said, backend=output.backend, model=output.model, attempts=output.attempts)
    log.warning("%s: %s", output.backend, said)
    return output._replace(metadata={**output.metadata, "truncated": True})
