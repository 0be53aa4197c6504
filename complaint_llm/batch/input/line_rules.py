"""What a line of a file may ask for: it was written by whoever made the file, not by whoever runs the batch."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from complaint_llm.batch.input.items import BatchItem
from complaint_llm.messages import Document, ImagePart, Message, Part, TextPart
from complaint_llm.prompt_files import check_document_file, check_image, file_below
from complaint_llm.request import GENERATION_KEYS, as_messages

OWN_KEYS = GENERATION_KEYS | {"response_format", "names", "matter"}
"""Parameters that any line may set: how the answer is sampled, what shape it has, names that are to be hidden, and the
matter that it belongs to."""

OWN_ROLES = frozenset(("user", "assistant"))


class LineRules(NamedTuple):
    """``folder`` is where paths in lines lead from and must stay below, None where lines may name no file;
    ``trusted`` lines may say anything else."""

    folder: Path | None = None
    trusted: bool = False

    def apply(self, item: BatchItem) -> BatchItem:
        """The item, with the files that it names where they are. Raises ValueError or InvalidRequestError."""
        if not self.trusted:
            self._check(item)
        if isinstance(item.prompt, str):
            return item
        return item._replace(prompt=[self._with_files(message) for message in as_messages(item.prompt)])

    def _check(self, item: BatchItem) -> None:
        beyond = sorted(item.params.keys() - OWN_KEYS)
        if beyond:
            raise ValueError(f"a line may not set {beyond[0]!r}{_TRUST}")
        if isinstance(item.prompt, str):
            return
        for message in as_messages(item.prompt):
            if message.role not in OWN_ROLES:
                raise ValueError(f"a line may not have a turn of role {message.role!r}{_TRUST}")
            if message.tool_calls or message.extra is not None or message.tool_call_id is not None:
                raise ValueError(f"a line may not have tool calls or a provider's own state{_TRUST}")

    def _with_files(self, message: Message) -> Message:
        if isinstance(message.content, str):
            return message
        return message._replace(content=tuple(map(self._with_file, message.content)))

    def _with_file(self, part: Part) -> Part:
        if isinstance(part, Document) and part.cid is not None:
            raise ValueError(f"a line may not name evidence{_TRUST}")
        if isinstance(part, TextPart) or part.path is None:
            return part
        if self.folder is None:
            raise ValueError("lines from standard input name no files, unless --files-below says where they are")
        path = file_below(part.path, self.folder)
        if isinstance(part, ImagePart):
            check_image(path, part.media_type)
        else:
            check_document_file(path)
        return part._replace(path=str(path))


_TRUST = " (--trust-lines allows it)"
