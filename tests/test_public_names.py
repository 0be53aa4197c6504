"""The names that users import are the ones that the documentation lists, and each of them exists."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module, metadata

import pytest

import complaint_llm
import complaint_llm.backends

TOP_LEVEL = {
    "BatchResult",
    "Document",
    "Done",
    "InferenceOutput",
    "Mediator",
    "Message",
    "MessageMatcher",
    "MockResponse",
    "ModelInfo",
    "ReasoningDelta",
    "StreamError",
    "TextDelta",
    "TokenUsage",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallEnd",
    "ToolCallStart",
    "exceptions",
    "hookimpl",
    "load_config",
}
BACKENDS = {"Backend", "BaseBackend", "HTTPBackend", "register_backend"}
ERRORS = {
    "AllBackendsFailedError",
    "AuthenticationError",
    "BackendConnectionError",
    "BackendError",
    "BackendTimeoutError",
    "BatchError",
    "BudgetExceededError",
    "CircuitOpenError",
    "ComplaintLLMError",
    "ConfigError",
    "ContentFilterError",
    "ContextLengthError",
    "EvidenceCorruptedError",
    "EvidenceError",
    "EvidenceNotFoundError",
    "InvalidRequestError",
    "ModelNotFoundError",
    "PermissionDeniedError",
    "PluginError",
    "QuotaExceededError",
    "RateLimitError",
    "ResponseFormatError",
    "ServerError",
    "StreamInterruptedError",
}


def test_the_top_level_offers_what_is_documented_and_no_more() -> None:
    """Adding or losing a public name is a decision, not an accident."""
    assert set(complaint_llm.__all__) == TOP_LEVEL


@pytest.mark.parametrize("name", sorted(TOP_LEVEL))
def test_a_top_level_name_can_be_imported(name: str) -> None:
    """Each name is loaded when touched, from the module that defines it."""
    assert getattr(complaint_llm, name) is not None


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_backend_authors_find_their_bases(name: str) -> None:
    """What a backend author builds on stands in ``complaint_llm.backends``."""
    assert getattr(complaint_llm.backends, name) is not None


def test_the_guides_place_of_the_base_class_is_kept() -> None:
    """``complaint_llm.backends.base.BaseBackend`` is the same class as ``Backend``."""
    base = import_module("complaint_llm.backends.base")
    assert base.BaseBackend is complaint_llm.backends.Backend


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_every_documented_error_exists_and_hangs_below_the_root(name: str) -> None:
    """One ``except ComplaintLLMError`` catches everything that is raised on purpose."""
    assert issubclass(getattr(complaint_llm.exceptions, name), complaint_llm.exceptions.ComplaintLLMError)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The lazy look-up refuses what it does not know, as a module does."""
    with pytest.raises(AttributeError, match="no_such_name"):
        complaint_llm.no_such_name  # noqa: B018


def test_the_version_is_the_installed_one() -> None:
    """``__version__`` and the distribution's metadata agree."""
    assert complaint_llm.__version__ == metadata.version("complaint-llm")


def test_python_m_and_the_command_are_the_same_program() -> None:
    """``python -m complaint_llm --version`` answers with the version."""
    done = subprocess.run(
        [sys.executable, "-m", "complaint_llm", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert complaint_llm.__version__ in done.stdout
