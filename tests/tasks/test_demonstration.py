"""The demonstration's rules: real quotes, answers that fit, nothing for what they do not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm import Mediator
from complaint_llm.backends import MockBackend
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Document, Message
from complaint_llm.tasks.demonstration import DemonstrationError, demonstrate, sentences
from complaint_llm.tasks.load import built_in

INTAKES = sorted((Path(__file__).parents[2] / "examples/intakes").glob("*.txt"))
TASKS = ("claims", "summary", "chronology")


def schema(task: str) -> Any:
    return built_in(task).schema


@pytest.mark.rows(20)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("path", INTAKES, ids=lambda path: path.stem)
def test_every_check_passes_on_the_intakes(path: Path, task: str) -> None:
    """The answer fits the schema, each quote stands, each number leads somewhere; it says it is a demonstration."""
    with Mediator([MockBackend(echo=True)]) as mediator:
        output = mediator.infer(path.read_text(encoding="utf-8"), task={"id": task, "demonstration": True})
    assert output.findings == ()
    assert output.metadata["demo"] is True
    assert all(quote.stands for quote in output.quotes)


DOCUMENTS = sorted(path for path in (Path(__file__).parents[2] / "examples/intakes").iterdir() if path.suffix != ".txt")


@pytest.mark.rows(4)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_every_check_passes_on_the_documents_among_the_intakes(path: Path, task: str) -> None:
    """Their text is read as any other; of the scan the answer says that there was nothing to read."""
    pytest.importorskip("pypdfium2", reason="reads PDF")
    with Mediator([MockBackend(echo=True)]) as mediator:
        prompt = [Message("user", (Document(path=str(path)),))]
        output = mediator.infer(prompt, task={"id": task, "demonstration": True})
    assert output.findings == ()
    assert output.metadata["demo"] is True
    assert all(quote.stands for quote in output.quotes)
    (why,) = (value for name, value in output.parsed.items() if name.endswith("_because"))
    assert (why == "unreadable_or_empty") == (path.stem == "con-008-movers-storage")
    assert bool(output.quotes) == (path.stem != "con-008-movers-storage")


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab .!?\n$15,May3“”\u202e\x00"), max_size=80))
def test_any_text_is_answered_with_slices_of_it(text: str) -> None:
    """Whatever stands in it."""
    assert all(each.text in text for each in sentences(text))
    for task in TASKS:
        assert demonstrate(schema(task), text)


@pytest.mark.parametrize("other", [{}, {"properties": {}}, {"properties": {"claims": {}}}, {"properties": {"x": {}}}])
def test_another_task_is_not_answered(other: Any) -> None:
    """The rules know three shapes."""
    with pytest.raises(DemonstrationError):
        demonstrate(other, "x")


def test_a_type_that_an_office_took_out_is_not_named() -> None:
    """The choices are the schema's."""
    text = "They kept my deposit of $900 for the whole year."
    assert [claim["type"] for claim in demonstrate(schema("claims"), text)["claims"]] == ["deposit_rent_fees"]
    cut = {**schema("claims"), "$defs": {"claim": {"properties": {"type": {"enum": ["other"]}}}}}
    assert demonstrate(cut, text)["claims"] == []


def test_without_leave_an_echo_answers_no_task() -> None:
    """Only a call that asks for the demonstration gets it."""
    with Mediator([MockBackend(echo=True)]) as mediator, pytest.raises(InvalidRequestError, match="nothing was read"):
        mediator.infer("x y z", task="claims")
