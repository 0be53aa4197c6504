"""The files that a newcomer meets first are real: the example config loads, the example intakes are what they say."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from complaint_llm import load_config
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.documents.kinds import document_kind
from complaint_llm.documents.reading import DocumentReaders

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config.example.json"


def intakes() -> list[tuple[str, str]]:
    """The id and the text of each, of those that are documents what was typeset."""
    texts = [*(ROOT / "examples/intakes").glob("*.txt"), *(ROOT / "examples/document-texts").glob("*.txt")]
    return [(path.stem, path.read_text(encoding="utf-8")) for path in sorted(texts, key=lambda path: path.name)]


def test_there_are_at_least_twenty_intakes_of_four_kinds() -> None:
    """Employment, housing, consumer and benefits matters are all there, each with an id of its own."""
    ids = [id for id, _ in intakes()]
    assert len(set(ids)) == len(ids) >= 20
    assert {each[:3] for each in ids} == {"emp", "hou", "con", "ben"}


@pytest.mark.parametrize(("id", "text"), intakes())
def test_an_intake_is_a_real_length(id: str, text: str) -> None:
    """Two to five paragraphs and 120 to 350 words: what a legal aid office really receives."""
    assert 2 <= len(text.split("\n\n")) <= 5
    assert 120 <= len(text.split()) <= 350


def test_each_document_among_the_intakes_has_its_text_beside_the_examples() -> None:
    """Six PDFs, three Word files and two mails; none is large."""
    files = [path for path in (ROOT / "examples/intakes").iterdir() if path.suffix != ".txt"]
    assert Counter(path.suffix for path in files) == {".pdf": 6, ".docx": 3, ".eml": 2}
    assert {path.stem for path in files} == {path.stem for path in (ROOT / "examples/document-texts").iterdir()}
    assert max(path.stat().st_size for path in files) < 50_000


@pytest.mark.rows(2)
@pytest.mark.parametrize("path", sorted((ROOT / "examples/document-texts").iterdir()), ids=lambda path: path.stem)
def test_a_document_holds_its_text_and_the_scan_holds_none(path: Path) -> None:
    """What a reader finds in it is what was typeset, word for word; the scan is an image."""
    pytest.importorskip("pypdfium2", reason="reads PDF")
    (file,) = (ROOT / "examples/intakes").glob(f"{path.stem}.[!t]*")
    data, readers = file.read_bytes(), DocumentReaders(most=1)
    try:
        kind = document_kind(data, file.name)
        found = readers.read(data, kind, file.name, deadline=Deadline(60), cancel=CancelToken())
    finally:
        readers.close()
    words = " ".join(" ".join(page.text for page in found.pages).split())
    if path.stem == "con-008-movers-storage":
        assert words == ""
        assert found.pages[0].image is not None
    else:
        assert " ".join(path.read_text(encoding="utf-8").split()) in words


def test_some_intakes_are_not_ascii() -> None:
    """Spanish, Vietnamese and Arabic text goes the whole way."""
    text = "".join(text for _, text in intakes())
    assert "ñ" in text
    assert "Đ" in text
    assert re.search("[\u0600-\u06ff]", text)


def test_no_sentence_stands_in_two_intakes() -> None:
    """The intakes are not one template filled in many times."""
    seen: dict[str, str] = {}
    for id, text in intakes():
        for sentence in re.split(r"(?<=[.!?])\s+", text):
            if len(sentence) > 30:
                assert seen.setdefault(sentence, id) == id, sentence


@pytest.mark.parametrize(("id", "text"), intakes())
def test_an_intake_asks_no_model_for_anything(id: str, text: str) -> None:
    """The words are the client's, or of whoever took the intake: what is wanted of a model, the task says."""
    assert (
        re.search(r"extract|legal claims?\b|each possible|filing deadline|strongest|intake below", text, re.I) is None
    )


def test_without_any_key_the_example_config_leaves_only_the_offline_backend() -> None:
    """A newcomer with nothing set up gets an answer, and a reason for each backend that was left out."""
    written = json.loads(CONFIG.read_text(encoding="utf-8"))
    config = load_config(CONFIG, environ={"LM_API_TOKEN": ""})
    used = {each.id for each in config.backends}
    reasons = dict(config.left_out)
    assert "offline" in used
    assert {"gpt", "claude", "gemini"} <= set(reasons)
    assert used | set(reasons) == {each["id"] for each in written["BACKENDS"]}
    assert all(reasons.values())


@pytest.mark.parametrize(
    ("variable", "backend"), [("OPENAI_API_KEY", "gpt"), ("ANTHROPIC_API_KEY", "claude"), ("GEMINI_API_KEY", "gemini")]
)
def test_one_key_in_the_environment_brings_its_backend_in(variable: str, backend: str) -> None:
    """Setting the one variable that the example names is all it takes."""
    config = load_config(CONFIG, environ={variable: "sk-not-a-real-key-0123456789"})
    assert backend in {each.id for each in config.backends}


def test_the_example_models_are_not_retired() -> None:
    """The price list's end dates name none of the example's models."""
    retired = json.loads((ROOT / "complaint_llm/data/retirements.json").read_text(encoding="utf-8"))
    models = {each.get("model") for each in json.loads(CONFIG.read_text(encoding="utf-8"))["BACKENDS"]}
    flat = json.dumps(retired)
    dated = [model for model in models if model and f'"{model}"' in flat]
    assert dated == [], f"choose models without an end date (today is {dt.datetime.now(dt.UTC).date()})"
