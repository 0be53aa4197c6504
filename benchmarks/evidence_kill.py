"""Kill a process that adds evidence, many times, and look at what it leaves.

``python -m benchmarks.evidence_kill --runs 200`` prints what was wrong after each kill; nothing, and exit code 0, if
every CID that had been returned read back whole, the store verified, and collecting removed what was unfinished.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from complaint_llm.evidence import EvidenceStore

RUNS_A_STORE = 10
"""Kills that one store has to survive before the next begins empty: each looks at all that is there."""

ADDING = """
import random, sys
from threading import Thread
from complaint_llm.evidence import EvidenceStore

store = EvidenceStore(sys.argv[1])
seed = int(sys.argv[2])

def add(source):
    while True:
        # Mostly small ones, some of several chunks, now and then one that was there before.
        data = source.randbytes(source.choice([0, 10, 2000, 300_000, 1_500_000])) + bytes([source.randrange(4)])
        record = store.submit_evidence(data, "document", user_id=str(source.randrange(5)))
        sys.stdout.write(record["cid"] + " " + record["sha256"] + "\\n")
        sys.stdout.flush()

print("ready", flush=True)
for number in range(3 * (seed % 2)):  # every second time four threads, which commit together
    Thread(target=add, args=(random.Random(seed + 1 + number),), daemon=True).start()
add(random.Random(seed))
"""


def kill_once(path: Path, source: random.Random) -> list[str]:
    """Start an adding process on the store at ``path``, kill it at a random moment; what is wrong afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-c", ADDING, str(path), str(source.randrange(2**31))], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(source.uniform(0, 0.15))
    process.kill()
    returned = [
        line.split() for line in process.communicate(timeout=60)[0].splitlines(keepends=True) if line[-1] == "\n"
    ]
    wrong = []
    with EvidenceStore(path) as store:
        for cid, digest in returned:
            if sha256(store.retrieve_evidence(cid)).hexdigest() != digest:
                wrong.append(f"{cid} does not read back as it was returned")
        # What the killed process had not finished has no record yet; gc takes it.
        faults = [fault for fault in store.verify().faults if fault.kind != "orphan"]
        wrong += [f"{fault.kind} {fault.name}: {fault.reason}" for fault in faults]
        for record in store.list_evidence():
            if sha256(store.retrieve_evidence(record["cid"])).hexdigest() != record["sha256"]:
                wrong.append(f"record {record['record_id']} is of other content")
        store.gc()
        wrong += [f"after gc: {fault.kind} {fault.name}: {fault.reason}" for fault in store.verify().faults]
        if any((path / "blocks" / "unfinished").iterdir()):
            wrong.append("unfinished files stay after gc")
    return wrong


def main() -> int:
    """Run it and print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failures = records = size = 0
    for first in range(0, options.runs, RUNS_A_STORE):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "evidence"
            for run in range(first, min(first + RUNS_A_STORE, options.runs)):
                for line in kill_once(path, random.Random(options.seed + run)):
                    failures += 1
                    print(f"run {run} (seed {options.seed + run}): {line}", flush=True)
            with EvidenceStore(path) as store:
                found = store.verify()
            records, size = records + found.records, size + found.bytes
    print(f"{options.runs} kills: {records:,} records, {size:,} bytes stored; {failures} faults")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
