"""Tasks and checks that plugins offer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.config import load_config
from complaint_llm.exceptions import ConfigError, PluginError

LETTER = {"prompt": "Write: {input}"}


def config(folder: Path, tasks: str, file: list[Any] | None = None, more: str = "") -> Path:
    (folder / "plugins").mkdir(mode=0o755, exist_ok=True)
    (folder / "plugins" / "office.py").write_text(
        "from pathlib import Path\nfrom complaint_llm import hookimpl\n"
        f"@hookimpl\ndef complaint_llm_tasks():\n    return {tasks}\n{more}"
    )
    path = folder / "config.json"
    backends = [{"id": "a", "type": "mock", "echo": True}]
    path.write_text(json.dumps({"PLUGINS": {"paths": ["plugins"]}, "TASKS": file or [], "BACKENDS": backends}))
    return path


def test_a_task_may_be_a_file_beside_the_plugin(tmp_path: Path) -> None:
    """Its schema's path begins there."""
    path = config(tmp_path, "{'letter': Path(__file__).parent / 'letter.json'}")
    schema = {"type": "object", "properties": {"x": {"type": "string"}}}
    (tmp_path / "plugins" / "letter.json").write_text(json.dumps({**LETTER, "id": "letter", "schema": "shape.json"}))
    (tmp_path / "plugins" / "shape.json").write_text(json.dumps(schema))
    assert load_config(path, environ={}).find_task("letter").schema == schema


@pytest.mark.parametrize(
    ("entry", "prompt", "title"),
    [
        ({"id": "mine", "extends": "letter"}, "Write: {input}", "Letter"),
        ({"id": "mine", "extends": "letter", "title": "Mine"}, "Write: {input}", "Mine"),
        ({"id": "mine", "extends": "letter", "prompt": "Do: {input}"}, "Do: {input}", "Letter"),
        ({"id": "letter", "title": "Ours"}, "Write: {input}", "Ours"),
        ({"id": "letter", "prompt": "Do: {input}"}, "Do: {input}", None),
        ({"id": "letter", "extends": "letter", "prompt": "Do: {input}"}, "Do: {input}", "Letter"),
    ],
)
def test_an_entry_of_tasks_stands_above_a_plugins_task(
    entry: dict[str, Any], prompt: str, title: str | None, tmp_path: Path
) -> None:
    """By extending it, or by its id."""
    path = config(tmp_path, {"letter": {**LETTER, "title": "Letter"}}.__repr__(), [entry])
    task = load_config(path, environ={}).find_task(entry["id"])
    assert (task.prompt, task.title) == (prompt, title)


@pytest.mark.parametrize(
    ("tasks", "error", "words"),
    [
        ("{'letter': 5}", PluginError, "offers a int, no mapping or path"),
        ("{'letter': None}", ConfigError, "no task 'letter'"),
        ("{'letter': ['x']}", PluginError, "offers a list, no mapping or path"),
        ("{'letter': 'letter.json'}", PluginError, "give the whole path"),
        ("{'letter': Path(__file__).parent / 'none.json'}", PluginError, "cannot be read"),
        ("{'letter': Path(__file__)}", PluginError, "cannot be read"),
        ("{'letter': {}}", ConfigError, "needs a prompt"),
        ("{'letter': {'prompt': 'no place for it'}}", ConfigError, r"needs \{input\}"),
        ("{'letter': {'prompt': '{input}', 'promt': 'x'}}", ConfigError, "unknown key"),
        ("{'letter': {'prompt': '{input}', 'checks': ['nobodys']}}", ConfigError, "no check 'nobodys'"),
        ("{'letter': {'prompt': '{input}', 'extends': 'nobody'}}", ConfigError, "no task 'nobody'"),
        ("{'letter': {'prompt': '{input}', 'schema': 'shape.json'}}", PluginError, "give the whole path"),
        ("{'letter': {'prompt': '{input}', 'extends': 'letter'}}", ConfigError, "goes round"),
        ("{'letter': {'extends': 'b'}, 'b': {'extends': 'letter'}}", ConfigError, "goes round"),
        ("[1]", PluginError, "fails in complaint_llm_tasks"),
        ("1 / 0", PluginError, "fails in complaint_llm_tasks"),
        ("{'claims': {'prompt': '{input}'}}", ConfigError, "no task 'letter'; there are: chronology, claims, summary"),
    ],
)
def test_a_task_that_is_wrong_is_told_where_it_is_used(
    tasks: str, error: type[Exception], words: str, tmp_path: Path
) -> None:
    """In one line; the config is loaded, for it names nothing of it."""
    with Mediator.from_config(config(tmp_path, tasks)) as mediator:
        assert mediator.generate("x") == "x"
        with pytest.raises(error, match=words) as caught:
            mediator.infer("x", task="letter")
    assert "\n" not in str(caught.value)


