"""Secrets cannot be printed by accident."""

import logging
import traceback

import pytest

from complaint_llm.secrets import Redactor, Secret

CANARY = "sk-canary-0123456789"


@pytest.mark.parametrize(
    "shown",
    [
        str(Secret(CANARY)),
        repr(Secret(CANARY)),
        f"{Secret(CANARY)}",
        f"{Secret(CANARY)!r:>40}",
        "{}".format(Secret(CANARY)),  # noqa: UP032 - the method itself is tried
        repr({"key": Secret(CANARY)}),
        repr([Secret(CANARY)]),
    ],
)
def test_a_secret_shows_as_stars(shown: str) -> None:
    """Every way of formatting hides it."""
    assert CANARY not in shown
    assert "***" in shown


def test_a_traceback_with_locals_hides_it() -> None:
    """A local variable that holds a secret does not betray it."""

    def fail(secret: Secret) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no") as caught:
        fail(Secret(CANARY))
    text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert CANARY not in text.replace(f"{__file__}", "")
    assert "secret = ***" in text


def test_logging_hides_it(caplog: pytest.LogCaptureFixture) -> None:
    """Also as an argument of a log call."""
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("x").debug("key is %s", Secret(CANARY))
    assert CANARY not in caplog.text


def test_the_redactor_cuts_secrets_out_of_foreign_text() -> None:
    """Longer secrets first, so that one inside another leaves no rest; very short ones are left alone."""
    redact = Redactor([Secret("abcdef"), Secret("abcdefgh"), Secret("xyz"), None])
    assert redact("key abcdefgh and abcdef and xyz") == "key *** and *** and xyz"
    assert "abcdef" not in repr(redact)


def test_secrets_compare_by_value() -> None:
    """Two secrets are the same if their texts are; a text is no secret."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert not Secret("")
