"""One name for all requests that ask the same thing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.messages import ImagePart

if TYPE_CHECKING:
    from complaint_llm.request import Request

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=lambda value: _plain(value), allow_nan=True
)


def request_digest(request: Request) -> str:
    """SHA-256, in hex, of everything that shapes the answer to ``request``, and of its privacy.

    Deadline, token and evidence are no part of it. Images count by their bytes (a file is read), URLs as such. Raises
    OSError for an image file that cannot be read.
    """
    form = request.response_format
    messages: Any = request.messages
    if any(not isinstance(message.content, str) for message in messages):
        messages = [message._replace(content=_content(message.content)) for message in messages]
    asked = (
        messages,
        request.model,
        dict(request.params),
        request.tools,
        None if form is None else (form.kind, form.schema, form.name, form.strict),
        dict(request.extra_body),
        request.privacy,
    )
    return hashlib.sha256(_ENCODER.encode(asked).encode("utf-8", "surrogatepass")).hexdigest()


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return tuple(_image(part) if isinstance(part, ImagePart) else part for part in content)


def _image(part: ImagePart) -> tuple[str | None, str | None, str | None, str]:
    data = Path(part.path).read_bytes() if part.path is not None else part.data
    return (part.url, None if data is None else hashlib.sha256(data).hexdigest(), part.media_type, part.type)


def _plain(value: Any) -> Any:
    """What JSON has no form for: read-only mappings, bytes (by digest), sets. Raises TypeError for anything else."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (bytes, bytearray)):
        return {"sha256": hashlib.sha256(value).hexdigest()}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"a {type(value).__name__} cannot be part of a cached request")