def test_a_plugins_task_may_extend_another(tmp_path: Path) -> None:
    """One of the package's, or of its own."""
    tasks = {"a": {"extends": "summary", "title": "A"}, "b": {"extends": "a", "notice": "B"}}
    found = load_config(config(tmp_path, repr(tasks)), environ={}).find_task("b")
    summary = load_config(config(tmp_path, "{}"), environ={}).find_task("summary")
    assert (found.prompt, found.title, found.notice) == (summary.prompt, "A", "B")


def test_a_built_in_id_is_nobody_elses(tmp_path: Path) -> None:
    """Neither wins in silence; blocking the plugin settles it."""
    path = config(tmp_path, "{'claims': {'prompt': '{input}'}}")
    with pytest.raises(PluginError, match="task 'claims' is built in, and a plugin offers one too"):
        load_config(path, environ={}).find_task("claims")
    assert load_config(path, environ={}).find_task("summary").id == "summary"
    document = json.loads(path.read_text())
    document["PLUGINS"]["block"] = ["office"]
    path.write_text(json.dumps(document))
    assert load_config(path, environ={}).find_task("claims").title


def test_a_plugins_task_may_name_a_plugins_check(tmp_path: Path) -> None:
    """Looked up when the task is used."""
    check = (
        "from complaint_llm.checks.check import Finding\n"
        "def never(parsed, context):\n    return [Finding('never', '/x', 'say less')]\n"
        "@hookimpl\ndef complaint_llm_checks():\n    return {'never': never}\n"
    )
    schema = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    task = {**LETTER, "schema": schema, "checks": ["never"]}
    path = config(tmp_path, repr({"letter": task}), more=check)
    path.write_text(path.read_text().replace('"echo": true', '"responses": ["{\\"x\\": \\"y\\"}"]'))
    with Mediator.from_config(path) as mediator:
        output = mediator.infer("x", task="letter")
    assert [finding.message for finding in output.findings] == ["say less"]


@pytest.mark.parametrize("offered", ["None", "5", "'text'", "[]"])
def test_a_check_that_is_no_function_is_told(offered: str, tmp_path: Path) -> None:
    """Before anything is asked."""
    more = f"@hookimpl\ndef complaint_llm_checks():\n    return {{'never': {offered}}}\n"
    entry = {"id": "mine", "prompt": "{input}", "checks": ["never"]}
    with pytest.raises(ConfigError, match="never"):
        load_config(config(tmp_path, "{}", [entry], more), environ={})


def test_two_plugins_with_one_task_are_refused(tmp_path: Path) -> None:
    """Where it is used."""
    path = config(tmp_path, "{'letter': {'prompt': '{input}'}}")
    (tmp_path / "plugins" / "other.py").write_text((tmp_path / "plugins" / "office.py").read_text())
    with pytest.raises(PluginError, match=r"'letter' is offered by .*office\.py and by .*other\.py"):
        load_config(path, environ={}).find_task("letter")
