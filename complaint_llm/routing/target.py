"""What the attempt loop needs to know of a backend, and what a policy and a strategy are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import EmbeddingRequest, Request

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from complaint_llm.exceptions import BackendError
    from complaint_llm.messages import EmbeddingOutput, InferenceOutput, StreamEvent

AnyRequest = Request | EmbeddingRequest


class EventStream(Protocol):
    """A running streamed answer. One thread iterates; ``close()`` may come from any thread and frees the connection.

    It ends with exactly one ``Done``; whatever else ends it raises a BackendError from ``__next__``.
    """

    def __iter__(self) -> Iterator[StreamEvent]: ...
    def __next__(self) -> StreamEvent: ...
    def close(self) -> None: ...


class Outcome(NamedTuple):
    """How an attempt ended. ``output`` of an answer, ``error`` of a failure; both None: it was never started."""

    seconds: float
    output: InferenceOutput | EmbeddingOutput | None = None
    error: BackendError | None = None


class Estimate(NamedTuple):
    """What an attempt may use at most, guessed before it is sent.

    ``prompt_tokens`` is an estimate; ``completion_tokens`` the most that may be answered, None where nothing bounds it;
    ``cost`` in US dollars for all of it, None where a price or the bound is unknown.
    """

    prompt_tokens: int
    completion_tokens: int | None = None
    cost: float | None = None


class PolicyState(NamedTuple):
    """A policy as it stands, for people: a line, and whether an attempt would be admitted now."""

    name: str
    line: str
    ready: bool = True


class LoadWatcher(Protocol):
    """Something that keeps an order of loads."""

    def load_changed(self) -> None: ...


class Load(Protocol):
    """How busy and how quick a backend is.

    One that has ``watch(watcher: LoadWatcher)`` calls ``watcher.load_changed()`` after each change, without keeping the
    watcher alive; one that has not is looked at for every request.
    """

    @property
    def in_flight(self) -> int:
        """Attempts under way, those that wait for a limit included."""
        ...

    @property
    def latency(self) -> float | None:
        """Decaying average of the seconds that answers took; None before the first."""
        ...


class Permit(Protocol):
    """Leave to make one attempt; it is settled exactly once."""

    def settle(self, outcome: Outcome) -> None: ...


class Policy(Protocol):
    """One rule that guards a backend. Any thread may call it; it holds no lock while it waits."""

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit | BackendError | None:
        """Admit the attempt, waiting at most ``max_queue_wait`` seconds (and never beyond ``request.deadline``).

        ``max_queue_wait`` is FOREVER only where no other backend is left.
        Returns None where nothing needs settling. A refusal is a BackendError with ``sent=False``, raised or returned.
        """
        ...

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        """How it stands now, for ``request`` where one is given; changes nothing."""
        ...


class RetryPolicy(NamedTuple):
    """How often and how patiently the same backend is tried again. Delays in seconds."""

    max_retries: int = 2
    delay: float = 0.5
    max_delay: float = 8.0
    exponential: bool = True
    on_status: frozenset[int] | None = None
    """Statuses to retry instead of the usual ones; None means the usual ones."""
    on_rate_limit: bool = True


class Target(Protocol):
    """A backend that makes attempts itself, as the attempt loop sees it."""

    @property
    def id(self) -> str: ...
    @property
    def timeout(self) -> float | None: ...
    @property
    def retry(self) -> RetryPolicy: ...
    @property
    def policies(self) -> Sequence[Policy]: ...
    @property
    def weight(self) -> float: ...

    @property
    def demo(self) -> bool:
        """Whether it answers without a model."""
        ...

    @property
    def local(self) -> bool:
        """Whether what it is asked stays on this machine (by type or by ``location``; agent CLIs never)."""
        ...

    @property
    def meter(self) -> Load:
        """How busy and how quick it is."""
        ...

    @property
    def cancellable(self) -> bool:
        """Whether an attempt ends at once when its token is cancelled. What does not is never hedged."""
        ...

    def lacks(self, request: AnyRequest) -> str | None:
        """What this backend cannot do for the request, as a phrase ("no images"), or None."""
        ...

    def estimate(self, request: AnyRequest) -> Estimate:
        """What an attempt may use at most, with this backend's own defaults applied."""
        ...

    @property
    def embedding_model(self) -> str | None:
        """The model whose vectors it gives where a call names none; None if it has none."""
        ...

    def context_window(self, request: AnyRequest) -> int | None:
        """How many tokens a prompt may have at the model that the request goes to; None where that is unknown."""
        ...

    @property
    def form_group(self) -> Hashable:
        """Targets with the same one are asked the same, where what is asked depends on who is asked (``Forms`` of
        ``request``). It stays what it is."""
        ...

    @property
    def cache_ttl(self) -> float | None:
        """Seconds for which its answers may be given again; None: as long as the cache keeps them."""
        ...

    def cache_identity(self, request: Request) -> str | None:
        """What an answer depends on beside the request (backend, model, plugin version, defaults). None: not cached."""
        ...

    def request_to(self, request: Request) -> Request:
        """What this target is asked: the request, or the form of it that this target is to be shown."""
        ...

    def attempt(self, request: Request) -> InferenceOutput: ...
    def attempt_stream(self, request: Request) -> EventStream: ...
    def attempt_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput: ...


class Rankable(Protocol):
    """What a strategy asks of those that it puts into order: backends, or groups of them."""

    @property
    def id(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def demo(self) -> bool: ...
    @property
    def local(self) -> bool: ...
    @property
    def meter(self) -> Load: ...

    def lacks(self, request: AnyRequest) -> str | None:
        """What cannot be done for the request, as a phrase ("no images"), or None."""
        ...

    def estimate(self, request: AnyRequest) -> Estimate:
        """What an attempt may use at most."""
        ...


C = TypeVar("C", bound=Rankable)


class Strategy(Protocol):
    """Puts targets into the order in which they are tried; what it leaves out is not tried. Any thread may call it.

    A strategy may have an attribute ``max_queue_wait``: how many seconds a full local limit may hold a call while other
    targets are left (without it, as long as it takes).
    """

    def order(self, targets: Sequence[C], request: AnyRequest) -> Iterable[C]:
        """The targets in their order: a sequence, or an iterator, of which no more is taken than the call needs.

        ``targets`` is the same object in every call, and unchanged, for as long as the group is: what depends on it
        alone may be kept.
        """
        ...
