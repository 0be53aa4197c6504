"""Conversations as they are kept: one private file each, a line of JSON a turn."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from io import BufferedIOBase
from pathlib import Path
from typing import Any, NamedTuple, Self

from complaint_llm.bounded_json import loads
from complaint_llm.messages import InferenceOutput, Message
from complaint_llm.private_folder import make_private_folder, open_private

CHATS_PATH = Path(".complaint_llm/chats")
"""Where conversations are kept, from the folder of the config."""
VERSION = 1
_TEXTS = ("system", "backend", "model", "privacy", "matter")


class ChatFileError(ValueError):
    """A kept conversation cannot be read."""


class ChatSettings(NamedTuple):
    """Under what a conversation is held.

    ``privacy`` and ``requires`` (see ``Mediator.infer``) hold for all that comes after, too: what was said under them
    is sent again with each turn.
    """

    system: str | None = None
    backend: str | None = None
    model: str | None = None
    privacy: str | None = None
    requires: Mapping[str, Any] | None = None
    matter: str | None = None

    def params(self) -> dict[str, Any]:
        """Those that are set, as parameters of a call."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class TurnUsage(NamedTuple):
    """Who answered, and for what; ``cost`` is in US dollars, None where it is unknown; tokens are 0 where they are."""

    backend: str = ""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None

    @classmethod
    def of(cls, output: InferenceOutput) -> Self:
        """That of an answer."""
        usage = output.token_usage
        return cls(output.backend, output.model, usage.prompt_tokens, usage.completion_tokens, output.cost)


class ChatTurn(NamedTuple):
    """A question and its answer. One that was ``cut`` off by the user has no ``usage``: nobody told it."""

    question: Message
    answer: Message
    usage: TurnUsage | None = None
    cut: bool = False


class Conversation(NamedTuple):
    """Turns, and the settings of the next one."""

    settings: ChatSettings = ChatSettings()
    turns: tuple[ChatTurn, ...] = ()

    def messages(self) -> list[Message]:
        """The history, as the next call is given it."""
        return [message for turn in self.turns for message in (turn.question, turn.answer)]

    @property
    def length_in_words(self) -> str:
        """How many turns it has: "1 turn"."""
        return f"{len(self.turns):,} turn{'' if len(self.turns) == 1 else 's'}"

    def with_turn(self, turn: ChatTurn) -> Conversation:
        """With one more."""
        return self._replace(turns=(*self.turns, turn))

    def without_last(self) -> Conversation:
        """Without the last one."""
        return self._replace(turns=self.turns[:-1])

    def with_settings(self, **changed: Any) -> Conversation:
        """With other settings from the next turn on."""
        return self._replace(settings=self.settings._replace(**changed))


class ChatFile:
    """The file of one conversation, which this process writes.

    A file that was changed or deleted by others since it was last seen here is not touched: ``add`` and ``replace`` say
    so by false.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size: int | None = None
        self._end = 0

    @classmethod
    def new(cls, folder: Path, now: datetime | None = None) -> Self:
        """One with a name of its own; it is made with the first turn."""
        stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        return cls(folder / f"{stamp}-{os.urandom(3).hex()}.jsonl")

    def read(self) -> Conversation:
        """The conversation in it. A last line that was cut short is none. Raises ChatFileError, OSError."""
        data = self.path.read_bytes()
        self._size, self._end = len(data), data.rfind(b"\n") + 1
        turns: list[ChatTurn] = []
        settings = ChatSettings()
        for number, line in enumerate(_lines(data), 1):
            try:
                settings, turn = _read_turn(loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ChatFileError(f"{self.path}: line {number} is no turn of a conversation: {error}") from error
            turns.append(turn)
        return Conversation(settings, tuple(turns))

    def add(self, conversation: Conversation) -> bool:
        """Write its last turn below the others. Raises OSError."""
        if not self._is_ours():
            return False
        line = _line(conversation.settings, conversation.turns[-1])
        make_private_folder(self.path.parent)
        with open(self.path, "ab", opener=open_private) as file:
            # What a killed process left of a line would make one with ours.
            file.truncate(self._end)
            file.write(line)
            self._finish(file)
        return True

    def replace(self, conversation: Conversation) -> bool:
        """Write all of it anew, or delete the file if nothing is left. Raises OSError."""
        if not self._is_ours():
            return False
        if not conversation.turns:
            self.path.unlink(missing_ok=True)
            self._size, self._end = None, 0
            return True
        part = self.path.with_name(f".{self.path.name}.part")
        with open(part, "wb", opener=open_private) as file:
            file.writelines(_line(conversation.settings, turn) for turn in conversation.turns)
            self._finish(file)
        part.replace(self.path)
        return True

    def _is_ours(self) -> bool:
        try:
            return self.path.stat().st_size == self._size
        except FileNotFoundError:
            return self._size is None

    def _finish(self, file: BufferedIOBase) -> None:
        file.flush()
        os.fsync(file.fileno())
        self._size = self._end = file.tell()


def chat_files(folder: Path) -> Sequence[Path]:
    """The files of kept conversations, the one that was last written first."""
    found = [path for path in folder.glob("*.jsonl") if path.is_file()] if folder.is_dir() else []
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def matters_of(path: Path) -> set[str]:
    """The matters of a kept conversation. Raises ChatFileError, OSError."""
    found = set()
    for number, line in enumerate(_lines(path.read_bytes()), 1):
        try:
            found.add(loads(line)["matter"])
        except (ValueError, KeyError, TypeError) as error:
            raise ChatFileError(f"{path}: line {number} is no turn of a conversation") from error
    return {each for each in found if each is not None}


def _lines(data: bytes) -> Iterator[bytes]:
    return (line for line in data[: data.rfind(b"\n") + 1].split(b"\n") if line.strip())


def _line(settings: ChatSettings, turn: ChatTurn) -> bytes:
    said = {
        "version": VERSION,
        **settings._asdict(),
        "messages": [turn.question.to_dict(), turn.answer.to_dict()],
        "usage": None if turn.usage is None else turn.usage._asdict(),
        "cut": turn.cut,
    }
    return json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _read_turn(said: Mapping[str, Any]) -> tuple[ChatSettings, ChatTurn]:
    if said["version"] != VERSION:
        raise ValueError(f"it is of version {said['version']}, which this program does not know")
    if not all(said[name] is None or isinstance(said[name], str) for name in _TEXTS):
        raise ValueError("a setting is no text")
    question, answer = map(Message.from_dict, said["messages"])
    usage = None if said["usage"] is None else TurnUsage(**said["usage"])
    settings = ChatSettings(**{name: said[name] for name in ChatSettings._fields})
    return settings, ChatTurn(question, answer, usage, bool(said["cut"]))
