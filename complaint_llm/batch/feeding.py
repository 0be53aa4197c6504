"""The thread that reads the input of a batch: it makes work of each item, and finds what the journal holds whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from complaint_llm.batch.input.items import Digest, ItemLike, LineError, as_item, check_prompt
from complaint_llm.batch.journal.spans import LENGTH, ItemSpan
from complaint_llm.batch.recorded import matching_span
from complaint_llm.batch.work import Work
from complaint_llm.request import EMPTY

if TYPE_CHECKING:
    from complaint_llm.batch.flow import Flow
    from complaint_llm.batch.journal.recorder import Recorder

MakeWork: TypeAlias = Callable[[int, ItemLike], tuple[Work, Exception | None]]
_Read: TypeAlias = tuple[Work, Exception | None]


def feed(
    flow: Flow,
    recorder: Recorder,
    items: Iterable[ItemLike],
    make_work: MakeWork,
    spans: Mapping[int, Sequence[ItemSpan]],
) -> None:
    """Read the input until it ends or nothing more is wanted; the only thread that touches it.

    Where it has one of ``spans`` (by their first place), LENGTH items are read at once and handed on as that.
    """
    try:
        flow.end(_read_all(flow, recorder, _Input(items, make_work), spans))
    except BaseException as error:
        flow.fault = error  # an item was counted and nobody knows of it, or nobody hears that there are no more
        raise


class _Input:
    """The items as work, with as many as were read ahead kept. ``error`` is what ended it, if it failed."""

    def __init__(self, items: Iterable[ItemLike], make_work: MakeWork) -> None:
        self.place = 0
        self.error: BaseException | None = None
        self._make_work = make_work
        self._numbers = 0
        self._ahead: deque[_Read] = deque()
        self._source: Iterator[ItemLike] | None = None
        try:
            self._source = iter(items)
        except BaseException as error:  # noqa: BLE001 - the input's error is raised where its results are awaited
            self.error = error

    def take(self) -> _Read | None:
        """The next item; None where there are no more."""
        if not self._ahead and not self._pull():
            return None
        self.place += 1
        return self._ahead.popleft()

    def look(self, number: int) -> Sequence[_Read]:
        """The next so many, or as many as there are; they stay."""
        while len(self._ahead) < number and self._pull():
            pass
        return tuple(self._ahead)[:number]

    def skip(self, number: int) -> None:
        """Those that were looked at are taken."""
        for _ in range(number):
            self._ahead.popleft()
        self.place += number

    def _pull(self) -> bool:
        if self._source is None:
            return False
        try:
            given = next(self._source)
        except StopIteration:
            self._source = None
            return False
        except BaseException as error:  # noqa: BLE001 - the same
            self.error, self._source = error, None
            return False
        self._ahead.append(self._make_work(self._numbers, given))
        self._numbers += 1
        return True


def _read_all(
    flow: Flow, recorder: Recorder, given: _Input, spans: Mapping[int, Sequence[ItemSpan]]
) -> BaseException | None:
    """Read until there is nothing more to read, or nothing more is wanted; the error of the input, if it failed."""
    while flow.admit():
        span, works = _span_at(given, spans)
        if span is not None:
            if not flow.enter(LENGTH):
                break
            given.skip(LENGTH)
            recorder.on_recorded(span, works)
            continue
        read = given.take()
        if read is None:
            return given.error
        if not flow.enter():
            break
        recorder.on_read(*read)
    return None


def _span_at(given: _Input, spans: Mapping[int, Sequence[ItemSpan]]) -> tuple[ItemSpan | None, Sequence[Work]]:
    """The span that the input has next, with its items."""
    known = spans.get(given.place)
    if known is None:
        return None, ()
    ahead = given.look(LENGTH)
    if len(ahead) < LENGTH or any(error is not None for _, error in ahead):
        return None, ()
    works = [work for work, _ in ahead]
    return matching_span(known, works), works


def work_of(position: int, given: ItemLike, digest: Digest, matter: str | None) -> tuple[Work, Exception | None]:
    """The work that an item makes, or, with an error, the item that makes none."""
    prompt = None if isinstance(given, Exception) else given
    work = Work(position, f"#{position}", prompt, params=EMPTY, digest="", named=False, matter=matter)
    if isinstance(given, LineError) and given.id is not None:
        work = work._replace(key=given.id, named=True)
    try:
        item = as_item(given)
        work = work._replace(prompt=item.prompt)
        if item.id is not None:
            work = work._replace(key=item.id, named=True)
        check_prompt(item.prompt, item.params)
        found = digest(item)
    except Exception as error:  # noqa: BLE001 - an item that cannot be read has this as its result
        return work, error
    own = item.params.get("matter")
    return (
        work._replace(
            key=work.key if work.named else found,
            params=item.params,
            digest=found,
            matter=own if isinstance(own, str) else matter,
        ),
        None,
    )
