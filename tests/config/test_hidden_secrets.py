"""A canary in the environment, in .env or in the file appears nowhere: not in errors, tracebacks, reprs, logs."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.backends import Backend, BackendType, registered
from complaint_llm.config import Config, load_config
from complaint_llm.exceptions import ConfigError
from complaint_llm.host import PluginHost
from complaint_llm.secrets import Secret

CANARY = "sk-canary-7f3a9c1e"


def shown(error: BaseException) -> str:
    """All that a thorough crash report prints: the whole chain, and every local variable of the library's frames."""
    texts = []
    seen: BaseException | None = error
    while seen is not None:
        report = traceback.TracebackException.from_exception(seen, capture_locals=True)
        # The test's own frames hold the canary, for the test put it there.
        report.stack[:] = [frame for frame in report.stack if frame.filename != __file__]
        texts += ["".join(report.format()), repr(seen), repr(seen.args), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(texts)


def write(folder: Path, text: str, name: str = "config.json") -> Path:
    file = folder / name
    file.write_text(text)
    return file


LITERAL = f'"api_key": "{CANARY}", "custom_headers": {{"X-Auth": "{CANARY}"}}'
ONE = '"BACKENDS": [{"id": "a", "type": "openai"}]'

FAILING = {
    "cut": f'{{"BACKENDS": [{{"id": "a", "type": "openai", {LITERAL}',
    "cut in the key": f'{{"BACKENDS": [{{"id": "a", "type": "openai", "api_key": "{CANARY}',
    "repeated": f'{{"BACKENDS": [{{"id": "a", "id": "b", "type": "openai", {LITERAL}}}]}}',
    "nan": f'{{"BACKENDS": [{{"id": "a", "type": "openai", {LITERAL}, "timeout": NaN}}]}}',
    "unknown key": f'{{"BACKENDS": [{{"id": "a", "type": "openai", {LITERAL}, "api_kee": "{CANARY}"}}]}}',
    "unknown type": f'{{"BACKENDS": [{{"id": "a", "type": "opnai", {LITERAL}}}]}}',
    "wrong type of key": f'{{"BACKENDS": [{{"id": "a", "type": "openai", "api_key": ["{CANARY}"]}}]}}',
    "key in a number": f'{{"BACKENDS": [{{"id": "a", "type": "openai", "max_tokens": "{CANARY}"}}]}}',
    "variable in a number": '{"BACKENDS": [{"id": "a", "type": "openai", "max_tokens": "$OPENAI_API_KEY"}]}',
    "variable in an address": '{"BACKENDS": [{"id": "a", "type": "openai", "base_url": "https://x/$OPENAI_API_KEY"}]}',
    "variable as id": '{"BACKENDS": [{"id": "$OPENAI_API_KEY", "type": "openai"}]}',
    "variable as type": '{"BACKENDS": [{"id": "a", "type": "$OPENAI_API_KEY"}]}',
    "variable in mediator": f'{{{ONE}, "MEDIATOR": {{"backends": ["$OPENAI_API_KEY"]}}}}',
    "variable as strategy": f'{{{ONE}, "MEDIATOR": {{"strategy": "$OPENAI_API_KEY"}}}}',
    "variable as part": '{"BACKENDS": [{"id": "a", "type": "fallback", "primary": "$A_KEY", "fallbacks": []}]}',
    "variable as level": f'{{{ONE}, "LOG": {{"level": "$OPENAI_API_KEY"}}}}',
    "variable as location": '{"BACKENDS": [{"id": "a", "type": "openai", "location": "$OPENAI_API_KEY"}]}',
    "plugin folder": '{"PLUGINS": {"paths": ["$OPENAI_API_KEY"]}, "BACKENDS": [{"id": "a", "type": "openai"}]}',
    "redis": f'{{{ONE}, "MEDIATOR": {{"shared": {{"redis": "http://:{CANARY}@h"}}}}}}',
    "line break": f'{{"BACKENDS": [{{"id": "a", "type": "openai", "api_key": "{CANARY}\\n"}}]}}',
    "header": f'{{"BACKENDS": [{{"id": "a", "type": "openai", "custom_headers": {{"X-A": "{CANARY}\\r\\nX: y"}}}}]}}',
    "another fault": f'{{"BACKENDS": [{{"id": "a", "type": "openai", {LITERAL}, "temperature": 9}}]}}',
    "fault by variable": '{"BACKENDS": [{"id": "a", "type": "openai", "api_key": "$OPENAI_API_KEY", "top_p": 9}]}',
    "broken schema": f'{{"BACKENDS": [{{"id": "a", "type": "odd", "x": 1, {LITERAL}, "qqq": "{CANARY}"}}]}}',
    "repeated id": f'{{"BACKENDS": [{{"id": "a", "type": "openai", {LITERAL}}}, {{"id": "a", "type": "openai"}}]}}',
    "not a mapping": f'["{CANARY}"]',
    "an entry that is a text": f'{{"BACKENDS": ["{CANARY}"]}}',
}


@pytest.fixture(params=["environment", "dotenv"])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    registered.register_backend("odd", Backend, schema={"properties": {"x": {"$ref": "#/$defs/nowhere"}}})
    if request.param == "environment":
        return {"OPENAI_API_KEY": CANARY, "A_KEY": CANARY}
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY={CANARY}\nA_KEY={CANARY}\n")
    return {}


@pytest.mark.parametrize("name", FAILING)
def test_no_failing_path_shows_a_key(
    name: str, environ: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, FAILING[name]), environ=environ)
    assert CANARY not in shown(caught.value)
    assert CANARY not in caplog.text
    assert all(len(line) < 500 and "\n" not in line for line in caught.value.problems)


