"""What MEDIATOR or a call requires of how data is handled is kept to, under every strategy and in every way to ask."""

from __future__ import annotations

import sys

import pytest

from tests.end_to_end.test_privacy import run

PROGRAM = [sys.executable, "-W", "error", "-m", "tests.end_to_end.requires_program"]
KINDS = ("infer", "stream", "batch", "embed", "backend", "chain", "shared", "inline", "nested", "hedge")
LONG = [pytest.param(seed, 250, marks=pytest.mark.endurance) for seed in range(100, 104)]


@pytest.mark.parametrize(("seed", "part"), [(1, 20), *LONG])
def test_nothing_reaches_whoever_is_not_known_to_keep_to_it(seed: int, part: int) -> None:
    """Random configs (1,000 in the long runs): by fallback, hedge, nested and inline parts, ``backend=``, streams,
    embeddings, batches and probes. An audit hook sees no connection to a backend that is excluded, and no server is
    sent the word of an ask that excludes it; one that is not excluded answers where it is named."""
    told = run(*PROGRAM, str(seed), str(part))
    assert told["wrong"] == []
    assert told["configs"] == part
    assert told.get("not loaded", 0) < part / 20, told
    assert told["barred"] > part
    assert told["answered"] > part / 2
    assert told["refused"] > part / 2
    assert told["connections"] > part
    assert told["words"] > part
    assert told["probes"] > part / 10
    # Each kind of ask reached somebody.
    assert [kind for kind in KINDS if told.get(f"sent: {kind}", 0) < part / 50] == []
