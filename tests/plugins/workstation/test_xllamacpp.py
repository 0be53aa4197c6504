"""What xllamacpp brings beside the other runtime: several requests at once, tools, log probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from complaint_llm.backends import WorkstationBackend
from complaint_llm.exceptions import InvalidRequestError
from tests.peers import need_peer
from tests.plugins.workstation.local_models import SLOTS, opened
from tests.tiny_gguf import WITH_TOOLS, build

pytestmark = pytest.mark.peer("llama.cpp")


def test_as_many_streams_as_slots_are_open_at_once(slots: WorkstationBackend) -> None:
    """Each goes on while the others do; the limit of concurrency follows the slots."""
    streams = [slots.stream_generate("hi", max_tokens=40, seed=2) for _ in range(SLOTS)]
    firsts = [next(stream) for stream in streams]
    assert len(firsts) == SLOTS == slots.options.max_concurrency
    for first, stream in zip(firsts, streams, strict=True):
        said = first + "".join(stream)
        assert stream.output is not None
        assert stream.output.content == said
        assert stream.output.token_usage.completion_tokens <= 40


def test_the_limit_of_concurrency_may_be_lower_than_the_slots(gguf: Path) -> None:
    with opened(gguf, n_parallel=SLOTS, max_concurrency=2) as backend:
        assert backend.options.max_concurrency == 2


def test_each_slot_has_the_whole_context(slots: WorkstationBackend) -> None:
    """``n_ctx`` is what one request has, however many there are at a time."""
    assert slots.infer("w" * 400, max_tokens=4, seed=2).token_usage.prompt_tokens > 512 / SLOTS


@pytest.mark.parametrize(
    ("name", "params", "kept"),
    [
        ("one_slot", {}, True),
        ("one_slot", {"temperature": 0}, False),
        ("one_slot", {"seed": 3}, False),
        ("one_slot", {"temperature": 0, "seed": 3}, False),
        ("one_slot", {"temperature": 0.5}, True),
        ("slots", {}, True),
        ("slots", {"temperature": 0}, True),
        ("slots", {"seed": 3}, False),
        ("slots", {"temperature": 0, "seed": 3}, False),
        ("slots", {"temperature": 0.5}, True),
    ],
)
def test_a_prompt_that_was_read_is_not_read_again(
    request: pytest.FixtureRequest, name: str, params: dict[str, Any], kept: bool
) -> None:
    """What a batch's prompts have in common is read once, but where an answer must repeat to the letter."""
    backend: WorkstationBackend = request.getfixturevalue(name)
    for ending in ("a", "b"):
        usage = backend.infer("w" * 100 + ending, max_tokens=30, **params).token_usage
    assert (usage.cached_tokens > 50) is kept, usage


def test_log_probabilities_are_those_of_the_tokens(slots: WorkstationBackend) -> None:
    certain = slots.infer("hi", max_tokens=6, temperature=0, logprobs=True)
    assert certain.confidence is not None
    assert 0 < certain.confidence <= 1
    assert slots.infer("hi", max_tokens=6, temperature=0).confidence is None


def test_the_model_is_shown_its_tools(tmp_path: Path) -> None:
    """By its own template; what it calls is one of them."""
    tool = {
        "name": "file_claim",
        "description": "Files a claim.",
        "parameters": {
            "type": "object",
            "properties": {"kind": {"enum": ["wages", "deposit"]}},
            "required": ["kind"],
            "additionalProperties": False,
        },
    }
    need_peer("gguf")
    build(tmp_path / "tools.gguf", template=WITH_TOOLS)
    with opened(tmp_path / "tools.gguf") as backend:
        output = backend.infer("File a claim.", [tool], seed=3, max_tokens=20)
        without = backend.infer("File a claim.", seed=3, max_tokens=1)
    assert output.token_usage.prompt_tokens > without.token_usage.prompt_tokens + 20
    assert all(call.name == "file_claim" for call in output.tool_calls)


def test_a_model_whose_template_has_no_tools_refuses_them(slots: WorkstationBackend) -> None:
    """They would be left out without a word."""
    with pytest.raises(InvalidRequestError, match="no tools: the model's chat template"):
        slots.infer("hi", [{"name": "f"}])


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/a.png", "https://example.org/a.png"])
def test_an_image_by_address_is_never_fetched(gguf: Path, tmp_path: Path, address: str) -> None:
    """Not even where the model sees: nothing leaves this machine."""
    with opened(gguf, mmproj=str(gguf)) as backend, pytest.raises(InvalidRequestError, match="no images by address"):
        backend.infer([{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image", "url": address}]}])
