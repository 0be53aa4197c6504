"""Zero retention is nothing kept once the answer is given: who is asked under it, by what each server was sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from complaint_llm import Mediator
from complaint_llm.cli.main import cli
from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.testing import FaultyServer

# What an entry says: days of retention, and whether there is zero retention; None is not said.
SAID = [(days, zero) for days in (None, 0, 7, 30) for zero in (None, True, False)]
ZERO = {(None, True), (0, True)}
AT_MOST_0 = {(None, True), (0, None), (0, True), (0, False)}
AT_MOST_7 = AT_MOST_0 | {(7, None), (7, True), (7, False)}
MAY_BE_ASKED: list[tuple[dict[str, Any], set[tuple[int | None, bool | None]]]] = [
    ({"zero_retention": True}, ZERO),
    ({"retention_days": 0}, AT_MOST_0),
    ({"retention_days": 7}, AT_MOST_7),
    ({"retention_days": 29}, AT_MOST_7),
    ({"retention_days": 30}, AT_MOST_7 | {(30, None), (30, True), (30, False)}),
    ({"zero_retention": True, "retention_days": 0}, ZERO),
    ({"zero_retention": True, "retention_days": 30}, ZERO),
]
Reach = Callable[[Mediator, Path], None]


@pytest.fixture(scope="module")
def servers() -> Iterator[list[FaultyServer]]:
    """One for each thing that can be said."""
    with ExitStack() as open_ones:
        yield [open_ones.enter_context(FaultyServer()) for _ in SAID]


def by_name(mediator: Mediator, path: Path) -> None:
    for number, _ in enumerate(SAID):
        with_error(lambda number=number: mediator.infer("x", backend=f"b{number}"))


def by_name_in_a_batch(mediator: Mediator, path: Path) -> None:
    for number, _ in enumerate(SAID):
        list(mediator.batch(["x"], backend=f"b{number}"))


def by_name_of_a_composition(mediator: Mediator, path: Path) -> None:
    """Each is the first of a chain, which goes on to the others."""
    for number, _ in enumerate(SAID):
        with_error(lambda number=number: mediator.infer("x", backend=f"chain{number}"))


def streamed_in_turn(mediator: Mediator, path: Path) -> None:
    for _ in SAID * 2:
        list(mediator.infer_stream("x"))


def embedded_by_name(mediator: Mediator, path: Path) -> None:
    for number, _ in enumerate(SAID):
        with_error(lambda number=number: mediator.embed("x", backend=f"b{number}"))


def probed(mediator: Mediator, path: Path) -> None:
    done = CliRunner().invoke(cli, ["-c", str(path), "check", "--connect"])
    assert done.exit_code in (0, 1), done.output


def with_error(ask: Callable[[], object]) -> ComplaintLLMError | None:
    try:
        ask()
    except ComplaintLLMError as error:
        return error
    return None


@pytest.mark.rows(10)
@pytest.mark.parametrize(("requires", "may"), MAY_BE_ASKED, ids=lambda value: json.dumps(value, default=len))
@pytest.mark.parametrize(
    "reach", [by_name, by_name_in_a_batch, by_name_of_a_composition, streamed_in_turn, embedded_by_name, probed]
)
def test_who_is_sent_anything_is_who_may_be_and_no_other(
    servers: list[FaultyServer],
    reach: Reach,
    requires: dict[str, Any],
    may: set[tuple[int | None, bool | None]],
    tmp_path: Path,
) -> None:
    """Days above 0 are no zero retention, whatever else is said; zero retention alone is 0 days; what is not said does
    not do."""
    entries: list[dict[str, Any]] = []
    for number, ((days, zero), server) in enumerate(zip(SAID, servers, strict=True)):
        server.requests.clear()
        said = {"retention_days": days, "zero_retention": zero, "source": "a contract", "as_of": "2026-11-01"}
        entries.append(
            {
                "id": f"b{number}", "type": "vllm", "model": "m", "embedding_model": "m", "api_key": "sk-x",
                "base_url": f"{server.url}/v1", "location": "remote", "max_retries": 0,
                "handling": {key: value for key, value in said.items() if value is not None},
            }
        )  # fmt: skip
    chains = [
        {"id": f"chain{at}", "type": "fallback", "primary": entry["id"], "fallbacks": ["b0", "b11"]}
        for at, entry in enumerate(entries)
    ]
    used = chains if reach is by_name_of_a_composition else []
    path = tmp_path / "config.json"
    mediator = {"requires": requires, "strategy": "round_robin"}
    path.write_text(json.dumps({"BACKENDS": [*entries, *used], "MEDIATOR": mediator}), encoding="utf-8")
    with Mediator.from_config(path) as opened:
        reach(opened, path)
    asked = {said for said, server in zip(SAID, servers, strict=True) if server.requests}
    assert asked == may
