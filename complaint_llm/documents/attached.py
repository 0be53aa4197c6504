"""A document of one call: its bytes, and what a reader finds in it, read once, when that is first needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from complaint_llm.exceptions import ConfigError, InvalidRequestError

if TYPE_CHECKING:
    from complaint_llm.documents.pages import ReadDocument


class AttachedDocument:
    """The bytes of a document under the CID that they have, with ``read``, which reads them.

    It belongs to one call. ``pages`` are those that were chosen, as they were written; ``evidence`` says that the call
    named it as evidence.
    """

    def __init__(
        self,
        data: bytes,
        media_type: str,
        name: str,
        cid: str,
        read: Callable[[], ReadDocument],
        *,
        pages: str | None = None,
        evidence: bool = False,
    ) -> None:
        self.data = data
        self.media_type = media_type
        self.name = name
        self.cid = cid
        self.pages = pages
        self.evidence = evidence
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._read = read
        self._content: ReadDocument | None = None
        self._fault: InvalidRequestError | ConfigError | None = None

    @property
    def is_image(self) -> bool:
        """Whether it is shown as an image, as it is."""
        return self.media_type.startswith("image/")

    def content(self) -> ReadDocument:
        """What a reader found. Raises InvalidRequestError in one line that names the file, ConfigError where what
        reads such files is not installed."""
        if self._content is None:
            if self._fault is not None:
                raise self._fault.with_traceback(None)
            try:
                self._content = self._read()
            except (InvalidRequestError, ConfigError) as fault:
                self._fault = fault
                raise
        return self._content

    def content_if_readable(self) -> ReadDocument | None:
        """The same, None where it cannot be read here."""
        try:
            return self.content()
        except (InvalidRequestError, ConfigError):
            return None
