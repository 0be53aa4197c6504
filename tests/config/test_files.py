"""Config files as people write them: each broken one gives its one right line, each odd one loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.config import Config, load_config
from complaint_llm.exceptions import ConfigError

HERE = Path(__file__).parent
ENVIRON = {
    "OPENAI_API_KEY": "k-test-000",
    "SOME_TOKEN": "canary-123",
    "WORD": "many",
    "NUMBER": "42",
    "HALF": "0.5",
    "TRUE": "true",
    "EMPTY": "",
    "EVIL": '", "id": "x $WORD',
}
BROKEN = [line.split("\t", 1) for line in (HERE / "broken" / "expected.tsv").read_text(encoding="utf-8").splitlines()]
ODD: dict[str, dict[str, Any]] = json.loads((HERE / "odd" / "expected.json").read_text(encoding="utf-8"))


@pytest.mark.rows(20)
@pytest.mark.parametrize(("name", "expected"), BROKEN, ids=[name for name, _ in BROKEN])
def test_a_broken_config_gives_its_one_line_with_the_right_place(
    name: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(HERE / "broken")
    with pytest.raises(ConfigError) as caught:
        load_config(name, environ=ENVIRON)
    assert caught.value.problems == (expected,)
    assert str(caught.value) == expected


def test_every_broken_file_has_its_expected_line_and_there_are_at_least_sixty() -> None:
    files = {file.name for file in (HERE / "broken").iterdir()} - {"expected.tsv"}
    assert files == {name for name, _ in BROKEN}
    assert len(files) >= 60


@pytest.mark.parametrize("name", sorted(ODD))
def test_an_odd_but_valid_config_loads_as_meant(name: str) -> None:
    config = load_config(HERE / "odd" / name, environ=ENVIRON)
    _compare(config, ODD[name])


def _compare(config: Config, expected: dict[str, Any]) -> None:
    assert expected
    keys = {entry.id: entry.keys for entry in config.backends}
    if "order" in expected:
        assert list(config.order) == expected["order"]
    if "left_out" in expected:
        left_out = dict(config.left_out)
        assert {id: left_out[id] for id in expected["left_out"]} == expected["left_out"]
        assert not left_out.keys() & keys.keys()
    for id, wanted in expected.get("keys", {}).items():
        assert {key: keys[id][key] for key in wanted} == wanted
    for id, type in expected.get("types", {}).items():
        assert config.entry(id).type.name == type
    if "mediator" in expected:
        assert dict(config.mediator) == expected["mediator"]
    if "application" in expected:
        assert config.application == expected["application"]
    if "evidence_under" in expected:
        assert Path(config.evidence["path"]).resolve() == (HERE / "evidence").resolve()


def test_every_odd_file_is_tested_and_there_are_at_least_twenty() -> None:
    files = {file.name for file in (HERE / "odd").iterdir()} - {"expected.json"}
    assert files == set(ODD)
    assert len(files) >= 20
