"""Whatever a file holds, loading it gives a Config or a ConfigError with lines: never another error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from complaint_llm.config import Config, load_config
from complaint_llm.exceptions import ConfigError
from complaint_llm.json_schema.files import read_schema
from tests.sampled import sampled

KEYS = [
    *read_schema("backend")["properties"],
    "parameters",
    "path",
    "engine",
    "echo",
    "primary",
    "fallbacks",
    "provider",
]
SECTIONS = ["PLUGINS", "MEDIATOR", "EVIDENCE", "LOG", "APPLICATION", "x-mine", "$schema", "other"]
WITHIN = [
    "paths",
    "enable",
    "block",
    "allow",
    "backends",
    "timeout",
    "budget",
    "cache",
    "shared",
    "redis",
    "path",
    "level",
]

words = st.sampled_from(
    ["a", "b", "mock", "openai", "fallback", "llm_router", "$A_KEY", "$N", "${", "$NO", "", "x y", "1"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 5) | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.sampled_from(WITHIN), inner, max_size=3),
    max_leaves=4,
)
entries = st.builds(
    lambda core, more: {**core, **more},
    st.fixed_dictionaries(
        {"id": words, "type": st.sampled_from(["mock", "openai", "fallback", "llm_router", "lmstudio"])}
    ),
    st.dictionaries(st.sampled_from(KEYS).filter(lambda key: key != "base_url"), values, max_size=4),
)
documents = st.builds(
    lambda backends, sections: {**sections, "BACKENDS": backends},
    st.lists(entries | values, max_size=3) | values,
    st.dictionaries(
        st.sampled_from(SECTIONS), values | st.dictionaries(st.sampled_from(WITHIN), values, max_size=3), max_size=3
    ),
)


@given(document=documents, name=st.sampled_from(["config.json", "config.yaml"]))
@sampled(60, of=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_document_is_a_config_or_lines(tmp_path: Path, document: Any, name: str) -> None:
    file = tmp_path / name
    file.write_text(json.dumps(document))
    try:
        config: Config | None = load_config(file, environ={"A_KEY": "k-canary-1", "N": "5"})
        problems: tuple[str, ...] = ()
    except ConfigError as error:
        config, problems = None, error.problems
    assert (config is None) == bool(problems)
    for line in problems:
        assert line.startswith(f"{file}:")
        assert "\n" not in line
        assert "k-canary-1" not in line
    if config is not None:
        assert len(config.order) == len(document["BACKENDS"])
        assert {entry.id for entry in config.backends} | dict(config.left_out).keys() == set(config.order)
