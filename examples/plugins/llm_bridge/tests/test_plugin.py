"""The suite of every backend, with the model ``echo`` of llm-echo, which needs no network."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from llm_bridge.plugin import LLMBridge

from complaint_llm import Mediator
from complaint_llm.exceptions import BackendError, InvalidRequestError
from complaint_llm.testing import BackendConformance


class TestBridge(BackendConformance):
    plugin = "llm_bridge.plugin"
    type_name = "llm"
    keys: ClassVar[Any] = {"model": "echo"}


def test_a_model_answers_through_a_mediator() -> None:
    """What it is asked comes back, whole and as a stream."""
    with Mediator([LLMBridge(id="bridge", model="echo")]) as mediator:
        assert "Is the clause valid?" in mediator.infer("Is the clause valid?").content
        assert "Is the clause valid?" in "".join(mediator.stream_generate("Is the clause valid?"))


def test_an_unknown_model_is_said_before_anything_is_sent() -> None:
    """With where to look."""
    with pytest.raises(InvalidRequestError, match="llm has no model 'no-such'") as raised:
        LLMBridge(id="bridge", model="no-such").generate("Hello")
    assert raised.value.sent is False


def test_a_missing_key_is_an_error_of_its_own() -> None:
    """The model ``echo-needs-key`` wants one."""
    with pytest.raises(BackendError, match="key"):
        LLMBridge(id="bridge", model="echo-needs-key").generate("Hello")
