"""What a model's server could fetch from elsewhere because of a request: under privacy "local" nothing may be left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from complaint_llm.messages import Message
    from complaint_llm.request import EmbeddingRequest, Request

_REMOTE = ("http:", "https:", "ftp:", "ftps:", "ws:", "wss:", "s3:", "gs:", "//")


def fetched_content(messages: Sequence[Message]) -> str | None:
    """The first part of any message that is only an address, in a phrase; None if all content is in the request.

    Whoever answers would fetch it, and so tell its host that it is read. Bytes, files and ``data:`` URLs are sent.
    """
    for place, message in enumerate(messages):
        if isinstance(message.content, str):
            continue
        for part in message.content:
            url = getattr(part, "url", None)
            if isinstance(url, str) and not _is_data(url):
                return f"message {place} ({message.role}) has the {part.type} {_harmless_address(url)}"
    return None


def addresses(value: Any, at: str) -> Iterator[str]:
    """Each text of a JSON value that is an address, in a phrase with its place. ``$schema`` and the like name, they are
    not fetched."""
    if isinstance(value, str):
        if value.strip().lower().startswith(_REMOTE):
            yield f"{at} has the address {_harmless_address(value.strip())}"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if not str(key).startswith("$"):
                yield from addresses(item, f"{at}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from addresses(item, f"{at}.{index}")


def content_elsewhere(request: Request | EmbeddingRequest) -> str | None:
    """What of a private request would be fetched from elsewhere, as a refusal; None for nothing, or without privacy."""
    if request.privacy != "local":
        return None
    found = fetched_content(getattr(request, "messages", ())) or next(addresses(request.extra_body, "extra_body"), None)
    return None if found is None else refusal(found)


def fixed_elsewhere(content: Mapping[str, Any]) -> str | None:
    """The same of what a backend's config puts into each request, by its keys."""
    found = next((each for key, value in content.items() for each in addresses(value, key)), None)
    return None if found is None else refusal(found)


def refusal(found: str) -> str:
    """What to say where something would be fetched under privacy "local"."""
    return f'privacy "local": {found}, which whoever answers would fetch: give its bytes or a path'


def _is_data(url: str) -> bool:
    return url[:5].lower() == "data:"


def _harmless_address(url: str) -> str:
    """An address without its path and query, which may say more than an error should."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" if parts.hostname else "of another place"
    except ValueError:
        return "of another place"
