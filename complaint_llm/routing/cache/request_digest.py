"""One name for all requests that ask the same thing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.messages import ImagePart
from complaint_llm.prompt_files import read_image

if TYPE_CHECKING:
    from complaint_llm.request import Request

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=lambda value: _plain(value), allow_nan=True
)


def request_digest(request: Request) -> str:
    """SHA-256, in hex, of everything that shapes the answer to ``request``, and of its privacy.

    Deadline, token and evidence are no part of it. Images count by their bytes (a file is read), URLs as such. Raises
    InvalidRequestError for an image file that cannot be read.

    Each message is a line, then its content: the line says how long that is, so that nothing in a text can pass for a
    line. What a request leaves at its default is not written.
    """
    parts: list[str] = []
    for role, content, calls, call_id, name, extra in request.messages:
        has_more = calls or call_id is not None or name is not None or extra is not None
        about = _ENCODER.encode((calls, call_id, name, extra)) if has_more else ""
        if isinstance(content, str):
            parts += (f"{role} text {len(content)} {about}\n", content)
        else:
            text = _ENCODER.encode([_image(part) if isinstance(part, ImagePart) else part for part in content])
            parts += (f"{role} parts {len(text)} {about}\n", text)
    model, params, tools, privacy = request.model, request.params, request.tools, request.privacy
    form, extra_body = request.response_format, request.extra_body
    if model is not None or params or tools or form is not None or extra_body or privacy is not None:
        shape = None if form is None else (form.kind, form.schema, form.name, form.strict)
        parts.append(_ENCODER.encode((model, dict(params), tools, shape, dict(extra_body), privacy)))
    return hashlib.sha256("".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _image(part: ImagePart) -> tuple[str | None, str | None, str | None, str]:
    data = read_image(part.path) if part.path is not None else part.data
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
