"""What a service wants back with the next turn (``Message.extra``): sealed when it comes, opened for its maker alone.

Signed thinking, encrypted reasoning, kept items: a wire puts them into ``InferenceOutput.extra`` under its own name and
finds them there again in the messages of a request. In between they are sealed here, once for all wires: with the
service that made them (the address, so that another service on the same wire does not get them) and with a digest of
what the message says (so that they do not go back beside words that the service did not say).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from complaint_llm.messages import InferenceOutput, Message, ToolCall

SEAL = "seal"
"""The key of ``extra`` under which service and digest stand, beside those of the wires."""


def service_at(base_url: str) -> str:
    """The name of the service at an address: host, port and path, without user, password and query."""
    parts = urlsplit(base_url)
    return f"{parts.netloc.rpartition('@')[2].lower()}{parts.path.rstrip('/')}"


def seal_state(output: InferenceOutput, service: str) -> InferenceOutput:
    """The answer with its state sealed as this service's; without any state as it is."""
    if not output.extra:
        return output
    says = _digest(output.content, output.tool_calls)
    return output._replace(extra={**output.extra, SEAL: {"service": service, "says": says}})


def with_own_state(messages: Sequence[Message], service: str) -> tuple[Message, ...]:
    """The messages as this service may get them: state that it did not make, or for other words, is taken out."""
    if all(message.extra is None for message in messages):
        return tuple(messages)
    return tuple(
        message if message.extra is None or _is_own(message, service) else message._replace(extra=None)
        for message in messages
    )


def _is_own(message: Message, service: str) -> bool:
    seal = message.extra.get(SEAL) if message.extra is not None else None
    if not isinstance(seal, dict) or seal.get("service") != service:
        return False
    says = _digest(message.text, message.tool_calls)
    return says is not None and seal.get("says") == says


def _digest(text: str, calls: Sequence[ToolCall]) -> str | None:
    """BLAKE2b of what is said and called, without the ids, which may change; None for what cannot be written."""
    said = [text, *([call.name, call.arguments_raw if call.arguments is None else call.arguments] for call in calls)]
    try:
        written = json.dumps(said, sort_keys=True, default=dict)
    except (TypeError, ValueError, RecursionError):
        return None
    return hashlib.blake2b(written.encode("ascii"), digest_size=16).hexdigest()
