"""What a local model thinks before it answers is told from the answer, on both runtimes, whole and streamed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from complaint_llm.backends import WorkstationBackend
from complaint_llm.exceptions import ResponseFormatError
from tests.peers import need_peer
from tests.tiny_gguf import TEMPLATE, build

pytestmark = pytest.mark.peer("llama.cpp")

OPENING = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'assistant' %}{% set content = m['content'] %}"
    "{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{ '<|Assistant|>' + content + '\\n' }}{% else %}{{ '<|' + m['role'] + '|>' + m['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif %}"
)
"""A template that opens the thought itself, as those of DeepSeek-R1 and QwQ do."""


def answered(folder: Path, runtime: str, says: Sequence[str], template: str = TEMPLATE) -> set[tuple[str, str | None]]:
    """Content and reasoning of the whole answer and of the streamed one, without the blanks around them."""
    need_peer("gguf")
    build(folder / "scripted.gguf", says=says, template=template, context=128)
    path = str(folder / "scripted.gguf")
    with WorkstationBackend(id="ws", runtime=runtime, model_path=path, n_ctx=128, n_threads=1) as backend:  # type: ignore[arg-type]
        whole = backend.infer("hi", max_tokens=40, temperature=0)
        stream = backend.stream_generate("hi", max_tokens=40, temperature=0)
        list(stream)
    assert stream.output is not None
    return {(each.content.strip(), (each.reasoning or "").strip() or None) for each in (whole, stream.output)}


@pytest.mark.parametrize(
    ("says", "content", "reasoning"),
    [
        (["Yes", " sir."], "Yes sir.", None),
        (["<think>", "plan", "</think>", "Yes."], "Yes.", "plan"),
        (["<think>\n", "one", " two", "\n</think>\n\n", "Yes."], "Yes.", "one two"),
        (["<think>", "</think>", "Yes."], "Yes.", None),
        (["<th", "ink>", "plan", "</thi", "nk>", "Yes."], "Yes.", "plan"),
        (["\n\n", "<think>", "plan", "</think>", "Yes."], "Yes.", "plan"),
        (["<think>", "é中", "</think>", "Küche"], "Küche", "é中"),
        (["[THINK]", "plan", "[/THINK]", "Yes."], "Yes.", "plan"),
        (["Yes", " <think>", "why", "</think>"], "Yes <think>why</think>", None),
        (["<think>", '{"a": 1}', "</think>", '{"b": 2}'], '{"b": 2}', '{"a": 1}'),
    ],
    ids=str,
)
def test_what_a_model_thinks_comes_apart(
    tmp_path: Path, runtime: str, says: list[str], content: str, reasoning: str | None
) -> None:
    """Tags at the beginning are reasoning, however they are cut; later in the answer they are text."""
    assert answered(tmp_path, runtime, says) == {(content, reasoning)}


@pytest.mark.parametrize(
    "says",
    [["plan", "</think>", "Yes."], ["plan\n", "</think>\n\n", "Yes."], ["plan", "</th", "ink>", "Yes."]],
    ids=str,
)
def test_a_thought_that_the_template_opened_comes_apart(tmp_path: Path, runtime: str, says: list[str]) -> None:
    """The answer has the closing tag alone then."""
    assert answered(tmp_path, runtime, says, OPENING) == {("Yes.", "plan")}


@pytest.mark.parametrize(
    ("says", "template"),
    [(["<think>", "never ended"], TEMPLATE), (["never ended"], OPENING), (["never", " ended"], OPENING)],
    ids=["the model's tag", "the template's tag", "in pieces"],
)
def test_a_thought_that_never_ended_is_no_answer(tmp_path: Path, runtime: str, says: list[str], template: str) -> None:
    """An error that says what to raise; neither an empty answer nor the thought as one."""
    with pytest.raises(ResponseFormatError, match="its thinking alone: raise max_tokens"):
        answered(tmp_path, runtime, says, template)


@pytest.mark.parametrize("template", [TEMPLATE, OPENING], ids=["plain", "opening"])
def test_an_answer_by_a_schema_is_no_thought(tmp_path: Path, runtime: str, template: str) -> None:
    """Its grammar leaves no room for one, whatever the template opened."""
    build(tmp_path / "tiny.gguf", template=template)
    path = str(tmp_path / "tiny.gguf")
    with WorkstationBackend(id="ws", runtime=runtime, model_path=path, n_ctx=512, n_threads=1) as backend:  # type: ignore[arg-type]
        output = backend.infer("hi", response_format={"enum": ["wages", "deposit"]}, max_tokens=60, seed=2)
        stream = backend.stream_generate("hi", response_format={"enum": ["wages", "deposit"]}, max_tokens=60, seed=2)
        said = "".join(stream)
    assert output.parsed in ("wages", "deposit")
    assert said == output.content
    assert output.reasoning is None
