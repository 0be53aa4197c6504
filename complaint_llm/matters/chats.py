"""What a matter has among the conversations of ``chat`` that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from complaint_llm.chats import ChatFile, ChatFileError, chat_files, matters_of
from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.matters.holder import Holder, Place


class ChatHolder(NamedTuple):
    """One kept conversation. It is deleted whole: each turn rests on those before."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def find(self, matter: str) -> Sequence[Place]:
        if not self.path.exists():
            return ()
        try:
            if matter not in matters_of(self.path):
                return ()
            turns = len(ChatFile(self.path).read().turns)
        except ChatFileError as error:
            raise ComplaintLLMError(f"{error}; delete the file if it is of this matter") from error
        return (Place("chat", self.name, turns, "turns"),)

    def forget(self, matter: str) -> Sequence[Place]:
        found = self.find(matter)
        if found:
            # Conversations are written whole into a file beside theirs when a turn is taken back.
            self.path.with_name(f".{self.path.name}.part").unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
        return found


def chat_holders(folder: Path) -> list[Holder]:
    """The conversations that are kept in a folder."""
    return [ChatHolder(path) for path in chat_files(folder)]
