"""What becomes of items that were read, in view of what the journal knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from complaint_llm.batch.codec import decode_output, encode_error
from complaint_llm.batch.items import differing_part
from complaint_llm.batch.journal import ANSWERED, FAILED, REFUSED, ItemRow, Known, ResultRow
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from complaint_llm.batch.executors import Work
    from complaint_llm.batch.journal import Journal
    from complaint_llm.messages import InferenceOutput

InDoubt = Literal["resend", "skip", "error"]

_NOT_ASKED = "not asked: it did not fail before, and only failed items are asked"
_NOT_RESENT = "in doubt: sent by an earlier run, no answer recorded; not sent again"


class Resume(NamedTuple):
    """What is done with items that an earlier run left behind; see ``run_batch``."""

    in_doubt: InDoubt = "resend"
    accept_changes: bool = False
    only_failed: bool = False


class Verdict(NamedTuple):
    """What becomes of an item: it is asked (nothing else set), or has its answer or its error.

    ``change`` describes content that changed under its id. ``resent`` says that it is asked although it was in doubt.
    """

    work: Work
    output: InferenceOutput | None = None
    error: Exception | None = None
    change: str | None = None
    resent: bool = False

    @property
    def asked(self) -> bool:
        """It is to be sent."""
        return self.output is None and self.error is None and self.change is None


class Judge:
    """Judges groups of items and notes them in the journal; what is to be asked is marked as sent. One thread's own."""

    def __init__(self, journal: Journal, resume: Resume) -> None:
        self._journal = journal
        self._resume = resume

    def judge(self, group: Sequence[tuple[Work, Exception | None]]) -> list[Verdict]:
        """A verdict for each item; an exception refuses it."""
        verdicts: list[Verdict] = []
        rows: dict[int, ItemRow] = {}
        refused: list[ResultRow] = []
        changed: list[int] = []
        waiting = []
        for work, error in group:
            if error is None:
                waiting.append(work)
            else:
                verdicts.append(self._refuse(work, error, rows, refused))
        while waiting:
            again: list[Work] = []  # copies of an item of this run, under names of their own
            found = self._journal.find([_key(work) for work in waiting])
            for work in waiting:
                key = _key(work)
                known = found.get(key)
                if known is not None and known.item.run == self._journal.run:
                    if work.named:
                        twice = BatchError(f"id {work.key!r} was already used in this input; ids must differ")
                        verdicts.append(self._refuse(work, twice, rows, refused))
                        continue
                    item = known.item._replace(copies=known.item.copies + 1)
                    rows[item.row], found[key] = item, known._replace(item=item)
                    again.append(work._replace(key=f"{work.key}#{item.copies}"))
                    continue
                verdict, item_row = self._decide(work, known)
                verdicts.append(verdict)
                if verdict.change is None and item_row is not None:
                    rows[item_row.row], found[key] = item_row, Known(item_row, known.result if known else None)
                    if known is not None and item_row.digest != known.item.digest:
                        changed.append(item_row.row)
            waiting = again
        self._journal.forget_results(changed)
        self._journal.put_items(list(rows.values()))
        self._journal.put_results(refused)
        return verdicts

    def changes(self, works: Sequence[Work]) -> list[tuple[str, str]]:
        """Ids whose content is not the recorded one, with what differs; notes nothing."""
        named = [work for work in works if work.named]
        found = self._journal.find([_key(work) for work in named])
        return [
            (work.key, differing_part(found[_key(work)].item.digest, work.digest))
            for work in named
            if _key(work) in found and found[_key(work)].item.digest != work.digest
        ]

    def _decide(self, work: Work, known: Known | None) -> tuple[Verdict, ItemRow | None]:
        """The verdict on an item that this run has not met yet, and the row to be noted for it."""
        resume = self._resume
        if known is None:
            if resume.only_failed:
                return Verdict(work, error=BatchError(_NOT_ASKED)), None
            return self._ask(work, ItemRow(self._journal.new_row(), _key(work), "", 0, 1, 0, 0), resent=False)
        item, result = known
        if work.named and item.digest != work.digest:
            if not resume.accept_changes:
                return Verdict(work, change=differing_part(item.digest, work.digest)), None
            return self._ask(work, item._replace(sends=0), resent=False)
        seen = item._replace(copies=1, run=self._journal.run, position=work.position)
        if result is not None and result.kind == ANSWERED:
            return Verdict(work._replace(row=item.row), output=decode_output(result.record)), seen
        failed = result is not None and result.kind == FAILED and result.sends == item.sends
        if resume.only_failed and not failed:
            return Verdict(work, error=BatchError(_NOT_ASKED)), seen
        if known.in_doubt and resume.in_doubt == "skip":
            return Verdict(work, error=BatchError(_NOT_RESENT)), seen
        return self._ask(work, item, resent=known.in_doubt)

    def _ask(self, work: Work, item: ItemRow, *, resent: bool) -> tuple[Verdict, ItemRow]:
        marked = ItemRow(
            item.row, item.key, work.digest if work.named else "", item.sends + 1, 1, self._journal.run, work.position
        )
        return Verdict(work._replace(row=item.row, sends=marked.sends), resent=resent), marked

    def _refuse(self, work: Work, error: Exception, rows: dict[int, ItemRow], refused: list[ResultRow]) -> Verdict:
        row = self._journal.new_row()
        id_ = work.key if work.named else ""
        rows[row] = ItemRow(row, f"r:{work.position}", id_, 0, 1, self._journal.run, work.position)
        refused.append(ResultRow(row, REFUSED, False, 0, encode_error(error)))
        return Verdict(work, error=error)


def _key(work: Work) -> str:
    return f"i:{work.key}" if work.named else f"d:{work.key}"
