"""What a file must be to be read as a GGUF model."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from complaint_llm.exceptions import BackendError, ModelNotFoundError

MAGIC = b"GGUF"


def look_at(path: Path) -> None:
    """Raises BackendError if the file cannot be read or does not begin as a GGUF model does."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as cause:
        raise ModelNotFoundError(f"cannot read the model file {path}: {cause.strerror}", sent=False) from cause
    if head[:4] != MAGIC or len(head) < 8:
        raise BackendError(f"{path.name} is no GGUF model: it begins {head[:4]!r}", sent=False)
    (version,) = struct.unpack("<I", head[4:])
    if not 1 <= version <= 16:
        raise BackendError(f"{path.name} has GGUF version {version}, which is unknown", sent=False)


def chat_template(path: Path) -> str | None:
    """The model's own chat template, None where it has none. Raises BackendError for a file that cannot be read so.

    Source of the layout: ggml's docs/gguf.md, versions 2 and 3.
    """
    try:
        with path.open("rb") as file:
            return _Metadata(file).text("tokenizer.chat_template")
    except (OSError, ValueError, struct.error) as cause:
        raise BackendError(f"{path.name}: its metadata cannot be read: {cause}", sent=False) from cause


def opens_thought(template: str | None) -> bool:
    """Whether this chat template itself begins each answer with ``<think>``, as those of DeepSeek-R1 and QwQ do: what
    stands after its last look at ``add_generation_prompt`` opens a thought and closes none."""
    beginning = (template or "").rpartition("add_generation_prompt")[2]
    return "<think>" in beginning and "</think>" not in beginning


class _Metadata:
    """Reads the key-value pairs at the beginning of a GGUF file, in their order."""

    _SIZES: ClassVar[Mapping[int, int]] = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    _TEXT, _ARRAY = 8, 9
    _LONGEST = 1 << 24
    """Bytes of the longest key or text that is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def text(self, wanted: str) -> str | None:
        """The text under this key."""
        self._read("<4sIQ")
        (count,) = self._read("<Q")
        for _ in range(count):
            name = self._text()
            (kind,) = self._read("<I")
            if name == wanted and kind == self._TEXT:
                return self._text()
            self._skip(kind)
        return None

    def _skip(self, kind: int) -> None:
        if kind == self._TEXT:
            self._file.seek(self._length(), 1)
        elif kind == self._ARRAY:
            kind, count = self._read("<IQ")
            if kind in self._SIZES:
                self._file.seek(self._SIZES[kind] * count, 1)
            else:
                for _ in range(count):
                    self._skip(kind)
        elif kind in self._SIZES:
            self._file.seek(self._SIZES[kind], 1)
        else:
            raise ValueError(f"values of kind {kind} are unknown")

    def _text(self) -> str:
        return self._file.read(self._length()).decode("utf-8", "replace")

    def _length(self) -> int:
        (length,) = self._read("<Q")
        if length > self._LONGEST:
            raise ValueError(f"a text of {length} bytes")
        return int(length)

    def _read(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(form, self._file.read(struct.calcsize(form)))
