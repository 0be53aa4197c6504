"""The journal on a disk that fails: what it calls answered was answered, and what was handed out is in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from complaint_llm.batch import BatchItem, Journal, run_batch
from complaint_llm.messages import InferenceOutput

ITEMS = 300
CHILD = """
import json, sys
from complaint_llm.batch import BatchItem, run_batch
from complaint_llm.exceptions import BatchError
from complaint_llm.messages import InferenceOutput

asked, handed_out, unrecorded = [], [], []

def ask(prompt, params):
    asked.append(prompt)
    return InferenceOutput(f"answer to {prompt} " + "x" * 400)

try:
    for result in run_batch(ask, (BatchItem(str(i), str(i)) for i in range(int(sys.argv[2]))), journal=sys.argv[1]):
        handed_out.append(result.key)
except BatchError as error:
    unrecorded = [result.key for result in error.results]
    assert all(result.output.metadata["journaled"] is False for result in error.results)
print(json.dumps({"asked": asked, "handed_out": handed_out, "unrecorded": unrecorded}))
"""


@pytest.fixture
def fiu():
    """The path of fiu-run, which makes system calls fail."""
    found = shutil.which("fiu-run")
    if found is None:
        sentence = "fiu-run is not installed: apt install fiu-utils"
        if os.environ.get("COMPLAINT_LLM_REQUIRE_PEERS") == "1":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    return found


def answer(key):
    return f"answer to {key} " + "x" * 400


@pytest.mark.rows(2)
@pytest.mark.peer("fiu-run")
@pytest.mark.parametrize("call", ["posix/io/rw/pwrite", "posix/io/sync/fdatasync"])
@pytest.mark.parametrize("probability", [0.005, 0.02, 0.3])
@pytest.mark.parametrize("errno", [5, 28], ids=["EIO", "ENOSPC"])
def test_never_a_wrong_done(fiu, tmp_path, call, probability, errno):
    """Every answer that was handed out is in the journal, every answer in the journal is right, none is lost."""
    path = tmp_path / "run.journal"
    fault = f"enable_random name={call},probability={probability},failinfo={errno}"
    done = subprocess.run(
        [fiu, "-x", "-f", str(tmp_path / "fiu"), "-c", fault, sys.executable, "-c", CHILD, str(path), str(ITEMS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    child = json.loads(done.stdout)
    if probability == 0.3:
        assert len(child["handed_out"]) < ITEMS  # the faults did strike
    assert sorted(child["asked"]) == sorted(child["handed_out"] + child["unrecorded"])
    with Journal(path) as journal:
        recorded = {line.id: line.output.content for line in journal.recorded_items() if line.output is not None}
        doubtful = set(journal.in_doubt())
    assert recorded.keys() >= set(child["handed_out"])
    assert all(text == answer(key) for key, text in recorded.items())
    assert recorded.keys() <= set(child["asked"])
    assert recorded.keys() | doubtful >= set(child["asked"])

    again = []

    def ask(prompt, params):
        again.append(prompt)
        return InferenceOutput(answer(prompt))

    results = list(run_batch(ask, [BatchItem(str(i), str(i)) for i in range(ITEMS)], journal=path, ordered=True))
    assert [r.output.content for r in results] == [answer(i) for i in range(ITEMS)]
    assert not set(again) & recorded.keys()
