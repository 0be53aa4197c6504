"""What becomes of items that were read, in view of what the journal knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from complaint_llm.batch.input.items import differing_part
from complaint_llm.batch.journal.codec import encode_error, restore_types
from complaint_llm.batch.journal.entries import ANSWERED, FAILED, REFUSED, JournalEntry
from complaint_llm.batch.work import Work
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from complaint_llm.batch.journal.journal import Journal
    from complaint_llm.messages import InferenceOutput

InDoubt = Literal["resend", "skip", "error"]

_NOT_ASKED = "not asked: it did not fail before, and only failed items are asked"
_NOT_RESENT = "in doubt: sent by an earlier run, no answer recorded; not sent again"


class ResumeOptions(NamedTuple):
    """What is done with items that an earlier run left behind; see ``run_batch``.

    Answers of ``stale`` shapes (by digest) are asked again, and so are those of a demonstration if ``has_model``.
    """

    in_doubt: InDoubt = "resend"
    accept_changes: bool = False
    only_failed: bool = False
    stale: frozenset[str] = frozenset()
    has_model: bool = False
    response_format: Any = None


class Decision(NamedTuple):
    """What becomes of an item: it is asked (nothing else set), or has its answer or its error.

    ``change`` describes content that changed under its id. ``resent`` says that it is asked although it was in doubt.
    """

    work: Work
    output: InferenceOutput | None = None
    error: Exception | None = None
    change: str | None = None
    resent: bool = False
    known: JournalEntry | None = None
    """The entry of an answer that is handed out."""

    @property
    def is_result(self) -> bool:
        """It is known what is handed out."""
        return self.output is not None or self.error is not None

    @property
    def asked(self) -> bool:
        """It is to be sent."""
        return self.output is None and self.error is None and self.change is None


class ResumePolicy:
    """Decides on groups of items by what the journal knows. It belongs to the journal's thread."""

    def __init__(self, journal: Journal, resume: ResumeOptions) -> None:
        self._journal = journal
        self._resume = resume

    def decide(self, group: Sequence[tuple[Work, Exception | None]]) -> tuple[list[Decision], list[JournalEntry]]:
        """A decision for each item, and the entries to be written before those that are asked are sent.

        An exception refuses its item.
        """
        decisions: list[Decision] = []
        entries: dict[int, JournalEntry] = {}
        waiting = []
        for work, error in group:
            if error is None:
                waiting.append(work)
            else:
                self._refuse(work, error, decisions, entries)
        while waiting:
            again: list[Work] = []  # copies of an item of this run, under names of their own
            found = self._journal.find([key_of(work) for work in waiting])
            for work in waiting:
                known = found.get(key_of(work))
                if known is None or known.run_number != self._journal.run_number:
                    if known is not None:
                        self._journal.spans.leave(known)
                    decision, entry = self._decide_one(work, known)
                    decisions.append(decision)
                    if known is not None and entry is not None and entry == _at_place_of(known, entry):
                        found[entry.key] = entry
                        self._journal.place(entry)
                        continue
                elif work.named:
                    twice = BatchError(f"id {work.key!r} was already used in this input; ids must differ")
                    self._refuse(work, twice, decisions, entries)
                    continue
                else:
                    self._journal.spans.note_copy(known)
                    entry = known._replace(copies=known.copies + 1)
                    again.append(work._replace(key=f"{work.key}#{entry.copies}"))
                if entry is not None:
                    entries[entry.row] = found[entry.key] = entry
            waiting = again
        return decisions, list(entries.values())

    def changes(self, works: Sequence[Work]) -> list[tuple[str, str]]:
        """Ids whose content is not the recorded one, with what differs."""
        found = self._journal.find([key_of(work) for work in works if work.named])
        return [
            (work.key, differing_part(known.digest, work.digest))
            for work in works
            if (known := found.get(key_of(work))) is not None and known.digest not in ("", work.digest)
        ]

    def _decide_one(self, work: Work, known: JournalEntry | None) -> tuple[Decision, JournalEntry | None]:
        """The decision on an item that this run has not met yet, and its new entry."""
        resume = self._resume
        if known is None:
            if resume.only_failed:
                return Decision(work, error=BatchError(_NOT_ASKED)), None
            return self._ask(work, JournalEntry(self._journal.new_row(), key_of(work)), resent=False)
        if work.named and known.digest not in ("", work.digest):
            if not resume.accept_changes:
                return Decision(work, change=differing_part(known.digest, work.digest)), None
            # Another question than the one recorded: what is known of that one says nothing of this.
            return self._ask(work, JournalEntry(known.row, known.key), resent=False)
        entry = known._replace(
            copies=1,
            run_number=self._journal.run_number,
            position=work.position,
            matter=work.matter or known.matter,
        )
        if known.kind == ANSWERED and known.record is not None:
            if known.shape in resume.stale:
                return self._ask(work, JournalEntry(known.row, known.key), resent=False)
            output = self._journal.answer(known)
            if not (resume.has_model and output.metadata.get("demo")):
                return self._hand_out(work, output)._replace(known=known), entry
            if not resume.only_failed:
                return self._ask(work, JournalEntry(known.row, known.key), resent=False)
        if resume.only_failed and not (known.kind == FAILED and known.sends == known.settled):
            return Decision(work, error=BatchError(_NOT_ASKED)), entry
        if known.in_doubt and resume.in_doubt == "skip":
            return Decision(work, error=BatchError(_NOT_RESENT)), entry
        return self._ask(work, entry, resent=known.in_doubt)

    def _hand_out(self, work: Work, output: InferenceOutput) -> Decision:
        wanted = work.params.get("response_format", self._resume.response_format)
        try:
            return Decision(work, output=restore_types(output, wanted))
        except ValueError as cause:
            error = BatchError(
                "the recorded answer does not fit the class that is the response format now: accept the changes to ask "
                "again, or give the class of before"
            )
            error.__cause__ = cause
            return Decision(work, error=error)

    def _ask(self, work: Work, entry: JournalEntry, *, resent: bool) -> tuple[Decision, JournalEntry]:
        entry = entry._replace(
            digest=work.digest if work.named else "",
            run_number=self._journal.run_number,
            position=work.position,
            sends=entry.sends + 1,
            matter=work.matter or entry.matter,
        )
        return Decision(work._replace(entry=entry), resent=resent), entry

    def _refuse(
        self, work: Work, error: Exception, decisions: list[Decision], entries: dict[int, JournalEntry]
    ) -> None:
        entry = JournalEntry(
            self._journal.new_row(),
            f"r:{work.position}",
            digest=work.key if work.named else "",
            run_number=self._journal.run_number,
            position=work.position,
            kind=REFUSED,
            matter=work.matter,
            record=encode_error(error),
        )
        entries[entry.row] = entry
        decisions.append(Decision(work, error=error))


def _at_place_of(known: JournalEntry, entry: JournalEntry) -> JournalEntry:
    """The known entry at the place of another."""
    return known._replace(run_number=entry.run_number, position=entry.position)


def key_of(work: Work) -> str:
    """The key of an item in the journal: an id and a digest can never be taken for each other."""
    return f"i:{work.key}" if work.named else f"d:{work.key}"
