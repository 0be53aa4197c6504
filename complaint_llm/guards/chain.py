"""The guards of a config, in their order, and what they do to one call."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar

from complaint_llm.exceptions import GuardError
from complaint_llm.guards.guard import (
    Content,
    Guard,
    GuardedCall,
    GuardRefusal,
    GuardRequest,
    Need,
    PieceRestorer,
    TargetKind,
)
from complaint_llm.guards.wordless import without_words
from complaint_llm.guards.worker import EndedError, GuardThreads, LateError
from complaint_llm.messages import InferenceOutput

T = TypeVar("T")

DEFAULT_TIMEOUT = 5.0
"""Seconds that a guard may take for one call."""


class GuardEntry(NamedTuple):
    """A guard under the name by which errors and records call it. ``scope`` says for whom it stands: whatever leaves
    this machine, or everything; ``timeout`` is in seconds."""

    name: str
    guard: Guard
    scope: Literal["remote", "all"] = "remote"
    timeout: float = DEFAULT_TIMEOUT

    def applies_to(self, kind: TargetKind) -> bool:
        """Whether it stands before targets of this kind."""
        return self.scope == "all" or kind == "remote"


class GuardChain:
    """All guards of a config. Any thread may call it; ``close`` closes each and ends the threads that they ran on."""

    def __init__(self, entries: Sequence[GuardEntry]) -> None:
        self.entries = tuple(entries)
        self._threads = GuardThreads()
        self._stages = {
            kind: tuple(_stage(each) for each in self.entries if each.applies_to(kind)) for kind in _KINDS
        }
        remembers = any(stage.shared is None for stages in self._stages.values() for stage in stages)
        self._of_all_calls = None if remembers else CallGuards(self._stages, self._threads)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a batch whose cells the guards need as names."""
        return tuple(dict.fromkeys(column for entry in self.entries for column in entry.guard.columns))

    def for_call(self) -> CallGuards:
        """The guards at work on one call."""
        return self._of_all_calls or CallGuards(self._stages, self._threads)

    def close(self) -> None:
        """Close each guard. Raises what the first that cannot be closed raises, after all were."""
        self._threads.close()
        faults = []
        for entry in self.entries:
            try:
                entry.guard.close()
            except Exception as fault:  # noqa: BLE001 - the others are closed too
                faults.append(fault)
        if faults:
            raise faults[0]


class _Working(NamedTuple):
    """A guard at work, and which of its methods do anything of its own."""

    call: GuardedCall
    before: bool
    after: bool
    counts: bool

    @classmethod
    def of(cls, call: GuardedCall) -> _Working:
        """What this object does."""
        return cls(call, _overrides(call, "before"), _overrides(call, "after"), _overrides(call, "counts"))


class _Stage(NamedTuple):
    """A guard before targets of one kind, and the fields of a request that it is not shown. ``shared`` is what works on
    every call, where that remembers nothing of one."""

    entry: GuardEntry
    hidden: tuple[str, ...]
    shared: _Working | None


