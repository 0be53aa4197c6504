"""Secrets cannot be printed by accident."""

import base64
import html
import logging
import pickle
import sys
import traceback
import urllib.parse
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


ODD_KEYS = st.text(st.sampled_from("abcXYZ0189-_/+=.~%&"), min_size=12, max_size=60).filter(
    lambda key: len(set(key)) > 5
)
CLOTHES = {
    "whole": lambda key: key,
    "reversed": lambda key: key[::-1],
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(key.encode()).decode().rstrip("="),
    "base64 behind a word": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a pair": lambda key: base64.b64encode(f"user:{key}:x".encode()).decode(),
    "hex": lambda key: key.encode().hex(),
    "hex in capitals": lambda key: key.encode().hex().upper(),
    "percent-encoded": lambda key: urllib.parse.quote(key, safe=""),
    "in an address": lambda key: f"/v1?key={urllib.parse.quote(key)}&x=1",
    "escaped for JSON": lambda key: key.replace("/", "\\/"),
    "escaped for HTML": lambda key: html.escape(key),
    "all but four": lambda key: key[:-4],
    "the first half": lambda key: key[: len(key) // 2 + 1],
    "the last half": lambda key: key[len(key) // 2 - 1 :],
    "its middle": lambda key: key[len(key) // 5 : -len(key) // 5 or None],
}


@pytest.mark.parametrize("clothes", CLOTHES)
@given(key=ODD_KEYS)
@settings(max_examples=40, deadline=None)
def test_a_secret_in_other_clothes_is_cut_too(clothes: str, key: str) -> None:
    """However a server says it back: no run of half the key's length is left in any form."""
    shown = CLOTHES[clothes](key)
    text = Redactor([Secret(key)])(f"Incorrect API key provided: {shown}. Try again")
    assert text.startswith("Incorrect API key provided: ")
    assert text.endswith(" Try again")
    half = max(8, len(shown) // 2)
    assert not any(shown[at : at + half] in text for at in range(len(shown) - half + 1))


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_text_without_the_secret_stays_as_it_is(text: str) -> None:
    assert Redactor([Secret("\N{SNOWMAN}" * 3 + "a-key-of-nobody-0123456789")])(text) == text


def test_a_secret_is_not_pickled() -> None:
    """Nor is what holds one: another process fills it from its own environment."""
    for value in (Secret(CANARY), {"custom_headers": Secret(CANARY)}):
        with pytest.raises(TypeError, match="its own environment"):
            pickle.dumps(value)


@given(key=st.text(alphabet="abcdefgh01/+-", min_size=4, max_size=60), data=st.data())
@settings(max_examples=100, deadline=None)
def test_every_run_of_a_secret_that_is_long_enough_is_cut(key: str, data: st.DataObject) -> None:
    """Half of a short one, a third of a long one, from whatever place in it, and whatever stands around."""
    size = max(4, len(key) // 2 if len(key) < 16 else max(8, len(key) // 3))
    start = data.draw(st.integers(0, len(key) - size))
    around = st.text(alphabet="XYZ .", max_size=12)
    text = data.draw(around) + key[start : start + size] + data.draw(around)
    assert key[start : start + size] not in Redactor([Secret(key)])(text)


def test_a_text_without_a_secret_takes_few_steps() -> None:
    """Every error passes here, several times: what it costs where nothing is to be cut does not grow with the forms."""
    redact = Redactor([Secret(CANARY), Secret("another-secret-of-24-chars")])
    text = "127.0.0.1:4000 refused the connection: is the server running, and is base_url right? " * 10
    assert redact(text) == text
    steps = 0

    def count(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        redact(text)
    finally:
        sys.settrace(before)
    assert steps <= 10_000
