"""Real generation on a tiny random transformers model."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install torch transformers")
transformers = pytest.importorskip("transformers", reason="transformers is not installed: pip install transformers")

from complaint_llm_plugins.backends.huggingface.backend import HuggingFaceBackend  # noqa: E402
from complaint_llm_plugins.backends.huggingface.local import TransformersBackend  # noqa: E402

from complaint_llm.exceptions import (  # noqa: E402
    BackendError,
    BackendTimeoutError,
    CancelledError,
    ContextLengthError,
    InvalidRequestError,
)
from complaint_llm.testing.steady_clock import SteadyClock  # noqa: E402

pytestmark = [
    pytest.mark.peer("transformers"),
    pytest.mark.filterwarnings("default"),  # the libraries' own, on any day
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of two layers over bytes, with a chat template; random weights from a seed."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: number for number, text in enumerate(["<s>", "</s>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
    # A streamer hands out whole words: with these, half of what a random model says ends one.
    fast.add_tokens([f" w{number}" for number in range(len(vocabulary))])
    fast.chat_template = (
        "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(fast),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=1,
    )
    path = tmp_path_factory.mktemp("tiny-llama")
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    fast.save_pretrained(path)
    return path


@pytest.fixture
def backend(folder: Path) -> Iterator[Any]:
    with HuggingFaceBackend(id="here", model=str(folder), device="cpu") as made:
        yield made


def test_an_existing_folder_is_a_model_of_this_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is needed, and it is local."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with HuggingFaceBackend(id="here", model=str(folder)) as made:
        assert isinstance(made, TransformersBackend)
        assert made.local
        assert made.generate("hello", max_tokens=4, seed=1, privacy="local")


def test_a_stream_is_the_whole_answer_and_a_seed_repeats(backend: Any) -> None:
    """The same text in pieces, with the same usage."""
    whole = backend.infer("hello", max_tokens=24, seed=7)
    stream = backend.stream_generate("hello", max_tokens=24, seed=7)
    pieces = list(stream)
    assert "".join(pieces) == whole.content
    assert len(pieces) > 1
    assert stream.output.token_usage == whole.token_usage
    assert backend.generate("hello", max_tokens=24, seed=8) != whole.content
    assert whole.token_usage.prompt_tokens == len("user: hello\nassistant: ")
    assert whole.cost is None


def test_at_temperature_0_it_repeats_without_a_seed(backend: Any) -> None:
    """Greedy."""
    assert backend.generate("hi", max_tokens=16, temperature=0) == backend.generate("hi", max_tokens=16, temperature=0)


def test_a_cut_answer_says_so(backend: Any) -> None:
    """By its length, of max_tokens or of the context."""
    output = backend.infer("hi", max_tokens=5, temperature=0)
    assert (output.finish_reason, output.token_usage.completion_tokens) == ("length", 5)
    with pytest.raises(ContextLengthError, match="512"):
        backend.generate("x" * 600)


def test_a_stop_text_ends_the_answer_and_is_not_in_it(backend: Any) -> None:
    """Whole and streamed."""
    full = backend.generate("hi", max_tokens=40, seed=7)
    place = next(place for place in range(5, 40) if full.find(full[place : place + 3]) == place)
    stop = full[place : place + 3]
    output = backend.infer("hi", max_tokens=40, seed=7, stop=[stop, "never to be seen"])
    assert (output.content, output.finish_reason) == (full[:place], "stop")
    assert "".join(backend.stream_generate("hi", max_tokens=40, seed=7, stop=stop)) == full[:place]


def test_the_deadline_ends_it_and_the_model_is_free_again(backend: Any, steady_clock: SteadyClock) -> None:
    """The caller in time, the generation after the token under way."""
    backend.load()
    started = steady_clock()
    with pytest.raises(BackendTimeoutError):
        backend.generate("hi", max_tokens=480, temperature=0, timeout=0.1)
    assert steady_clock() - started < 0.11 + 0.3
    assert backend.infer("hi", max_tokens=1, temperature=0, timeout=10)
    _until(lambda: not _generating())


def test_an_abandoned_stream_gives_the_model_back(backend: Any) -> None:
    """Closing it stops the generation."""
    stream = backend.stream_generate("hi", max_tokens=480, temperature=0)
    next(stream)
    stream.close()
    assert backend.infer("hi", max_tokens=1, temperature=0, timeout=10)
    _until(lambda: not _generating())


def test_closing_ends_what_is_in_flight(backend: Any) -> None:
    """With an error that says so; afterwards too."""
    stream = backend.stream_generate("hi", max_tokens=480, temperature=0)
    next(stream)
    backend.close()
    with pytest.raises(BackendError) as caught:
        list(stream)
    assert "closed" in str(caught.value)
    assert isinstance(caught.value, (CancelledError, BackendError))
    with pytest.raises(BackendError, match="is closed"):
        backend.generate("hi")
    _until(lambda: not _generating())


def test_threads_get_the_answers_of_one_thread(backend: Any) -> None:
    """One call at a time."""
    expected = [backend.generate(f"hi {number}", max_tokens=6, seed=number) for number in range(6)]
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        found[number] = backend.generate(f"hi {number}", max_tokens=6, seed=number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(6)] == expected


def test_code_of_a_model_is_not_run(folder: Path, tmp_path: Path) -> None:
    """Unless the config says that it may."""
    copy = tmp_path / "with-code"
    copy.mkdir()
    for each in folder.iterdir():
        (copy / each.name).write_bytes(each.read_bytes())
    config = json.loads((copy / "config.json").read_text())
    config["model_type"] = "own"
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    with HuggingFaceBackend(id="here", model=str(copy)) as made, pytest.raises(BackendError, match="here: cannot load"):
        made.generate("hi")
    assert not (tmp_path / "ran").exists()


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    """One line."""
    with HuggingFaceBackend(id="here", model=str(tmp_path)) as made, pytest.raises(BackendError) as caught:
        made.generate("hi")
    assert str(caught.value).startswith(f"here: cannot load {tmp_path}")
    assert "\n" not in str(caught.value)


def test_what_it_cannot_do_it_says(backend: Any) -> None:
    """Tools, embeddings, another model, parameters."""
    with pytest.raises(InvalidRequestError, match="no tools"):
        backend.infer("hi", [{"name": "f"}])
    with pytest.raises(InvalidRequestError, match="no embeddings"):
        backend.embed("hi")
    with pytest.raises(InvalidRequestError, match="a backend for each model"):
        backend.generate("hi", model="another")
    output = backend.infer("hi", max_tokens=2, temperature=0, frequency_penalty=1.0)
    assert output.metadata["unsupported_parameters"] == ["frequency_penalty"]


def _generating() -> bool:
    return any(thread.name == "transformers" for thread in threading.enumerate())


def _until(what: Any, patience: float = 30.0) -> None:
    end = time.monotonic() + patience
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
