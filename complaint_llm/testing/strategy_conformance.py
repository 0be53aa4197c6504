"""What every strategy must do, as a pytest class: subclass it and name the plugin.

>>> class TestMine(StrategyConformance):
...     plugin = "my_package.plugin"
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from complaint_llm.backends import Backend, Deadline
from complaint_llm.call import CancelToken
from complaint_llm.client.route import Route
from complaint_llm.exceptions import ServerError
from complaint_llm.mediator import Mediator
from complaint_llm.messages import InferenceOutput, Message
from complaint_llm.request import EmbeddingRequest, Request
from complaint_llm.testing.expectations import in_threads
from complaint_llm.testing.offer_conformance import OfferConformance

if TYPE_CHECKING:
    from complaint_llm.routing.target import Strategy


class AnsweringBackend(Backend):
    """Answers with its id, or fails if it is called ``failing``."""

    def answer(self, request: Request) -> InferenceOutput:
        if self.id == "failing":
            raise ServerError("it is down")
        return InferenceOutput(self.id)


class StrategyConformance(OfferConformance):
    """The suite. ``leaves_out`` says that a strategy means not to try some targets."""

    hook = "complaint_llm_strategies"
    leaves_out: ClassVar[bool] = False

    def strategy(self) -> Strategy:
        """A strategy of its own, as a Mediator gets one."""
        made: Strategy = self.offer()()
        return made

    def test_it_gives_targets_that_it_was_given(self) -> None:
        """Each at most once, and nothing else."""
        for count in (1, 2, 5):
            targets = _targets(count)
            order = _order(self.strategy(), targets)
            known = {id(each) for each in targets}
            assert all(id(each) in known for each in order), "it gives what it was not given"
            assert len({id(each) for each in order}) == len(order), "it gives a target twice"

    def test_it_leaves_nobody_out(self) -> None:
        """Who is left out is never tried: unless that is meant, all are there."""
        if self.leaves_out:
            return
        targets = _targets(5)
        strategy = self.strategy()
        for _ in range(10):
            assert sorted(each.id for each in _order(strategy, targets)) == sorted(each.id for each in targets)

    def test_it_has_somebody_where_there_is_somebody(self) -> None:
        """A strategy that gives nobody ends every call."""
        for count in (1, 3):
            assert _order(self.strategy(), _targets(count)), "it gives nobody"

    def test_it_manages_with_none(self) -> None:
        """An empty group is an empty order, not an error."""
        assert _order(self.strategy(), []) == []

    def test_it_leaves_the_targets_as_they_are(self) -> None:
        """``targets`` is the same object in every call: it is not sorted in place."""
        targets = _targets(4)
        before = list(targets)
        _order(self.strategy(), targets)
        assert targets == before, "order() changed the list that it was given"

    def test_it_orders_embeddings_too(self) -> None:
        """What it looks at of a request must be there in both kinds."""
        targets = _targets(3)
        request = EmbeddingRequest(("a",), deadline=Deadline(60), cancel=CancelToken())
        assert list(self.strategy().order(targets, request))

    def test_each_mediator_has_its_own(self) -> None:
        """The hook gives a factory: two Mediators must not share a turn."""
        assert callable(self.offer()), "the hook gives an object, where a class or factory belongs"
        assert self.strategy() is not self.strategy(), "the factory gives the same object again"

    def test_many_threads_may_use_it(self) -> None:
        """Sixteen at once: each gets a whole order."""
        strategy, targets = self.strategy(), _targets(4)
        orders = in_threads(lambda _: sorted(each.id for each in _order(strategy, targets)), 512)
        if not self.leaves_out:
            assert all(order == sorted(each.id for each in targets) for order in orders)

    def test_it_answers_through_a_mediator(self) -> None:
        """Where one is down another answers, in every call."""
        if self.leaves_out:
            return
        backends = [AnsweringBackend(id=name, max_retries=0) for name in ("failing", "second", "third")]
        with Mediator(backends, strategy=self.strategy()) as mediator:
            for _ in range(6):
                assert mediator.infer("Hello").content in ("second", "third")


def _targets(count: int) -> list[Any]:
    return [Route(AnsweringBackend(id=f"b{number}", max_retries=0).backend_target) for number in range(count)]


def _order(strategy: Strategy, targets: Sequence[Any]) -> list[Any]:
    request = Request((Message("user", "Hello"),), deadline=Deadline(60), cancel=CancelToken())
    # An iterator may go on and on; no more is taken than a call could need.
    return list(islice(iter(strategy.order(targets, request)), 2 * len(targets) + 1))
