"""Plugins are tried in a process of their own: whatever one does, the others are told of."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from complaint_llm.host import PluginHost
from complaint_llm.host.trial import try_plugins
from tests.host.test_plugin_host import install, plugin_text

BROKEN = {
    "raises": ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
    "raises lines": ("raise RuntimeError('first\\nsecond')", "RuntimeError: first"),
    "raises SystemExit": ("import sys; sys.exit('bye')", "SystemExit: bye"),
    "interrupts": ("raise KeyboardInterrupt", "ended the process"),
    "a syntax error": ("def broken(:", "SyntaxError"),
    "no such module": ("import no_such_module_at_all", "ModuleNotFoundError"),
    "exits at once": ("import os; os._exit(7)", "ended the process (exit code 7)"),
    "kills itself": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended the process (signal 9)"),
    "aborts": ("import os; os.abort()", "ended the process (signal 6)"),
    "recursion": ("def f(): f()\nf()", "RecursionError"),
    "a hook that exits": (
        "import os\nfrom complaint_llm import hookimpl\n@hookimpl\ndef complaint_llm_backend_types(): os._exit(0)",
        "ended the process (exit code 0)",
    ),
    "a hook that raises": (
        "from complaint_llm import hookimpl\n@hookimpl\ndef complaint_llm_strategies():\n    1 / 0",
        "ZeroDivisionError",
    ),
    "a hook that gives a list": (
        "from complaint_llm import hookimpl\n@hookimpl\ndef complaint_llm_guards():\n    return ['x']",
        "gave a list, no mapping",
    ),
}
HANGS = {
    "sleeps": "import time; time.sleep(600)",
    "works for ever": "while True: pass",
    "waits for a lock": "import threading; x = threading.Lock(); x.acquire(); x.acquire()",
}


def records(folder: Path, seconds: float = 60.0) -> dict[str, str | None]:
    return {r.name: r.error for r in try_plugins(PluginHost(paths=[folder]), seconds) if r.kind == "file"}


@pytest.mark.rows(2)
@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_a_line_beside_the_others(kind: str, tmp_path: Path) -> None:
    """Whether it raises or takes its process with it."""
    source, words = BROKEN[kind]
    (tmp_path / "broken.py").write_text(source)
    (tmp_path / "zgood.py").write_text(plugin_text("zgood"))
    found = records(tmp_path)
    assert found["zgood"] is None
    assert words in str(found["broken"])
    assert "\n" not in str(found["broken"])


@pytest.mark.rows(1)
@pytest.mark.parametrize("kind", HANGS)
def test_one_that_hangs_is_a_line_beside_the_others(kind: str, tmp_path: Path) -> None:
    """It is given its time, and no more."""
    (tmp_path / "hangs.py").write_text(HANGS[kind])
    (tmp_path / "zgood.py").write_text(plugin_text("zgood"))
    found = records(tmp_path, 5.0)
    assert found == {"hangs": "its import took longer than 5 s", "zgood": None}


def test_what_plugins_print_and_leave_running_is_no_part_of_the_answer(tmp_path: Path) -> None:
    """Threads that never end, output on both streams, a line that looks like ours."""
    (tmp_path / "noise.py").write_text(
        "import os, sys, threading, time\n"
        "print('{\"records\": []}', flush=True)\nos.write(1, b'noise\\n')\nprint('noise', file=sys.stderr)\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n" + plugin_text("noise")
    )
    assert records(tmp_path) == {"noise": None}


def test_a_record_says_what_is_to_be_known_of_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Distribution, version, file, hooks, how it came in, digest; nothing is imported in this process."""
    strategy = (
        "class S:\n    def order(self, t, r): return t\n"
        "@hookimpl\ndef complaint_llm_strategies():\n    return {'mine': S}\n"
    )
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "mine.py").write_text(plugin_text("mine") + strategy)
    install(tmp_path / "site", "acme-one", "acme_one", plugin_text("one"), "one", version="2.5")
    install(tmp_path / "site", "acme-hooks", "acme_hooks", "from complaint_llm import hookimpl\n" + strategy, "acme")
    monkeypatch.syspath_prepend(tmp_path / "site")
    host = PluginHost(paths=[tmp_path / "drop"], enable=["acme", "mine"])
    found = {record.name: record for record in try_plugins(host)}
    mine, one, acme = found["mine"], found["one"], found["acme"]
    assert (mine.origin, mine.file) == ("PLUGINS.paths and PLUGINS.enable", str(tmp_path / "drop" / "mine.py"))
    assert mine.hooks == ("backend_types", "strategies")
    assert mine.offered_names == {"strategies": ("mine",)}
    assert (one.distribution, one.version, one.origin) == ("acme-one", "2.5", "entry point one")
    assert one.file == str(tmp_path / "site" / "acme_one.py")
    assert (acme.origin, acme.types, acme.error) == ("entry point acme and PLUGINS.enable", (), None)
    assert all(len(str(record.sha256)) == 64 for record in (mine, one, acme))
    assert "acme_one" not in sys.modules


@pytest.mark.rows(2)
@pytest.mark.parametrize("text", ["", "X = 1\n", "def helper():\n    return 2\n", "import json\n", '"""Words."""\n'])
def test_a_plugin_without_hooks_gets_a_word(text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In the list, where it is enabled, and where its name is looked for."""
    (tmp_path / "mine.py").write_text(text)
    (record,) = [each for each in PluginHost(paths=[tmp_path]).plugins() if each.kind == "file"]
    assert (record.state, record.note) == ("ok", "has no hooks: it offers nothing")
    PluginHost(paths=[tmp_path], enable=["mine"]).load_listed()
    assert "mine.py has no hooks: it offers nothing" in caplog.text
    with pytest.raises(Exception, match=r'unknown type "mine".*mine\.py has no hooks'):
        PluginHost(paths=[tmp_path]).backend_type("mine")


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("complaint_llm_backend_type", "complaint_llm_backend_types"),
        ("complaint_llm_backend_tpyes", "complaint_llm_backend_types"),
        ("complaint_llm_backends_types", "complaint_llm_backend_types"),
        ("complaint_llm_strategy", "complaint_llm_strategies"),
        ("complaint_llm_guard", "complaint_llm_guards"),
        ("complaint_llm_observer", "complaint_llm_observers"),
        ("complaint_llm_check", "complaint_llm_checks"),
        ("complaint_llm_task", "complaint_llm_tasks"),
        ("complaint_llm_command", "complaint_llm_commands"),
        ("complaint_llm_config_default", "complaint_llm_config_defaults"),
        ("complaint_llm_document_reader", "complaint_llm_document_readers"),
        ("complaint_llm_batch_executor", "complaint_llm_batch_executors"),
        ("complaint_llm_blockstores", "complaint_llm_block_stores"),
        ("complaint_llm_Guards", "complaint_llm_guards"),
    ],
)
@pytest.mark.parametrize("mark", ["@hookimpl\n", ""])
def test_a_mistyped_hook_is_told_with_the_one_that_was_meant(
    written: str, meant: str, mark: str, tmp_path: Path
) -> None:
    """With its mark and without: either way it would never be called."""
    (tmp_path / "mine.py").write_text(f"from complaint_llm import hookimpl\n{mark}def {written}():\n    return {{}}\n")
    (record,) = [each for each in PluginHost(paths=[tmp_path]).plugins() if each.kind == "file"]
    assert record.state == "error"
    assert f'has {written}, and there is no such hook: did you mean "{meant}"?' in str(record.error)
