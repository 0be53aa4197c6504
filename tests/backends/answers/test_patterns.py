"""Patterns from outside are searched for within a deadline, while other threads go on."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from complaint_llm.backends.answers.patterns import compile_pattern, is_found
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendTimeoutError, CancelledError
from tests.sampled import sampled

# Each is known to take exponential or cubic time somewhere; what an engine is clever about is decided, and right.
SLOW = [
    (r"^(a+)+$", "a" * 5000 + "!"),
    (r"^(a|aa)+$", "a" * 60 + "!"),
    (r"^(a|a?)+$", "a" * 60 + "!"),
    (r"(x+x+)+y", "x" * 5000),
    (r"^(\w+\s?)*$", "word " * 2000 + "!"),
    (r"^([a-z]+)*\d$", "a" * 5000),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 5000),
    (r"^(a|b|ab)*c$", "ab" * 60),
    (r"^(?:(?:a|aa)(?:b|bb)?)+$", "a" * 60 + "!"),
    (r"^(.*?,){12}x$", "1," * 40),
    (r"^(?=(a|aa)+$)b", "a" * 60 + "!"),
    (r"^(?:a?){60}a{60}b$", "a" * 60),
    (r"^((a|aa)+)+\1$", "a" * 60 + "!"),
    (r"(.+)+@(.+)+\.com$", "a" * 60),
]
TIME = 0.3


@pytest.fixture
def beats() -> Iterator[list[float]]:
    """Moments at which another thread ran."""
    found: list[float] = []
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.005):
            found.append(time.monotonic())

    thread = threading.Thread(target=beat)
    thread.start()
    yield found
    stop.set()
    thread.join()


@pytest.mark.rows(4)
@pytest.mark.parametrize(("pattern", "text"), SLOW)
def test_a_search_ends_with_the_right_answer_or_at_the_deadline_and_other_threads_run(
    pattern: str, text: str, beats: list[float]
) -> None:
    """None of these texts fits. A yardstick of a hundred deadlines holds at any load."""
    started = time.monotonic()
    try:
        found = is_found(pattern, text, Deadline(TIME), CancelToken())
    except BackendTimeoutError:
        found = False
        alive = len([moment for moment in beats if moment > started]) > 5
    else:
        alive = True
    assert alive
    assert not found
    assert time.monotonic() - started < TIME * 100


def test_some_search_needs_the_deadline() -> None:
    """Else the deadline itself would not be tried above."""
    with pytest.raises(BackendTimeoutError) as caught:
        is_found(r"^(a|aa)+$", "a" * 60 + "!", Deadline(TIME), CancelToken())
    assert caught.value.maybe_received  # the answer was given, and is paid for


def test_a_search_that_is_cancelled_ends() -> None:
    """Long before its deadline."""
    cancel = CancelToken()
    timer = threading.Timer(0.2, cancel.cancel)
    timer.start()
    with pytest.raises(CancelledError):
        is_found(r"^(a|aa)+$", "a" * 60 + "!", Deadline(600), cancel)
    timer.join()


PIECES = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", "(a|b)", "(?:ab)", "^", "$", r"\b", "é", r"\."])
PATTERNS = st.lists(st.tuples(PIECES, st.sampled_from(["", "?", "*", "+", "{1,2}"])), max_size=5)


@given(PATTERNS, st.text("ab1 .é\n", max_size=8))
@sampled(80, of=1000, suppress_health_check=[HealthCheck.too_slow])
def test_a_pattern_means_what_it_means_to_python(pieces: list[tuple[str, str]], text: str) -> None:
    """Whatever it is made of."""
    pattern = "".join(piece if piece in ("^", "$", r"\b") else piece + times for piece, times in pieces)
    assert is_found(pattern, text, Deadline(60), CancelToken()) == (re.search(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"^\p{Lu}", "Übel"), (r"^\p{L}+$", "straße"), (r"(?<year>\d{4})", "in 2026"), (r"^[^\P{L}]$", "x")],
)
def test_what_json_schemas_dialect_has_beyond_pythons_is_understood(pattern: str, text: str) -> None:
    """ECMA-262 is what JSON Schema asks for."""
    compile_pattern(pattern)
    assert is_found(pattern, text, Deadline(60), CancelToken())


@pytest.mark.parametrize(
    "pattern", ["(", "[a", "a{2,1}", "*a", "(?P<1>a)", "\\", "(?<=a+", "a**", "(?z)", r"\p{Nonsense}"]
)
def test_what_is_no_pattern_is_a_value_error(pattern: str) -> None:
    """Before anything is searched for."""
    with pytest.raises(ValueError):
        compile_pattern(pattern)
