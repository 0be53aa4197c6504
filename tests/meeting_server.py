"""A server whose callers wait for one another, so that a hedge begins at any load."""

from __future__ import annotations

from threading import Barrier

from complaint_llm.testing import FaultyServer, Reply
from complaint_llm.testing.server import Received


class MeetingServer(FaultyServer):
    """Answers once all that ``meeting`` waits for have been asked, of one server or of several; None: at once."""

    meeting: Barrier | None = None

    def take(self, received: Received) -> Reply:
        reply = super().take(received)
        if self.meeting is not None:
            self.meeting.wait(60)
        return reply
