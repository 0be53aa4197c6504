"""The log as a file that several make at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from complaint_llm.evidence.index.record_log import BLOCK, Frame, RecordLog
from complaint_llm.evidence.ipld.cid import RAW, cid_of

AT_ONCE = 6


def test_whoever_makes_it_at_the_same_time_takes_nothing_from_the_others(tmp_path: Path) -> None:
    """What one has written into it stays when another, who did not see it, wants to make it."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(40):
            log, ready = RecordLog(tmp_path / f"{number}.log"), Barrier(AT_ONCE)

            def add(name: int, log: RecordLog = log, ready: Barrier = ready) -> None:
                frame = Frame(BLOCK, cid_of(RAW, b"%d" % name), b"%d" % name)
                ready.wait()
                log.create()
                log.append([frame])

            list(pool.map(add, range(AT_ONCE)))
            found = [each.frame.data for each in log.frames() if each.frame is not None]
            assert sorted(found) == [b"%d" % name for name in range(AT_ONCE)]
    assert len(list(tmp_path.iterdir())) == 40
