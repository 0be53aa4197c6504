"""What a chat service wants back with the next turn: which fields, by its data; taken from an answer, put into a turn.

The facts of a models.json:

- ``echo``: fields of an assistant's message that the service wants back. Of ``content`` that is a list of parts, as
  Mistral's reasoning models give it; a text goes back anyway.
- ``echo_calls``: the same of a tool call (Gemini's signatures, through its address that is compatible with OpenAI's)
- ``calling_turn``: fields that each turn with tool calls has, whoever made it (DeepSeek and Moonshot refuse one without
  reasoning)
- ``first_call``: fields that the first call of a turn has where none of its calls brings the service's own
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from complaint_llm.backends.wire import EMPTY
from complaint_llm.messages import Message

STATE = "chat"
"""The key under which these fields travel in ``Message.extra``."""

_PIECES = frozenset(("text", "summary", "thinking"))
"""Fields of an entry that a stream gives piece by piece."""


def echo_of(message: Mapping[str, Any], quirks: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The ``extra`` of an answer: the fields of its message and of its tool calls that the service wants back."""
    # An empty text counts: DeepSeek refuses a tool call that comes back without the reasoning that it had, even none.
    kept = _fields(message, quirks.get("echo", ()))
    if "content" in kept and isinstance(kept["content"], str):
        del kept["content"]
    calls = message.get("tool_calls")
    state: dict[str, Any] = {"message": kept} if kept else {}
    if isinstance(calls, list):
        in_calls = [_fields(call, quirks.get("echo_calls", ())) for call in calls]
        if any(in_calls):
            state["calls"] = in_calls
    return {STATE: state} if state else None


def put_back(turn: dict[str, Any], message: Message, quirks: Mapping[str, Any]) -> None:
    """Put into the assistant's turn what the service wants back with it, and what it wants of everybody's."""
    state = message.extra.get(STATE) if message.extra is not None else None
    calls: Sequence[dict[str, Any]] = turn.get("tool_calls", ())
    if calls:
        turn.update(quirks.get("calling_turn", EMPTY))
    own = False
    if isinstance(state, Mapping):
        turn.update(_fields(state.get("message"), quirks.get("echo", ())))
        kept = state.get("calls")
        for call, fields in zip(calls, kept if isinstance(kept, list) else (), strict=False):
            found = _fields(fields, quirks.get("echo_calls", ()))
            own = own or bool(found)
            call.update(found)
    if calls and not own:
        calls[0].update(quirks.get("first_call", EMPTY))


def join_pieces(pieces: Sequence[Any]) -> Any:
    """The pieces of a field as the whole answer has it: texts and objects put together, lists entry by entry."""
    if len(pieces) == 1:
        return pieces[0]
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces)
    if all(isinstance(piece, Mapping) for piece in pieces):
        return {key: value for piece in pieces for key, value in piece.items()}
    entries: list[Any] = []
    for piece in pieces:
        for entry in piece if isinstance(piece, list) else [piece] if piece else ():
            _append(entries, {"type": "text", "text": entry} if isinstance(entry, str) else entry)
    return entries


def _append(entries: list[Any], entry: Any) -> None:
    """Add an entry, or put it together with the last where it goes on with that."""
    last = entries[-1] if entries else None
    if not (isinstance(entry, Mapping) and isinstance(last, dict) and _goes_on(last, entry)):
        entries.append(dict(entry) if isinstance(entry, Mapping) else entry)
        return
    for key, value in entry.items():
        had = last.get(key)
        if isinstance(had, list) and isinstance(value, list):
            last[key] = join_pieces([had, value])
        elif key in _PIECES and isinstance(had, str) and isinstance(value, str):
            last[key] = had + value
        elif value is not None:
            last[key] = value


def _goes_on(last: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether an entry is a further piece of the last: of its type and index, and not of another id."""
    same = last.get("type") == entry.get("type") and last.get("index") == entry.get("index")
    ids = {last.get("id"), entry.get("id")} - {None} if same else set()
    return same and len(ids) < 2 and not _PIECES.isdisjoint(last.keys() | entry.keys())


def _fields(given: Any, names: Sequence[str]) -> dict[str, Any]:
    """The fields of these names that are there."""
    if not names or not isinstance(given, Mapping):
        return {}
    return {name: given[name] for name in names if name in given and given[name] not in (None, [])}
