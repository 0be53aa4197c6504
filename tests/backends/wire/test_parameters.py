"""Parameters by capability: names, refusals, values, conditions, and what happens to what is refused."""

from __future__ import annotations

import gc
import json
import logging
import weakref
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.backends.wire.parameters import ModelTable, UnsupportedParameters
from complaint_llm.exceptions import InvalidRequestError

DATA: dict[str, Any] = {
    "names": {
        "top_p": "config.topP",
        "stop": {"name": "config.stops", "list": True},
        "thinking_budget": {"name": "thinking.budget", "with": {"thinking.type": "enabled"}},
        "logprobs": {"with": {"include": ["logs"]}},
        "seed": None,
    },
    "facts": {"a": 1, "b": 1},
    "families": [
        {"models": ["small-*"], "refuses": ["top_p"], "names": {"max_tokens": "limit"}, "facts": {"b": 2}},
        {
            "models": ["think*", "*reason*"],
            "values": {"temperature": [1]},
            "only_with": {"top_p": {"reasoning_effort": [None, "none"]}},
        },
    ],
}
WIRE = {"temperature": "temperature", "max_tokens": "max_tokens", "seed": "seed", "reasoning_effort": "effort"}
TABLE = ModelTable(DATA, WIRE)


def written(model: str, **params: Any) -> dict[str, Any]:
    body: dict[str, Any] = {}
    TABLE.family(model).write(params, body)
    return body


def test_names_are_paths_lists_and_constants_beside() -> None:
    """The four forms of a name."""
    assert written("m", temperature=0.5, top_p=0.9, stop="x") == {
        "temperature": 0.5,
        "config": {"topP": 0.9, "stops": ["x"]},
    }
    assert written("m", stop=["x", "y"]) == {"config": {"stops": ["x", "y"]}}
    assert written("m", thinking_budget=100) == {"thinking": {"budget": 100, "type": "enabled"}}
    assert written("m", logprobs=True) == {"include": ["logs"]}
    assert written("m", logprobs=False) == {}


@pytest.mark.parametrize(
    ("model", "params", "refused"),
    [
        ("m", {"seed": 1, "top_k": 2, "temperature": 1}, ("seed", "top_k")),
        ("small-1", {"top_p": 1}, ("top_p",)),
        ("SMALL-1", {"top_p": 1}, ("top_p",)),
        ("thinker", {"temperature": 0.5}, ("temperature",)),
        ("thinker", {"temperature": 1.0}, ()),
        ("thinker", {"top_p": 0.5}, ()),
        ("thinker", {"top_p": 0.5, "reasoning_effort": "none"}, ()),
        ("thinker", {"top_p": 0.5, "reasoning_effort": "high"}, ("top_p",)),
        ("my-reasoner", {"temperature": 0.5}, ("temperature",)),
        ("m", {}, ()),
    ],
)
def test_what_a_model_refuses_is_found_and_not_written(
    model: str, params: dict[str, Any], refused: tuple[str, ...]
) -> None:
    """By name, by value, by what stands beside it; names without a row are refused too."""
    family = TABLE.family(model)
    assert family.unsupported_names(params) == refused
    body: dict[str, Any] = {}
    family.write(params, body)
    assert len(body) == len(params) - len(refused)


def test_a_family_adds_its_names_and_facts_to_the_tables() -> None:
    """What it does not say stays."""
    assert written("small-1", max_tokens=3, temperature=1) == {"limit": 3, "temperature": 1}
    assert TABLE.family("small-1").quirks == {"a": 1, "b": 2}
    assert TABLE.family("other").quirks == {"a": 1, "b": 1}


def test_another_wires_names_do_not_count() -> None:
    """Two wires to the same models share refusals and facts, not names."""
    family = ModelTable(DATA, WIRE, fixed_names=True).family("small-1")
    body: dict[str, Any] = {}
    family.write({"max_tokens": 3, "seed": 1}, body)
    assert body == {"max_tokens": 3, "seed": 1}
    assert family.unsupported_names({"top_p": 1}) == ("top_p",)


def test_a_model_is_looked_up_once_and_made_up_names_do_not_pile_up() -> None:
    """A caller that invents names must not fill the memory: what was remembered is let go of."""
    table = ModelTable(DATA, WIRE)
    family = table.family("a")
    assert table.family("a") is family
    alive = weakref.ref(family)
    del family
    for place in range(10_000):
        table.family(f"made-up-{place}")
    gc.collect()
    assert alive() is None


def test_a_table_is_read_from_a_file(tmp_path: Path) -> None:
    """The usual way."""
    file = tmp_path / "models.json"
    file.write_text(json.dumps(DATA))
    assert ModelTable.read(file, WIRE).family("thinker").unsupported_names({"temperature": 0}) == ("temperature",)


def test_warn_names_each_parameter_once_and_drop_none(caplog: pytest.LogCaptureFixture) -> None:
    """Once per backend, however many calls."""
    with caplog.at_level(logging.WARNING):
        warn = UnsupportedParameters("warn", logging.getLogger("complaint_llm.backend.x"))
        warn.check(("stop",), "m")
        warn.check(("stop", "seed"), "m")
        warn.check(("seed",), "m")
        UnsupportedParameters("drop", logging.getLogger("complaint_llm.backend.y")).check(("stop",), "m")
    assert [record.getMessage() for record in caplog.records] == [
        "m does not take stop: left out",
        "m does not take seed: left out",
    ]


def test_error_refuses_before_sending() -> None:
    """The request did not leave."""
    policy = UnsupportedParameters("error", logging.getLogger("complaint_llm.backend.x"))
    with pytest.raises(InvalidRequestError, match="m does not take stop, seed") as caught:
        policy.check(("stop", "seed"), "m")
    assert caught.value.sent is False
