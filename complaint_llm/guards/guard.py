"""What a guard is: it sees a request before anything else does, changes it or refuses it, and sees the answer last.

A guard is made once for a config, from its entry in GUARDS. For each call it gives an object of that call, which may
remember what it did; a guard that remembers nothing is that object itself::

    class WithoutCaseNumbers(Guard):
        def before(self, request, target_kind):
            return request.map_text(lambda text: re.sub(r"\\b\\d{4}-\\d{4}\\b", "[case number]", text))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from complaint_llm.request import EMPTY

if TYPE_CHECKING:
    from complaint_llm.guards.texts import TextChange
    from complaint_llm.messages import InferenceOutput, Message, Tool

TargetKind = Literal["local", "remote"]
"""Whether what is asked stays on this machine."""

Need = Literal["messages", "tools", "response_format", "names", "matter"]
"""What a guard may be shown of a request. Keys, addresses and limits are never shown to one."""

Content = Literal["image", "file"]
"""Content beside text."""


class GuardRefusal(Exception):  # noqa: N818 - it is an answer, not an error
    """Raised by a guard that lets a request not go: the reason, in a sentence without the client's words."""


class GuardRequest(NamedTuple):
    """What a guard sees of a request, as far as it declares that it ``needs`` it; the rest is empty.

    ``messages`` are all turns, system texts among them, with the texts of documents as they will be shown; ``names``
    are those that the caller says are in it; ``schema`` is that of the answer's shape.
    """

    messages: Sequence[Message] = ()
    tools: Sequence[Tool] = ()
    schema: Mapping[str, Any] | None = None
    parameters: Mapping[str, Any] = EMPTY
    """Parameters that are texts: stop words."""
    names: Sequence[str] = ()
    matter: str | None = None

    def map_text(self, change: TextChange, change_json: TextChange | None = None) -> GuardRequest:
        """The request with every text of it changed: turns, results and arguments of tools, descriptions of tools,
        words of the schema. Names of tools, ids and what a provider signed stay.

        ``change_json`` changes a text that is JSON and gives JSON; without it each string and each number of the JSON
        is changed by itself.
        """
        # cold start: guards
        from complaint_llm.guards.texts import change_in_json, map_message, map_schema, map_tool, map_values

        in_json = change_json or change_in_json(change)
        return self._replace(
            messages=[map_message(message, change, in_json) for message in self.messages],
            tools=[map_tool(tool, change) for tool in self.tools],
            schema=None if self.schema is None else map_schema(self.schema, change),
            parameters=map_values(self.parameters, change),
        )


class PieceRestorer(Protocol):
    """Changes the pieces of a streamed text; it belongs to one text of one stream."""

    def feed(self, piece: str) -> str:
        """What of the text so far can be handed out."""
        ...

    def flush(self) -> str:
        """What was held back, at the end of the text."""
        ...


class GuardedCall(Protocol):
    """A guard at work on one call. ``before`` may be asked several times: for each form in which a document is shown,
    and for each turn of texts to embed. One thread uses it at a time."""

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        """What may be sent in the place of ``request``. Raises GuardRefusal; anything else that it raises is a failure
        of the guard, and ends the call as well."""
        ...

    def after(self, output: InferenceOutput) -> InferenceOutput:
        """The answer as the caller gets it. Raises GuardRefusal."""
        ...

    def pieces(self, kind: Literal["text", "json"]) -> PieceRestorer | None:
        """What changes the pieces of a streamed text, or of the JSON of a tool's arguments; None: nothing does."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How often it did what, by its own words ("list", "pattern"); nothing of the texts."""
        ...


GuardFactory = Callable[..., "Guard"]
"""Makes a guard from the keys of its entry, beside those of every guard; one with a parameter ``folder`` is given the
folder of the config."""


class Guard:
    """The base of guards. Any thread may call ``for_call``; raise ConfigError in ``__init__`` for wrong keys.

    ``needs`` is what it is shown; ``accepts`` is content beside text that it declares to be right to send: a request
    with other content is not sent to where the guard applies. ``version`` goes into provenance.
    """

    version: ClassVar[str] = "0"
    needs: ClassVar[frozenset[Need]] = frozenset(("messages", "tools", "response_format"))
    accepts: ClassVar[frozenset[Content]] = frozenset()
    columns: Sequence[str] = ()
    """Columns of a batch's table whose cells it needs as names; without one of them the batch does not begin."""
    keeps_time: bool = False
    """Whether its work is bounded by itself: then it runs in the caller's thread. Any other runs on a thread that is
    left behind when its time is over."""

    def for_call(self) -> GuardedCall:
        """The object that works on one call."""
        return self

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        """The request as it is."""
        return request

    def after(self, output: InferenceOutput) -> InferenceOutput:
        """The answer as it is."""
        return output

    def pieces(self, kind: Literal["text", "json"]) -> PieceRestorer | None:
        """Nothing changes pieces."""
        return None

    def counts(self) -> Mapping[str, int]:
        """Nothing is counted."""
        return EMPTY

    def close(self) -> None:
        """Free what it owns."""
