"""A strategy that fails is one line that names it, and nobody is asked in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.exceptions import PluginError
from complaint_llm.routing.checked_strategy import CheckedStrategy
from complaint_llm.testing.mock import MockBackend

WRONG = {
    "raises": "return 1 / 0",
    "raises lines": "raise RuntimeError('first\\nsecond')",
    "ends the program": "raise SystemExit(3)",
    "one target": "return targets[0]",
    "None": "return None",
    "a text": "return 'abc'",
    "a number": "return 7",
    "ids": "return [each.id for each in targets]",
    "places": "return range(len(targets))",
    "a mapping": "return {each.id: each for each in targets}",
    "a stranger beside": "return [object(), *targets]",
    "a stranger behind": "return [*targets, object()]",
    "None in it": "return [None]",
    "an iterator that raises": "yield 1 / 0",
    "an iterator of strangers": "yield self",
    "raises behind the first": "yield targets[0]; raise RuntimeError('late')",
    "pairs": "return list(enumerate(targets))",
}
RIGHT = {
    "as given": "return targets",
    "a list": "return list(targets)",
    "backwards": "return targets[::-1]",
    "too few": "return list(targets)[:1]",
    "an iterator": "yield from targets",
    "one twice": "return [targets[0], *targets]",
    "a set": "return set(targets)",
    "a reversed one": "return reversed(targets)",
    "a filter": "return filter(None, targets)",
}


def config(folder: Path, body: str) -> Path:
    """A config with the strategy ``mine``, and two backends that answer."""
    (folder / "plugins").mkdir()
    (folder / "plugins" / "order.py").write_text(
        "from complaint_llm import hookimpl\n"
        f"class S:\n    def order(self, targets, request):\n        {body}\n"
        "@hookimpl\ndef complaint_llm_strategies(): return {'mine': S}\n"
    )
    file = folder / "config.json"
    file.write_text(
        '{"PLUGINS": {"paths": ["plugins"]}, "MEDIATOR": {"strategy": "mine"}, "BACKENDS": ['
        '{"id": "a", "type": "mock", "echo": true}, {"id": "b", "type": "mock", "echo": true}]}'
    )
    return file


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("ask", [lambda m: m.infer("q"), lambda m: list(m.stream_generate("q"))])
def test_a_strategy_that_fails_is_a_plugin_error(body: str, ask: Callable[[Mediator], Any], tmp_path: Path) -> None:
    """In one line, by the name that the config gives it."""
    with Mediator.from_config(config(tmp_path, body)) as mediator, pytest.raises(PluginError) as caught:
        ask(mediator)
    assert "strategy 'mine' failed" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("body", RIGHT.values(), ids=RIGHT)
def test_whatever_gives_targets_is_a_strategy(body: str, tmp_path: Path) -> None:
    """Some of them, in any kind of order."""
    with Mediator.from_config(config(tmp_path, body)) as mediator:
        assert mediator.generate("q") == "q"


@pytest.mark.parametrize(
    "made", ["1 / 0", "None", "object()", "'text'", "type('S', (), {'order': 7})()", "exec('raise SystemExit(2)')"]
)
def test_one_that_cannot_be_made_is_a_plugin_error(made: str, tmp_path: Path) -> None:
    """Where the config is used, in one line."""
    file = config(tmp_path, "return targets")
    plugin = tmp_path / "plugins" / "order.py"
    plugin.write_text(plugin.read_text().replace("{'mine': S}", f"{{'mine': lambda: {made}}}"))
    with pytest.raises(PluginError, match="strategy 'mine'") as caught:
        Mediator.from_config(file)
    assert "\n" not in str(caught.value)


def test_one_that_is_given_in_code_is_called_by_its_class() -> None:
    """There is no other name for it."""

    class Wrong:
        def order(self, targets: Sequence[Any], request: object) -> Any:
            return 3

    wrong = Mediator([MockBackend(responses=["x"], id="a")], strategy=Wrong())
    with wrong as mediator, pytest.raises(PluginError, match="strategy 'Wrong' failed"):
        mediator.generate("q")


@pytest.mark.parametrize("wait", ["soon", None, True, [], object()])
def test_a_wait_that_is_no_number_is_told(wait: object) -> None:
    """It would be compared with seconds later, in the middle of a call."""

    class Wrong:
        max_queue_wait = wait

        def order(self, targets: Sequence[Any], request: object) -> Any:
            return targets

    with pytest.raises(PluginError, match="max_queue_wait is no number of seconds"):
        CheckedStrategy("mine", Wrong())
