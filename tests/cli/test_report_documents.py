"""The page of a batch over documents shows the words of its documents, and of no other files."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from complaint_llm.cli.main import cli

LETTER = "<p>The heat was cut on 3 May and never came back.</p>"
ANSWER = {
    "quotes": ["The heat was cut on 3 May"],
}
SCHEMA = {"type": "object", "properties": {"quotes": {"type": "array", "items": {"type": "string", "x-quote": True}}}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config whose backend answers with a quote, a folder with a letter, and the batch over it."""
    monkeypatch.chdir(tmp_path)
    task = {"id": "look", "prompt": "Quote.\n{input}", "schema": SCHEMA, "checks": ["quotes"]}
    config = {
        "BACKENDS": [{"id": "m", "type": "mock", "responses": [json.dumps(ANSWER)]}],
        "TASKS": [task],
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.html").write_text(LETTER, encoding="utf-8")
    batch = CliRunner().invoke(cli, ["batch", "letters", "--task", "look", "-o", "out.jsonl"])
    assert batch.exit_code == 0, batch.output
    return tmp_path


def page(*options: str) -> str:
    """What the page says."""
    made = CliRunner().invoke(cli, ["report", "out.jsonl", "-o", "page.html", *options])
    assert made.exit_code == 0, made.output
    return html.unescape(Path("page.html").read_text(encoding="utf-8"))


def test_the_words_of_a_document_stand_on_the_page(folder: Path) -> None:
    """Read again from where the batch found it, wherever the command runs from."""
    assert "and never came back." in page()


def test_a_file_that_changed_is_not_shown_for_the_one_that_was_read(folder: Path) -> None:
    """The page says that it is not there."""
    (folder / "letters" / "a.html").write_text(LETTER.replace("May", "June"), encoding="utf-8")
    said = page()
    assert "never came back" not in said
    assert "is not where it was, or is not the one that was read" in said


def test_documents_that_moved_are_found_where_the_command_is_told(folder: Path) -> None:
    """``--documents`` names a folder; files of the same name with other bytes are none."""
    (folder / "letters").rename(folder / "archive")
    (folder / "other").mkdir()
    (folder / "other" / "a.html").write_text("<p>Something else.</p>", encoding="utf-8")
    assert "never came back" not in page("--documents", "other")
    assert "and never came back." in page("--documents", "other", "--documents", "archive")