@pytest.mark.parametrize(
    "text",
    [
        f"BACKENDS:\n  - id: a\n    api_key: {CANARY}\n   bad: x\n",
        f"BACKENDS:\n  - id: a\n    api_key: {CANARY}\n    id: b\n",
        f"BACKENDS:\n  - id: a\n    type: openai\n    api_key: {CANARY}\n    temperature: 9\n",
        f"BACKENDS:\n  - id: a\n    api_key: '{CANARY}\n",
        f"BACKENDS:\n  - id: a\n    api_key: !{CANARY[:2]} x\n    b: *nobody\n",
        f"BACKENDS:\n  - id: a\n    api_key: {CANARY}\x01\n",
    ],
)
def test_no_failing_yaml_shows_a_key(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text, "config.yaml"), environ={})
    assert CANARY not in shown(caught.value)


def loaded(folder: Path) -> Config:
    text = f'{{"BACKENDS": [{{"id": "a", "type": "openai", {LITERAL}}}, {{"id": "b", "type": "openai"}}, \
        {{"id": "c", "type": "openai", "api_key": "pre-$OTHER_TOKEN", "custom_headers": {{"X-B": "$OTHER_TOKEN"}}}}], \
        "MEDIATOR": {{"shared": {{"redis": "redis://:{CANARY}@h/0"}}}}}}'
    return load_config(write(folder, text), environ={"OPENAI_API_KEY": CANARY, "OTHER_TOKEN": CANARY})


def test_a_loaded_config_shows_no_key_and_still_has_it(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    texts = [repr(config), str(config), repr(config.backends), repr(config.mediator), repr(dict(config.mediator))]
    texts += [repr(getattr(config, name)) for name in config.__slots__ if name != "_document"]
    texts += [f"{config} {config.backends}", repr(config.entry("a")), repr(config.entry("a").keys)]
    assert CANARY not in "".join(texts)
    a, b, c = config.backends
    assert a.keys["api_key"] == b.keys["api_key"] == Secret(CANARY)
    assert a.keys["custom_headers"] == {"X-Auth": Secret(CANARY)}
    assert c.keys["api_key"] == Secret("pre-" + CANARY)
    assert config.mediator["shared"]["redis"] == Secret(f"redis://:{CANARY}@h/0")


def test_a_class_that_fails_in_its_init_shows_no_key(tmp_path: Path) -> None:
    class Failing(Backend):
        def __init__(self, **keys: Any) -> None:
            super().__init__(**keys)
            raise ConfigError("cannot")

    registered.register_backend("failing", Failing)
    config = load_config(
        write(tmp_path, '{"BACKENDS": [{"id": "f", "type": "failing", "api_key": "$A_KEY"}]}'),
        environ={"A_KEY": CANARY},
    )
    with pytest.raises(ConfigError) as caught:
        config.make_backend("f")
    assert CANARY not in shown(caught.value)


@pytest.mark.parametrize(
    "fail",
    [
        lambda config: config.add_backend(id="n", type="openai", api_key=CANARY, temperature=9),
        lambda config: config.add_backend(id="n", type="opnai", api_key=CANARY),
        lambda config: config.add_backend(id="a", type="openai", api_key=CANARY),
        lambda config: config.add_backend(id="n", type="openai", custom_headers={"X": CANARY, "Y": 1}),
        lambda config: config.save("/no/such/folder/at/all.json"),
        lambda config: config.make_backend("nobody"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is written as")
def test_no_failing_call_on_a_config_shows_a_key(fail: Callable[[Config], None], tmp_path: Path) -> None:
    config = loaded(tmp_path)
    with pytest.raises(ConfigError) as caught:
        fail(config)
    assert CANARY not in shown(caught.value)


@pytest.mark.parametrize("name", ["saved.json", "saved.yaml"])
@pytest.mark.filterwarnings("ignore:.*is written as")
def test_a_saved_file_holds_no_key(name: str, tmp_path: Path) -> None:
    config = loaded(tmp_path)
    config.add_backend(id="new", type="anthropic", api_key=CANARY)
    config.add_backend(id="hidden", type="anthropic", api_key=Secret(CANARY), custom_headers={"X": Secret(CANARY)})
    config.save(tmp_path / name)
    assert CANARY not in (tmp_path / name).read_text()


def test_a_broken_plugin_type_shows_no_key_of_the_entry(tmp_path: Path) -> None:
    host = PluginHost(registered=lambda: {"odd": BackendType("odd", "no_such_module_at_all:X")})
    with pytest.raises(ConfigError) as caught:
        load_config(
            write(tmp_path, json.dumps({"BACKENDS": [{"id": "a", "type": "odd", "api_key": CANARY}]})),
            environ={},
            host=host,
        )
    assert "cannot import no_such_module_at_all:X" in str(caught.value)
    assert CANARY not in shown(caught.value)
