"""Deadlines and cancellation."""

import subprocess
import sys
import time

import pytest

from complaint_llm.call import CancelToken, Deadline, times_of_call_name


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


NAMES = """
import os, sys
from complaint_llm.call import Deadline
if sys.argv[1] == "used":
    Deadline(1).call_id
for _ in range(3):
    read, write = os.pipe()
    if os.fork() == 0:
        for _ in range(5):
            os.write(write, Deadline(1).call_id.encode() + b"\\n")
        os._exit(0)
    os.wait()
    sys.stdout.write(os.read(read, 1000).decode())
for _ in range(5):
    print(Deadline(1).call_id)
"""


@pytest.mark.parametrize("before", ["used", "unused"])
def test_calls_of_forked_processes_have_names_of_their_own(before: str) -> None:
    """Of three children and their parent, whether or not it had named a call before they were forked."""
    done = subprocess.run([sys.executable, "-c", NAMES, before], capture_output=True, text=True, check=True)
    names = done.stdout.split()
    assert len(names) == 20
    assert len(set(names)) == 20
    assert all(len(name) == 32 for name in names)


def test_all_attempts_of_a_call_have_its_name() -> None:
    """And another call has another."""
    call = Deadline(10)
    first, second = Deadline(1, of_call=call), Deadline(1, of_call=Deadline(1, of_call=call))
    assert first.call_id == second.call_id == call.call_id
    assert Deadline(10).call_id != call.call_id


@pytest.mark.parametrize("letters", [1, 2, 5, 8, 10, 11, 12, 20, 32])
def test_the_time_of_a_call_is_in_its_name(letters: int) -> None:
    """However few letters are given, the time at which the name was made is within what they say."""
    before = time.time()
    names = {Deadline(1.0).call_id for _ in range(50)}
    after = time.time()
    assert len(names) == 50
    for name in names:
        assert len(name) == 32
        found = times_of_call_name(name[:letters])
        assert found is not None
        assert found[0] <= after
        assert before < found[1]
        assert letters < 11 or found[1] - found[0] < 0.002


@pytest.mark.parametrize("other", ["", "c4", "x", "19F", " 1", "-1", "0x1", "1_0", "١", "g" * 32])
def test_what_is_no_name_of_ours_has_no_time(other: str) -> None:
    """Unless it is hex: then all that is said is when such a name would have been given."""
    assert (times_of_call_name(other) is None) == (other != "c4")