class CallGuards:
    """What the guards do to one call, and what they remember of it. One thread uses it at a time.

    Whatever goes wrong in a guard is a GuardError, which says nothing of the client's words.
    """

    __slots__ = ("_stages", "_threads", "_working")

    def __init__(self, stages: Mapping[TargetKind, Sequence[_Stage]], threads: GuardThreads) -> None:
        self._stages = stages
        self._threads = threads
        self._working: dict[str, _Working] = {}

    def applies_to(self, kind: TargetKind) -> bool:
        """Whether any guard stands before targets of this kind."""
        return bool(self._stages[kind])

    def bars(self, kind: TargetKind, content: Content) -> str | None:
        """The name of a guard that does not look into such content, and so lets it not go; None where all may."""
        return next((entry.name for entry, *_ in self._stages[kind] if content not in entry.guard.accepts), None)

    def before(self, kind: TargetKind, request: GuardRequest) -> GuardRequest:
        """What may be sent to targets of this kind; the same object where no guard changed it. Raises GuardError."""
        for entry, hidden, shared in self._stages[kind]:
            working = shared or self._begun(entry)
            if not working.before:
                continue
            given = request
            for field in hidden:
                if getattr(request, field):  # what is empty needs not be hidden
                    given = request._replace(**{each: _EMPTY[each] for each in hidden})
                    break
            found = self._in_time(entry, "nothing was sent", working.call.before, given, kind)
            if found is given:
                continue
            _check(entry, found, GuardRequest, "before", "nothing was sent")
            # What it made up where it was shown nothing is not taken.
            request = found._replace(**{field: getattr(request, field) for field in hidden})
        return request

    def after(self, kind: TargetKind, output: InferenceOutput) -> InferenceOutput:
        """The answer as the caller gets it, the last guard first. Raises GuardError."""
        for entry, _, shared in reversed(self._stages[kind]):
            working = shared or self._begun(entry)
            if working.after:
                output = self._in_time(entry, _NOT_HANDED_OUT, working.call.after, output)
                _check(entry, output, InferenceOutput, "after", _NOT_HANDED_OUT)
        return output

    def pieces(self, kind: TargetKind, form: Literal["text", "json"]) -> Sequence[PieceRestorer]:
        """What changes the pieces of one streamed text, in the order in which it is done."""
        found = []
        for entry, _, shared in reversed(self._stages[kind]):
            working = shared or self._begun(entry)
            restorer = _result(entry, partial(working.call.pieces, form), _NOT_HANDED_OUT)
            if restorer is not None:
                found.append(_CheckedRestorer(entry, restorer))
        return found

    def report(self, kind: TargetKind) -> list[dict[str, Any]]:
        """Which guards stood before the answer, their versions, and how often each did what. Raises GuardError."""
        found = []
        for entry, _, shared in self._stages[kind]:
            working = shared or self._begun(entry)
            counts = _result(entry, partial(_counts, working.call), _NOT_HANDED_OUT) if working.counts else {}
            found.append({"name": entry.name, "version": entry.guard.version, "counts": counts})
        return found

    def _in_time(self, entry: GuardEntry, so: str, work: Callable[..., T], *given: Any) -> T:
        """What ``work(*given)`` returns. Raises GuardError."""
        began = time.monotonic()
        try:
            if entry.guard.keeps_time:
                value = work(*given)
            else:
                value = self._threads.do(partial(work, *given), entry.timeout)
        except LateError:
            raise self._too_slow(entry, so) from None
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - a guard's fault of any kind
            raise _guard_error(entry, fault, so) from _cause(fault)
        if time.monotonic() - began > entry.timeout:
            raise self._too_slow(entry, so)
        return value

    def _too_slow(self, entry: GuardEntry, so: str) -> GuardError:
        said = f"guard {entry.name!r} took longer than its timeout of {entry.timeout:g} s; {so}"
        return GuardError(said, guard=entry.name)

    def _begun(self, entry: GuardEntry) -> _Working:
        """The guard at work on this call."""
        known = self._working.get(entry.name)
        if known is None:
            try:
                known = self._working[entry.name] = _Working.of(entry.guard.for_call())
            except (Exception, SystemExit) as fault:  # noqa: BLE001 - a guard's fault of any kind
                raise _guard_error(entry, fault, "nothing was sent") from _cause(fault)
        return known


class _CheckedRestorer:
    """A guard's restorer of pieces, whose faults are the guard's."""

    def __init__(self, entry: GuardEntry, restorer: PieceRestorer) -> None:
        self._entry = entry
        self._restorer = restorer

    def feed(self, piece: str) -> str:
        return _result(self._entry, partial(self._restorer.feed, piece), _NOT_HANDED_OUT)

    def flush(self) -> str:
        return _result(self._entry, self._restorer.flush, _NOT_HANDED_OUT)


def _result(entry: GuardEntry, work: Callable[[], T], so: str) -> T:
    """What ``work()`` returns. Raises GuardError."""
    try:
        return work()
    except (Exception, SystemExit) as fault:  # noqa: BLE001 - a guard's fault of any kind
        raise _guard_error(entry, fault, so) from _cause(fault)


def _guard_error(entry: GuardEntry, fault: BaseException, so: str) -> GuardError:
    """The error that says what came of it: a refusal in the guard's words, a fault by its class alone, for its message
    may hold the client's words."""
    if isinstance(fault, GuardRefusal):
        return GuardError(f"guard {entry.name!r} refused: {fault}; {so}", guard=entry.name)
    kind = type(fault.__cause__ if isinstance(fault, EndedError) else fault)
    return GuardError(f"guard {entry.name!r} failed ({kind.__name__}); {so}", guard=entry.name)


def _cause(fault: BaseException) -> BaseException | None:
    return None if isinstance(fault, GuardRefusal) else without_words(fault)


_NOT_HANDED_OUT = "its answer is not handed out"
_KINDS: tuple[TargetKind, ...] = ("local", "remote")
_EMPTY: Mapping[str, Any] = GuardRequest()._asdict()
_FIELDS: tuple[tuple[Need, str], ...] = (
    ("messages", "messages"),
    ("tools", "tools"),
    ("response_format", "schema"),
    ("messages", "parameters"),
    ("names", "names"),
    ("matter", "matter"),
)


def _stage(entry: GuardEntry) -> _Stage:
    guard = entry.guard
    hidden = tuple(field for need, field in _FIELDS if need not in guard.needs)
    return _Stage(entry, hidden, None if _overrides(guard, "for_call") else _Working.of(guard))


def _counts(call: GuardedCall) -> dict[str, int]:
    return dict(call.counts())


def _overrides(call: GuardedCall, method: str) -> bool:
    """Whether there is anything of its own."""
    return getattr(type(call), method, None) is not getattr(Guard, method)


def _check(entry: GuardEntry, found: object, wanted: type, method: str, so: str) -> None:
    if not isinstance(found, wanted):
        said = f"guard {entry.name!r} failed: {method}() gave a {type(found).__name__}, not a {wanted.__name__}; {so}"
        raise GuardError(said, guard=entry.name)
