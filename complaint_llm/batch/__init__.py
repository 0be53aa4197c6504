"""Batches that lose nothing: many prompts, bounded work under way, and a journal that survives a power cut."""

from complaint_llm.batch.executors import BatchExecutor, ExecutorFactory, open_executor
from complaint_llm.batch.input.items import Ask, BatchItem, BatchResult, LineError, NothingToReadError, item_digest
from complaint_llm.batch.journal.journal import Journal, RecordedItem
from complaint_llm.batch.journal.salvage import Salvaged, salvage_journal
from complaint_llm.batch.journal.settings_change import SettingsChangedError
from complaint_llm.batch.journal.shape import AnswerSettings, Shape, shape_of
from complaint_llm.batch.output.summary import BackendTally, BatchSummary
from complaint_llm.batch.runner import BatchRun, run_batch
from complaint_llm.batch.texts import batch_generate
from complaint_llm.batch.work import Work

__all__ = [
    "AnswerSettings",
    "Ask",
    "BackendTally",
    "BatchExecutor",
    "BatchItem",
    "BatchResult",
    "BatchRun",
    "BatchSummary",
    "ExecutorFactory",
    "Journal",
    "LineError",
    "NothingToReadError",
    "RecordedItem",
    "Salvaged",
    "SettingsChangedError",
    "Shape",
    "Work",
    "batch_generate",
    "item_digest",
    "open_executor",
    "run_batch",
    "salvage_journal",
    "shape_of",
]
