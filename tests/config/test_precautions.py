"""``check`` warns of what works and yet puts a key or the program at risk; its lines hold nothing of a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from complaint_llm.config import load_config
from complaint_llm.config.precautions import precautions
from complaint_llm.exceptions import ConfigError

KEY = "sk-canary-4f7a0c2b9d"


def found(folder: Path, key: str, *, environ: dict[str, str] | None = None, mode: int = 0o600) -> list[str]:
    """The warnings about a config with this key in it."""
    file = folder / "config.yaml"
    file.write_text(f"BACKENDS:\n  - {{id: a, type: openai, model: m, api_key: {key!r}}}\n")
    file.chmod(mode)
    return precautions(load_config(file, environ=environ or {}))


def test_a_careful_config_gets_no_warning(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A_KEY=sk-1234567890\n")
    (tmp_path / ".env").chmod(0o600)
    assert found(tmp_path, "$A_KEY") == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_an_env_file_that_others_can_read(tmp_path: Path, mode: int) -> None:
    (tmp_path / ".env").write_text(f"A_KEY={KEY}\n")
    (tmp_path / ".env").chmod(mode)
    (line,) = found(tmp_path, "$A_KEY")
    assert "chmod 600" in line
    assert KEY not in line


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o664])
def test_a_config_that_others_can_change(tmp_path: Path, mode: int) -> None:
    (line,) = found(tmp_path, "$A_KEY", environ={"A_KEY": KEY}, mode=mode)
    assert "chmod go-w" in line


def test_a_plugin_folder_that_others_can_change_is_refused(tmp_path: Path) -> None:
    """What is in it may be run: that is more than a warning."""
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop").chmod(0o777)
    file = tmp_path / "config.yaml"
    file.write_text("PLUGINS: {paths: [drop]}\nBACKENDS: [{id: a, type: mock}]\n")
    file.chmod(0o600)
    with pytest.raises(ConfigError, match=r"/PLUGINS/paths/0: .*chmod go-w") as caught:
        load_config(file, environ={})
    assert str(tmp_path / "drop") in str(caught.value)


def test_a_key_that_is_written_into_the_file(tmp_path: Path) -> None:
    (line,) = found(tmp_path, KEY)
    assert line.startswith("/BACKENDS/0/api_key: a key is written into the file")
    assert KEY not in line


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (f'"{KEY}"', "quotation mark"),
        (f"'{KEY}'", "quotation mark"),
        (f"“{KEY}”", "quotation mark"),
        (f"{KEY}'", "quotation mark"),
        (f'"{KEY}', "quotation mark"),
        (f"Bearer {KEY}", "Bearer"),
        (f"bearer {KEY}", "Bearer"),
        (f"BEARER {KEY}", "Bearer"),
        (f" {KEY}", "blank"),
        (f"{KEY} ", "blank"),
        (f"{KEY}\t", "blank"),
    ],
)
def test_a_key_that_was_copied_with_something_around_it(tmp_path: Path, value: str, said: str) -> None:
    (line,) = found(tmp_path, "$A_KEY", environ={"A_KEY": value})
    assert said in line
    assert KEY not in line
