"""What is done with a piece of work that an executor finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_llm.batch.guarded_work import NotBegunError
from complaint_llm.exceptions import GuardError

if TYPE_CHECKING:
    from complaint_llm.batch.executors import BatchExecutor
    from complaint_llm.batch.flow import Flow
    from complaint_llm.batch.journal.recorder import Recorder
    from complaint_llm.batch.work import Work
    from complaint_llm.messages import InferenceOutput


def note_finished(
    flow: Flow,
    executor: BatchExecutor,
    recorder: Recorder,
    work: Work,
    output: InferenceOutput | None,
    error: Exception | None,
) -> None:
    """Record what came of a piece of work; what guards cannot vouch for ends the batch before the next is begun."""
    if isinstance(error, NotBegunError):
        recorder.on_withdrawn([work])
        return
    if isinstance(error, GuardError):
        flow.stop(error)
        recorder.on_withdrawn(executor.withdraw())
    recorder.on_finished(work, output, error)
