"""A process that asks for admissions until its time is over, and prints the moment of each by Redis' clock.

Run by test_shared_limits: shared_worker.py URL LIMIT WINDOW THREADS SECONDS
"""

from __future__ import annotations

import sys
import threading
import time

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import RateLimitError
from complaint_llm.messages import InferenceOutput
from complaint_llm.request import Request, as_messages
from complaint_llm.routing.admission import admission
from complaint_llm.routing.candidate import Outcome
from complaint_llm.routing.shared import SharedState
from complaint_llm.secrets import Secret

OUTPUT = InferenceOutput("x")


def main() -> None:
    url, limit, window, threads, seconds = sys.argv[1:]
    shared = SharedState(Secret(url))
    (policy,) = admission("a", breaker=None, rate_limit=int(limit), window=float(window), shared=shared)
    end = time.monotonic() + float(seconds)
    print("ready", flush=True)

    def work() -> None:
        while (left := end - time.monotonic()) > 0:
            try:
                permit = policy.enter(Request(as_messages("x"), Deadline(left), CancelToken()), left)
            except RateLimitError:
                continue
            # One clock for all processes of this machine, and the one that Redis goes by.
            sys.stdout.write(f"{time.time():.6f} {'shared' if shared.available else 'alone'}\n")
            sys.stdout.flush()
            if permit is not None:
                permit.settle(Outcome(0.0, OUTPUT))

    workers = [threading.Thread(target=work) for _ in range(int(threads))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    shared.close()


if __name__ == "__main__":
    main()
