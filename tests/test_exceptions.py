"""The error tree: documented, picklable, bounded."""

import pickle

import pytest

from complaint_llm import exceptions
from complaint_llm.messages import Attempt

CLASSES = [value for value in vars(exceptions).values() if isinstance(value, type) and issubclass(value, Exception)]


def test_the_drawn_tree_is_the_real_one() -> None:
    """The picture at the top of the module names every class, each below its parent."""
    drawn = (exceptions.__doc__ or "").splitlines()
    places = {}
    for line in drawn:
        stripped = line.lstrip("│ ├└─")
        if stripped.split(" ")[0].endswith("Error"):
            places[stripped.split(" ")[0]] = len(line) - len(stripped)
    assert set(places) == {kind.__name__ for kind in CLASSES}
    for kind in CLASSES:
        parent = kind.__mro__[1]
        if parent.__name__ in places:
            assert places[kind.__name__] == places[parent.__name__] + 4, kind


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_survives_pickling(kind: type[Exception]) -> None:
    """Errors cross process borders with all their facts."""
    error = kind("what happened")
    if isinstance(error, exceptions.BackendError):
        attempts = [Attempt("a", "x", 1)]
        error = kind("what happened", backend="a", model="m", status=429, retry_after=1.5, attempts=attempts)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_all_failed_prints_a_line_per_attempt() -> None:
    """The last resort error says what each backend said."""
    error = exceptions.AllBackendsFailedError(
        "none of 2 backends answered", attempts=[Attempt("a", "refused", 0.1), Attempt("b", "HTTP 500", 2)]
    )
    assert str(error).splitlines() == ["none of 2 backends answered", "  a: refused (0.10 s)", "  b: HTTP 500 (2.00 s)"]


def test_timeouts_and_config_errors_are_the_builtin_kinds_too() -> None:
    """``except TimeoutError`` and ``except ValueError`` work as scripts expect."""
    assert issubclass(exceptions.BackendTimeoutError, TimeoutError)
    assert issubclass(exceptions.ConfigError, ValueError)


def test_config_error_keeps_every_problem() -> None:
    """``problems`` has a line per fault, at least the message."""
    assert exceptions.ConfigError("a").problems == ("a",)
    assert exceptions.ConfigError("2 faults", ["x", "y"]).problems == ("x", "y")
