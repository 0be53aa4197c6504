"""The house in numbers: what users see, which way imports go, what one request takes."""

from __future__ import annotations

from benchmarks.house import calls_of_a_request, circles, files_to_a_backend, imports, late_imports, public_names
from complaint_llm import Mediator

CALLS = 196
"""Python functions that one mediated request over HTTP calls."""


def test_a_mediator_shows_few_names() -> None:
    """About thirty: what scripts call, and nothing of the inside."""
    names = set(public_names(Mediator))
    assert {"generate", "infer", "batch", "explain", "submit_evidence", "from_config"} <= names
    assert len(names) <= 35


def test_no_imports_go_in_circles() -> None:
    """Imports inside functions count, too."""
    assert circles(imports()) == []


def test_types_go_in_one_circle_alone() -> None:
    """A backend is a client, and clients ask backends; nothing else is tied to what is tied to it, by types either."""
    (circle,) = circles(imports(types=True))
    assert {"complaint_llm.backends.base", "complaint_llm.client.client"} <= set(circle)
    assert {name.split(".")[1] for name in circle} == {"backends", "client"}
    assert len(circle) <= 13


def test_an_import_inside_a_function_says_why() -> None:
    """It is an extra, or what a cold start should not pay for."""
    assert [f"{each.path}:{each.line}" for each in late_imports() if each.reason is None] == []


def test_a_request_takes_few_steps() -> None:
    assert calls_of_a_request() <= CALLS


def test_an_entry_becomes_a_backend_in_few_files() -> None:
    assert len(files_to_a_backend()) <= 13
