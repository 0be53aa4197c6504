"""What was verified of a chain of provenance records, so that the next time only what came since is looked at whole.

A file beside the index: the newest record that was verified, how many there are with those before it, the evidence that
they cite and a digest of how its files were then. It ends with the sha256 of all that, so that any changed byte of it
makes it worth nothing; so does any change of that evidence. The links between the records are followed in any case.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.evidence.sealed_file import read_sealed, write_sealed

FILE_NAME = "verified"
"""Of the file, beside the index."""


class Checkpoint(NamedTuple):
    """``length`` records up to ``newest`` were verified whole, when ``stamp`` was the digest of the ``evidence`` that
    they cite and of the kept texts up to row ``texts``."""

    newest: Cid
    length: int
    evidence: tuple[Cid, ...]
    texts: int
    stamp: bytes


def read_checkpoint(path: Path) -> Checkpoint | None:
    """The checkpoint of this file; None if there is none or a byte of it was changed."""
    match read_sealed(path):
        case [Cid() as newest, int(length), [*evidence], int(texts), bytes(stamp)]:
            return Checkpoint(newest=newest, length=length, evidence=tuple(evidence), texts=texts, stamp=stamp)
    return None


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Keep a checkpoint. Raises OSError."""
    write_sealed(path, [*checkpoint])
