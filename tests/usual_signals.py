"""Programs that tests start get signals as usual, also where the tests themselves run under nohup or in a background
that ignores them: a child inherits what is ignored."""

from __future__ import annotations

import signal


def usual_signals() -> None:
    """For ``preexec_fn``: INT, TERM and HUP are not ignored."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)
