"""Peak memory and throughput of 1,000,000 mock prompts from a generator through ``Mediator.batch``.

    python -m benchmarks.batch_memory --prompts 1000000

Each mode (journal off, journal on) runs in a process of its own. Memory is flat if the peak after all prompts is not
much above the peak after the first tenth.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ALLOWED_MIB = 150


def measure(prompts: int, workers: int, journal: Path | None) -> dict[str, float]:
    """Run the batch here; peaks in MiB, by tenth, and seconds."""
    from complaint_llm import Mediator
    from complaint_llm.backends import MockBackend

    peaks = []
    begin = time.perf_counter()
    with Mediator([MockBackend().echo()]) as mediator:
        run = mediator.batch(
            (f"Extract the claims of case {i}." for i in range(prompts)), max_workers=workers, journal=journal
        )
        done = 0
        for result in run:
            if result.error is not None:
                raise result.error
            done += 1
            if done % (prompts // 10) == 0:
                peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    if done != prompts:
        raise RuntimeError(f"{done} results of {prompts} prompts")
    return {"first": peaks[0], "half": peaks[4], "peak": peaks[-1], "seconds": time.perf_counter() - begin}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--journal", type=Path, help="measure in this process, with this journal")
    parser.add_argument("--here", action="store_true", help="measure in this process")
    given = parser.parse_args()
    if given.here:
        print(json.dumps(measure(given.prompts, given.workers, given.journal)))
        return 0
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "run.journal"
        command = [sys.executable, "-m", "benchmarks.batch_memory", "--here"]
        command += ["--prompts", str(given.prompts), "--workers", str(given.workers)]
        for name, more in (("journal off", []), ("journal on", ["--journal", str(journal)])):
            done = subprocess.run([*command, *more], check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            held = found["peak"] <= ALLOWED_MIB
            failed += not held
            print(
                f"{name}: {given.prompts:,} prompts in {found['seconds']:.1f} s, "
                f"{given.prompts / found['seconds']:,.0f} a second; peak {found['peak']:.1f} MiB, after a tenth "
                f"{found['first']:.1f}, after half {found['half']:.1f}; allowed {ALLOWED_MIB}: "
                f"{'held' if held else 'missed'}",
                flush=True,
            )
        if journal.exists():
            print(f"the journal has {journal.stat().st_size / 2**20:.0f} MiB")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
