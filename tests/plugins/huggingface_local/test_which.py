"""Which keys mean a model in this process, and what is said without the libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from complaint_llm_plugins.backends.huggingface.backend import HuggingFaceBackend
from complaint_llm_plugins.backends.huggingface.generation import StopCutter
from complaint_llm_plugins.backends.huggingface.local import TransformersBackend
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.exceptions import ConfigError


@pytest.mark.parametrize("key", ["device", "torch_dtype", "trust_remote_code", "cache_dir"])
def test_a_local_key_means_local(key: str) -> None:
    """Any of them."""
    value = {"device": "cpu", "torch_dtype": "float32", "trust_remote_code": False, "cache_dir": "x"}[key]
    assert isinstance(HuggingFaceBackend(model="a/b", **{key: value}), TransformersBackend)


def test_a_folder_means_local_and_a_name_means_the_router(tmp_path: Path) -> None:
    """The folder must exist."""
    assert isinstance(HuggingFaceBackend(model=str(tmp_path)), TransformersBackend)
    remote = HuggingFaceBackend(model=str(tmp_path / "none"), api_key="hf_secret")
    assert type(remote) is HuggingFaceBackend
    assert not remote.local


def test_keys_that_do_not_fit_are_refused() -> None:
    """As everywhere."""
    with pytest.raises(ConfigError, match="torch_dtype: unknown value"):
        HuggingFaceBackend(model="a/b", torch_dtype="float1")
    with pytest.raises(ConfigError, match="takes no base_url"):
        HuggingFaceBackend(model="a/b", device="cpu", base_url="http://127.0.0.1:1")
    with pytest.raises(TypeError, match="no_such_key"):
        HuggingFaceBackend(model="a/b", device="cpu", no_such_key=1)


def test_without_the_libraries_one_sentence_says_how_to_get_them() -> None:
    """And nothing of them is imported before the first request."""
    code = """
import sys
sys.modules["torch"] = sys.modules["transformers"] = None
from complaint_llm_plugins.backends.huggingface.backend import HuggingFaceBackend
backend = HuggingFaceBackend(id="here", model="a/b", device="cpu")
for act in (lambda: backend.generate("hi"), backend.check):
    try:
        act()
    except Exception as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    sentence = "here: transformers and torch are not installed: pip install 'complaint-llm[huggingface]'"
    assert done.stdout.splitlines() == [sentence, sentence], done.stderr


@given(st.lists(st.text("ab")), st.lists(st.text("ab", max_size=3), max_size=3))
def test_a_stop_text_is_found_however_the_text_is_split(pieces: list[str], stops: list[str]) -> None:
    """The pieces joined are the text up to the first stop text."""
    cutter = StopCutter(stops)
    out = ""
    for piece in pieces:
        out += cutter.feed(piece)
        if cutter.ended:
            break
    else:
        out += cutter.rest()
    whole = "".join(pieces)
    ends = [whole.find(stop) + len(stop) for stop in stops if stop and stop in whole]
    if not ends:
        assert out == whole
        return
    assert whole.startswith(out)
    assert not any(stop and stop in out for stop in stops)
    assert any(stop and whole.startswith(out + stop) for stop in stops)
