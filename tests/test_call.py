"""Deadlines and cancellation."""

from complaint_llm.call import CancelToken, Deadline


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_deadline_counts_down() -> None:
    """What remains shrinks with the clock and goes below zero."""
    clock = Clock()
    deadline = Deadline(5, clock)
    clock.now += 6
    assert deadline.remaining() == -1


def test_a_paused_deadline_stands_still() -> None:
    """The time that a consumer holds a piece does not count, however often it pauses or resumes twice."""
    clock = Clock()
    deadline = Deadline(5, clock)
    clock.now += 1
    deadline.pause()
    deadline.pause()
    clock.now += 100
    assert deadline.remaining() == 4
    deadline.resume()
    deadline.resume()
    clock.now += 1
    assert deadline.remaining() == 3
    assert deadline.at == clock.now + 3


def test_a_share_never_outlives_the_whole() -> None:
    """``within`` gives the shorter of the two."""
    clock = Clock()
    whole = Deadline(5, clock)
    assert whole.within(3).remaining() == 3
    assert whole.within(9).remaining() == 5
    assert whole.within(None).remaining() == 5


def test_cancelling_runs_each_callback_once() -> None:
    """The first cancel decides; later ones do nothing."""
    token = CancelToken()
    ran: list[str] = []
    token.attach(lambda: ran.append("a"))
    token.cancel("first")
    token.cancel("second")
    assert (ran, token.cancelled, token.reason) == (["a"], True, "first")


def test_a_callback_attached_too_late_runs_at_once() -> None:
    """Nothing slips between the cancel and the attach."""
    token = CancelToken()
    token.cancel()
    ran: list[str] = []
    token.attach(lambda: ran.append("late"))
    assert ran == ["late"]


def test_a_detached_callback_does_not_run() -> None:
    """A connection that went back to the pool is not shut down by an old token."""
    token = CancelToken()
    ran: list[str] = []

    def callback() -> None:
        ran.append("x")

    token.attach(callback)
    assert token.detach(callback)
    assert not token.detach(callback)
    token.cancel()
    assert ran == []
