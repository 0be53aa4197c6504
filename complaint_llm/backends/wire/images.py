"""Images of messages as providers take them: bytes with their media type, or a URL that the provider fetches itself."""

from __future__ import annotations

import base64
import binascii
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.prompt_files import image_kind, read_image

if TYPE_CHECKING:
    from complaint_llm.messages import ImagePart

_SUFFIXES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".heic": "image/heic",
    ".heif": "image/heif",
}


def remote_url(part: ImagePart) -> str | None:
    """The http(s) URL that the provider is to fetch itself; None where the bytes are sent. Nothing is fetched here."""
    if part.url is None or part.url[:5].lower() == "data:":
        return None
    if not part.url.lower().startswith(("http://", "https://")):
        raise _bad("an image's url begins with http://, https:// or data:; give a file as path")
    return part.url


def image_data(part: ImagePart) -> tuple[str, bytes]:
    """Media type and bytes of an image given as bytes, as a file or as a ``data:`` URL.

    Raises InvalidRequestError for a file that cannot be read and for bytes of an unknown kind.
    """
    given = part.media_type
    if part.data is not None:
        data = part.data
    elif part.path is not None:
        data = read_image(part.path, given)
    elif part.url is not None and remote_url(part) is None:
        named, data = _read_data_url(part.url)
        given = given or named
    else:
        raise _bad("this image is only a URL: give its bytes or a path")
    media_type = given or image_kind(data)
    if media_type is None:
        raise _bad('an image of unknown kind: give its media_type, such as "image/png"')
    return media_type, data


def image_base64(part: ImagePart) -> tuple[str, str]:
    """Media type and base64 text of the bytes, as ``image_data`` finds them."""
    media_type, data = image_data(part)
    return media_type, base64.b64encode(data).decode("ascii")


def data_url(part: ImagePart) -> str:
    """The bytes as a ``data:`` URL (RFC 2397)."""
    media_type, text = image_base64(part)
    return f"data:{media_type};base64,{text}"


def media_type_of_url(part: ImagePart) -> str | None:
    """The media type of an image that the provider fetches: as given, else by the name in the URL, else None."""
    if part.media_type is not None:
        return part.media_type
    path = (part.url or "").partition("#")[0].partition("?")[0]
    return _SUFFIXES.get(PurePosixPath(path).suffix.lower())


def _read_data_url(url: str) -> tuple[str | None, bytes]:
    head, comma, body = url[5:].partition(",")
    media_type, *options = head.split(";")
    if not comma:
        raise _bad("a data: URL without its data")
    try:
        data = unquote_to_bytes(body)
        if any(option.strip().lower() == "base64" for option in options):
            data = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise _bad("a data: URL whose base64 is broken") from cause
    return media_type or None, data


def _bad(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, sent=False)
