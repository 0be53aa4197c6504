"""Guards that are wrong in one thing each."""

from __future__ import annotations

import re
import threading
from itertools import count
from typing import Any

from complaint_llm import hookimpl
from complaint_llm.guards.guard import Guard, GuardRefusal

NUMBER = re.compile(r"\d{2}-CV-\d{5}")


class Right(Guard):
    version = "1"

    def before(self, request: Any, target_kind: Any) -> Any:
        if "forbidden words" in repr(request):
            raise GuardRefusal("it holds what may not leave")
        return request.map_text(lambda text: NUMBER.sub("[case]", text))


class NoVersion(Right):
    version = ""


class TakesAnyKey(Right):
    def __init__(self, **keys: Any) -> None:
        pass


class NoneForNothing(Right):
    def before(self, request: Any, target_kind: Any) -> Any:
        is_empty = not any((request.messages, request.tools, request.schema, request.parameters))
        return None if is_empty else super().before(request, target_kind)


class ChangesTheCallers(Right):
    def before(self, request: Any, target_kind: Any) -> Any:
        if request.schema is not None:
            request.schema["title"] = "mine"
        return super().before(request, target_kind)


class MissesTools(Right):
    def before(self, request: Any, target_kind: Any) -> Any:
        return super().before(request, target_kind)._replace(tools=request.tools)


class Forgets(Right):
    """Said to restore."""


class AnswerIsNotTheStream(Right):
    def after(self, output: Any) -> Any:
        return output._replace(content=output.content + "!")


class CountsWords(Right):
    def counts(self) -> Any:
        return {"24-CV-01234": 1}


class RefusesLoudly(Right):
    def before(self, request: Any, target_kind: Any) -> Any:
        if "forbidden words" in repr(request):
            raise GuardRefusal("it says: forbidden words")
        return super().before(request, target_kind)


class NumbersOverCalls(Right):
    def __init__(self) -> None:
        self.numbers = count()

    def before(self, request: Any, target_kind: Any) -> Any:
        super().before(request, target_kind)
        return request.map_text(lambda text: NUMBER.sub(f"[{next(self.numbers)}]", text))


class Slow(Right):
    def before(self, request: Any, target_kind: Any) -> Any:
        if len(repr(request)) > 50_000:
            threading.Event().wait(3)
        return super().before(request, target_kind)


class ClosesOnce(Right):
    is_closed = False

    def close(self) -> None:
        assert not self.is_closed, "closed already"
        self.is_closed = True


@hookimpl
def complaint_llm_guards() -> Any:
    return {
        "right": Right,
        "no version": NoVersion,
        "any key": TakesAnyKey,
        "none": NoneForNothing,
        "changes": ChangesTheCallers,
        "misses": MissesTools,
        "forgets": Forgets,
        "stream": AnswerIsNotTheStream,
        "counts": CountsWords,
        "loud": RefusesLoudly,
        "numbers": NumbersOverCalls,
        "slow": Slow,
        "closes": ClosesOnce,
    }
