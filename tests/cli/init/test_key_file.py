"""The ``.env`` that ``init`` adds to: what stands there stays, only the owner reads it, and no repository takes it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.cli.init.key_file import add_variable, env_line, env_value, ignore_key_file
from complaint_llm.exceptions import ConfigError


@pytest.mark.parametrize("before", [None, "", "# mine\n", "A=1\n", "A=1", "export A='x'\n\n", "KEY=\n", "A=\u00e9\n"])
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o666])
def test_a_line_is_added_after_what_is_there(tmp_path: Path, before: str | None, mode: int) -> None:
    file = tmp_path / ".env"
    if before is not None:
        file.write_text(before, encoding="utf-8")
        file.chmod(mode)
    add_variable(file, "KEY", "sk-1")
    text = file.read_text(encoding="utf-8")
    assert text.startswith(before or "")
    assert text.endswith("KEY=sk-1\n")
    assert dotenv_values(file)["KEY"] == "sk-1"
    assert file.stat().st_mode & 0o777 == 0o600


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=30))
def test_a_value_is_read_back_as_it_was_or_refused_without_being_shown(value: str) -> None:
    try:
        line = env_line("KEY", value)
    except ConfigError as error:
        said = str(error)
    else:
        said = ""
        assert dotenv_values(stream=io.StringIO(line), interpolate=False)["KEY"] == value
    assert value not in said


@pytest.mark.parametrize("value", ["two\nlines", "a\rb", "${HOME}", "x${A:-b}"])
def test_a_value_that_no_line_holds_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        env_line("KEY", value)
    assert value not in str(caught.value)


@pytest.mark.parametrize("value", ["sk-abc_1", "a b", "it's", 'say "x"', "a#b", "back\\slash", "=x=", "$5", "\u00e9"])
def test_unusual_keys_are_quoted(tmp_path: Path, value: str) -> None:
    add_variable(tmp_path / ".env", "KEY", value)
    assert env_value(tmp_path / ".env", "KEY") == value


@pytest.mark.parametrize(("text", "value"), [("KEY=\n", None), ("", None), ("KEY=a\nKEY=b\n", "b"), ("X=1", None)])
def test_a_variable_is_set_if_it_has_a_value(tmp_path: Path, text: str, value: str | None) -> None:
    (tmp_path / ".env").write_text(text)
    assert env_value(tmp_path / ".env", "KEY") == value
    assert env_value(tmp_path / "none", "KEY") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ".env\n"),
        ("dist/\n", "dist/\n.env\n"),
        ("dist/", "dist/\n.env\n"),
        (".env\n", ".env\n"),
        ("  .env  \n", "  .env  \n"),
        ("/.env\n", "/.env\n"),
        (".env*\n", ".env*\n"),
        ("*.env\n", "*.env\n"),
        (".environment\n", ".environment\n.env\n"),
        ("# .env\n", "# .env\n.env\n"),
    ],
)
def test_a_list_of_ignored_files_names_it_once(tmp_path: Path, before: str, after: str) -> None:
    (tmp_path / ".gitignore").write_text(before)
    changed = ignore_key_file(tmp_path)
    assert (tmp_path / ".gitignore").read_text() == after
    assert (changed is not None) == (before != after)


def test_a_repository_above_gets_a_list_in_this_folder(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "office").mkdir()
    assert ignore_key_file(tmp_path / "office") == tmp_path / "office" / ".gitignore"
    assert (tmp_path / "office" / ".gitignore").read_text() == ".env\n"
