"""``privacy="local"`` keeps everything on this machine, under every strategy and in every way to ask."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-W", "error", "-m", "tests.end_to_end.privacy_program"]


def run(*command: str) -> dict[str, Any]:
    """The summary that the program prints; without variables that would give backends of other tests a key."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_TOKEN"))}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


KINDS = ("infer", "stream", "embed", "batch", "with a hedge")
NAMED = ("b", "chain", "shared", "router", "inline", "nested")
LONG = [pytest.param(seed, 250, marks=pytest.mark.endurance) for seed in range(4)]


@pytest.mark.rows(1)
@pytest.mark.parametrize(("seed", "part"), [(0, 40), *LONG])
def test_nothing_leads_beyond_loopback(seed: int, part: int) -> None:
    """Random configs (1,000 in the long runs), half with proxies set: strategies, hedges, retries, probes, chains,
    streams, embeddings, batches, evidence and ``check --connect``. An audit hook sees no connection, look-up,
    datagram or process that leaves the machine."""
    told = run(*PROGRAM, str(seed), str(part))
    assert told["beyond"] == []
    assert told["configs"] == part
    # Where all backends are optional and none is there, loading says so.
    assert told.get("not loaded", 0) < part / 20, told
    # It would prove nothing if nothing had been asked, or if the hook were blind.
    assert told["answered"] > part / 2
    assert told["refused"] > part / 2
    assert told["connections"] > part
    assert told["checked"] > 0
    assert told["stored"] > 0
    assert told["seen without privacy"] == 1
    asks = [*KINDS, *(f"{name} by its name" for name in NAMED)]
    assert [kind for kind in asks if told.get(kind, 0) < part / 40] == []


def test_the_same_in_an_empty_network_namespace() -> None:
    """20 configs where the kernel itself has nothing but loopback."""
    empty = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare and ip are not installed: apt install util-linux iproute2")
    if subprocess.run([*empty, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not make a network namespace: run as root")
    told = run(*empty, *PROGRAM, "77", "20")
    assert (told["beyond"], told["configs"]) == ([], 20)
    assert told["answered"] > 0
