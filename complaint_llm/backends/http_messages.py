"""What is sent to an HTTP API and what comes back: JSON bodies, whole answers, texts in parts that a provider takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from complaint_llm import bounded_json
from complaint_llm.backends.wire.accumulator import plain_answer
from complaint_llm.bounded_json import MAX_ITEMS
from complaint_llm.exceptions import InvalidRequestError, ResponseFormatError
from complaint_llm.messages import InferenceOutput
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import EMPTY
from complaint_llm.secrets import Redactor
from complaint_llm.transport import Response, ResponseStream

_encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class WireRequest(NamedTuple):
    """What ``encode`` returns: the path under ``base_url`` and the JSON body."""

    path: str
    body: Mapping[str, Any] | None
    headers: Mapping[str, str] = EMPTY
    method: str = "POST"


class HTTPResponse:
    """What ``parse_response`` gets, with the names that ``requests`` uses."""

    def __init__(self, response: Response, redact: Redactor) -> None:
        self._response = response
        self._redact = redact
        self.status_code = response.status
        self.headers = response.headers
        self.content = response.body

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ResponseFormatError."""
        return load_answer(self._response, self._redact)


def json_bytes(body: Mapping[str, Any] | None) -> bytes | None:
    """The body as JSON; None for none. Raises InvalidRequestError."""
    try:
        return None if body is None else _encode_json(body).encode("utf-8")
    except (TypeError, ValueError) as cause:
        raise InvalidRequestError(f"the request cannot be written as JSON: {cause}", sent=False) from cause


def read_all(stream: ResponseStream) -> Response:
    """The whole of a stream that turned out to be an error."""
    try:
        return Response(stream.status, stream.headers, stream.read())
    finally:
        stream.close()


def load_answer(response: Response, redact: Redactor, max_items: int = MAX_ITEMS) -> Any:
    """The JSON of an answer's body. Raises ResponseFormatError."""
    # The body is no local variable of a frame that raises: a server may echo the key, and tracebacks show locals. The
    # cause comes without its frames for the same reason.
    try:
        return bounded_json.loads(response.body, max_items=max_items)
    except bounded_json.ExcessiveJSONError as cause:
        raise ResponseFormatError(f"the answer is more JSON than is read: {cause}") from None
    except ValueError as cause:
        raise _no_json_error(response, redact) from cause.with_traceback(None)


def _no_json_error(response: Response, redact: Redactor) -> ResponseFormatError:
    start = redact(response.body[:4096].decode("utf-8", "replace"))[:80]
    return ResponseFormatError(f"the answer is no JSON: it begins {start!r}" if start else "the answer is empty")


def parsed_answer(
    parse: Callable[[HTTPResponse], str | InferenceOutput], response: HTTPResponse
) -> InferenceOutput:
    """What an author's ``parse_response`` makes of a response. Raises ResponseFormatError."""
    try:
        parsed: object = parse(response)
    except (LookupError, TypeError, AttributeError) as cause:
        what = f"{type(cause).__name__}: {cause}"
        raise ResponseFormatError(f"the answer is not what parse_response looks for ({what})") from cause
    if isinstance(parsed, InferenceOutput):
        return parsed
    if not isinstance(parsed, str):
        raise ResponseFormatError(f"parse_response gave a {type(parsed).__name__}, not a text")
    return plain_answer(parsed)


def split_texts(texts: Sequence[str], most: int, most_bytes: int | None) -> Iterator[tuple[str, ...]]:
    """The texts in order, at most ``most`` and ``most_bytes`` (UTF-8) in each part; one that is too long goes alone."""
    part: list[str] = []
    size = 0
    for text in texts:
        length = 0 if most_bytes is None else len(text.encode("utf-8", "surrogatepass"))
        if part and (len(part) >= most or (most_bytes is not None and size + length > most_bytes)):
            yield tuple(part)
            part, size = [], 0
        part.append(text)
        size += length
    yield tuple(part)


def request_name(call: str, body: bytes | None) -> str:
    """What a service knows a request by that it answered already: the same for each retry of a call."""
    return sha256(call.encode() + (body or b"")).hexdigest()[:32]
