"""What the sections say together: a strategy that is known, a demonstration that costs nothing, the plugins alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.config import load_config, load_host
from complaint_llm.exceptions import ConfigError
from complaint_llm.mediator import Mediator

MOCK: dict[str, Any] = {"id": "m", "type": "mock", "echo": True}


def write(folder: Path, *entries: dict[str, Any], **sections: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({"BACKENDS": list(entries), **sections}), encoding="utf-8")
    return path


def test_an_unknown_strategy_is_named_with_its_place_and_the_other_faults(tmp_path: Path) -> None:
    """It is a fault of the file as any other, and reported together with them."""
    path = write(tmp_path, {**MOCK, "ecko": 1}, MEDIATOR={"strategy": "falback"})
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ={})
    key, strategy = caught.value.problems
    assert 'did you mean "echo"?' in key
    assert "config.json:1:" in strategy
    assert "/MEDIATOR/strategy: no strategy 'falback'; there are fallback, least_loaded" in strategy
    assert strategy.endswith('did you mean "fallback"?')


@pytest.mark.parametrize("strategy", ["fallback", "round_robin", "lowest_cost"])
def test_a_known_strategy_is_none(tmp_path: Path, strategy: str) -> None:
    """Those of the library need no plugin."""
    assert load_config(write(tmp_path, MOCK, MEDIATOR={"strategy": strategy}), environ={}).mediator


def test_a_demonstration_costs_nothing_unless_the_config_says_otherwise(tmp_path: Path) -> None:
    """No model answers, so the price is known."""
    with Mediator.from_config(write(tmp_path, MOCK)) as mediator:
        assert mediator.infer("ask").cost == 0.0
    with Mediator.from_config(write(tmp_path, {**MOCK, "pricing": {"input": 1e6, "output": 0}})) as mediator:
        output = mediator.infer("ask")
        assert output.cost == output.token_usage.prompt_tokens


def test_the_plugins_are_had_from_a_config_that_is_wrong_elsewhere(tmp_path: Path) -> None:
    """And a fault of their own section is still one."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "office.yaml").write_text("type: office\nlike: openai\n")
    path = write(tmp_path, {"id": "a", "type": "office", "temperatur": 1}, PLUGINS={"paths": ["plugins"]})
    assert "office" in load_host(path, environ={}).backend_type_names()
    with pytest.raises(ConfigError, match=r"config.json:1:\d+: /PLUGINS/paths/0: no folder nowhere"):
        load_host(write(tmp_path, PLUGINS={"paths": ["nowhere"]}), environ={})
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="is it cut"):
        load_host(path, environ={})
