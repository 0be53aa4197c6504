"""What every observer must do, as a pytest class: subclass it and name the plugin.

>>> class TestMine(ObserverConformance):
...     plugin = "my_package.plugin"
"""

from __future__ import annotations

from complaint_llm.exceptions import ConfigError
from complaint_llm.mediator import Mediator
from complaint_llm.observers.observer import AnswerEvent, AttemptEvent, BatchEvent, Event, Observer, RequestEvent
from complaint_llm.testing.expectations import error_of
from complaint_llm.testing.mock import MockBackend
from complaint_llm.testing.offer_conformance import OfferConformance
from complaint_llm.testing.steady_clock import running_clock

EVENTS: tuple[Event, ...] = (
    RequestEvent("call-1", 1.7e9, "infer", 1),
    RequestEvent("call-2", 1.7e9, "stream", 2, 1, "first", "small", "claims", "2026-0417", True),
    RequestEvent("call-3", 1.7e9, "embed", 1),
    AttemptEvent("call-2", 1, "first", "ServerError", 0.2, True, True),
    AttemptEvent("call-2", 2, "second", None, 0.1, True, False, "2026-0417"),
    AttemptEvent("call-2", 3, "third", "BackendError", 0.0, False, False),
    AnswerEvent("call-1", 1.7e9, "infer", 0.3, "BackendError", 500),
    AnswerEvent("call-2", 1.7e9, "stream", 0.3, backend="second", cost=0.01, finish_reason="stop", first_piece=0.1),
    BatchEvent("batch-1", 1.7e9, "begin", {}),
    BatchEvent("batch-1", 1.7e9, "end", {"answered": 2, "cut": 1}, 0.5, 3.0),
)
MOST_SECONDS = 1.0
"""For ten thousand events: what comes faster than it is taken is dropped."""


class ObserverConformance(OfferConformance):
    """The suite."""

    hook = "complaint_llm_observers"

    def observer(self) -> Observer:
        """An observer of its own, made from ``keys``."""
        made: Observer = self.offer()(**self.keys)
        return made

    def test_it_says_what_it_is(self) -> None:
        """An Observer with a version."""
        observer = self.observer()
        assert isinstance(observer, Observer), f"{type(observer).__name__} is no Observer"
        assert isinstance(observer.version, str), "version is no text"
        observer.close()

    def test_an_unknown_key_is_refused(self) -> None:
        """A mistyped key is a fault of the config, not one that is passed over."""
        error = error_of(lambda: self.offer()(**{**self.keys, "no_such_key": 1}))
        assert isinstance(error, (TypeError, ConfigError)), f"{type(error).__name__} where a ConfigError belongs"

    def test_it_takes_every_event(self) -> None:
        """Those with much and those with little in them."""
        observer = self.observer()
        for event in EVENTS:
            _tell(observer, event)
        observer.close()

    def test_it_is_quick(self) -> None:
        """Ten thousand events in a second."""
        observer = self.observer()
        with running_clock() as clock:
            for _ in range(1000):
                for event in EVENTS:
                    _tell(observer, event)
            took = clock()
        observer.close()
        assert took < MOST_SECONDS, f"it took {took:.1f} s"

    def test_it_may_be_closed_without_an_event(self) -> None:
        """A program that asks nothing ends well."""
        self.observer().close()

    def test_a_call_goes_on_as_without_it(self) -> None:
        """Beside a Mediator."""
        with Mediator([MockBackend(id="offline", echo=True)], observers=[self.observer()]) as mediator:
            assert mediator.infer("Hello").content == "Hello"


def _tell(observer: Observer, event: Event) -> None:
    if isinstance(event, RequestEvent):
        observer.request(event)
    elif isinstance(event, AttemptEvent):
        observer.attempt(event)
    elif isinstance(event, AnswerEvent):
        observer.answer(event)
    else:
        observer.batch(event)
