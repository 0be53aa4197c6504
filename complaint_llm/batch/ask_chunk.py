"""Several prompts asked by one call in another process of a pool; see ``chunks``."""

from __future__ import annotations

import os
import pickle
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from complaint_llm.batch.chunks import ChunkReport, ask_in_time
from complaint_llm.batch.remote_errors import error_in_words
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from complaint_llm.batch.input.items import Ask
    from complaint_llm.messages import InferenceOutput, Prompt

Outcome: TypeAlias = "tuple[InferenceOutput | None, Exception | None]"
"""An answer or an error."""
ChunkAnswers: TypeAlias = "tuple[Sequence[Outcome], ChunkReport]"
"""An outcome for each that was asked, from the first."""


def process_name() -> str:
    """The name of this process among those of all machines."""
    return f"{platform.node()}:{os.getpid()}"


def is_portable(value: Any) -> bool:
    """Whether another process can be told it."""
    try:
        pickle.dumps(value)
    except Exception:  # noqa: BLE001 - whatever a foreign class raises there is the answer
        return False
    return True


class AskChunk:
    """Asks the prompts of one chunk over ``ask``, with which it is pickled."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def __call__(self, given: Sequence[tuple[Prompt, Mapping[str, Any]]]) -> ChunkAnswers:
        """Raises what the only one raises; of several each has an error of its own."""
        outcomes, seconds = ask_in_time(self._ask_alone if len(given) == 1 else self._ask_one, given)
        return outcomes, ChunkReport(len(outcomes), seconds, process_name())

    def _ask_alone(self, given: tuple[Prompt, Mapping[str, Any]]) -> Outcome:
        return self._ask(*given), None

    def _ask_one(self, given: tuple[Prompt, Mapping[str, Any]]) -> Outcome:
        try:
            output = self._ask(*given)
        except Exception as error:  # noqa: BLE001 - whatever was raised is this item's error, and is handed out
            return None, _portable_error(error)
        except BaseException as error:  # noqa: BLE001 - the same
            return None, error_in_words(error)
        if not is_portable(output):  # the others of the chunk must arrive
            return None, BatchError("the answer cannot be brought here from its process: it has no pickle")
        return output, None


def _portable_error(error: Exception) -> Exception:
    """The error if another process can be told it; else in words."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - whatever a foreign class raises there, the others of the chunk must arrive
        return error_in_words(error)
    return error
