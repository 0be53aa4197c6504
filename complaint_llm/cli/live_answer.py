"""An answer as it comes: each piece is shown at once, under a sign of life until the first."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.cli.sign_of_life import SignOfLife
from complaint_llm.cli.terminal import tell, write
from complaint_llm.messages import Done, InferenceOutput, ReasoningDelta, TextDelta

if TYPE_CHECKING:
    from complaint_llm.mediator import Mediator
    from complaint_llm.messages import Prompt


class LiveAnswer:
    """One answer. ``text`` is what has come of it so far, whatever ended it."""

    def __init__(self) -> None:
        self.text = ""

    def show(self, mediator: Mediator, prompt: Prompt, params: Mapping[str, Any], sign: SignOfLife) -> InferenceOutput:
        """Ask, and write the text to standard output piece by piece, with a line end at its end.

        On a terminal a text that breaks off gets its line end too: what is said of it begins a line.
        """
        ended = False
        try:
            with mediator.infer_stream(prompt, **params) as events:
                for event in events:
                    if isinstance(event, TextDelta):
                        sign.erase()
                        self.text += event.text
                        write(event.text, end="")
                    elif isinstance(event, ReasoningDelta):
                        sign.say(f"{whom(mediator, params)} is thinking")
                    elif isinstance(event, Done):
                        sign.erase()
                        ended = True
                        write()
                        return event.output
            raise AssertionError("a stream ends with Done or an error")
        finally:
            sign.erase()
            if self.text and not ended and sys.stdout.isatty():
                write()

    def line_of_interruption(self) -> str:
        """What to say where the user ended it."""
        if not self.text:
            return "interrupted: nothing of the answer was received"
        return f"interrupted: {len(self.text):,} characters of the answer were received, the rest was not"


def whom(mediator: Mediator, params: Mapping[str, Any]) -> str:
    """Who is asked, for people: the backend that the call names, or those that the config has in turn."""
    named = params.get("backend")
    if named is not None:
        return str(named)
    first, *others = dict.fromkeys(leaf.id for leaf in mediator.as_member().leaves())
    return f"{first} or {len(others)} other{'s' if len(others) > 1 else ''}" if others else first


def say_findings(output: InferenceOutput) -> None:
    """What does not hold in the answer, on stderr: the answer itself does not show it."""
    for finding in output.findings:
        tell(f"{finding.pointer or '/'}: {finding.message} ({finding.check})")
