"""Whether recorded answers were made under the settings of now."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from complaint_llm.batch.journal.journal import Journal
    from complaint_llm.batch.journal.shape import AnswerSettings


class SettingsChangedError(BatchError):
    """Recorded answers were made under other settings than those of now; nothing was asked."""


def changed_shapes(journal: Journal, settings: AnswerSettings, *, accept: bool) -> frozenset[str]:
    """The shapes (by digest) of recorded answers that the same backends would now give otherwise.

    Raises SettingsChangedError, naming what changed and how many answers it concerns, unless ``accept``. Answers of
    backends that are not there any more are kept, and a warning says so.
    """
    stale: set[str] = set()
    changed: dict[str, set[str]] = defaultdict(set)
    gone: dict[str, set[str]] = defaultdict(set)
    for shape in journal.answer_shapes():
        now = settings.shape(shape.backend)
        if now is None:
            gone[shape.backend].add(shape.digest)
            continue
        parts = shape.changed_parts(now)
        if parts:
            stale.add(shape.digest)
            changed[shape.backend].update(parts)
    for backend, digests in gone.items():
        logging.getLogger("complaint_llm.batch").warning(
            "%d recorded answers are kept though their backend %r is not there to compare settings with",
            journal.count_answers(digests),
            backend,
        )
    if stale and not accept:
        what = "; ".join(f"{', '.join(sorted(parts))} of backend {backend!r}" for backend, parts in changed.items())
        raise SettingsChangedError(
            f"{journal.path}: {journal.count_answers(stale):,} recorded answers were made under other settings: {what} "
            "changed; nothing was asked. Keep these answers (--keep, in Python keep=True), or ask them again "
            "(--accept-changes, accept_changes=True)"
        )
    return frozenset(stale)
