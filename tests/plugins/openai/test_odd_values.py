"""Values that are right in an uncommon spelling."""

from __future__ import annotations

import pytest

from complaint_llm.backends import OpenAIBackend
from complaint_llm.exceptions import RateLimitError
from complaint_llm.messages import ImagePart, Message
from complaint_llm.testing import FaultyServer, Reply
from tests.wire_messages import ask


def test_a_data_url_says_base64_in_any_case() -> None:
    """Taken for plain text, the letters themselves would be sent as the picture."""
    picture = Message("user", (ImagePart(url="data:image/png; BASE64,aGk="),))
    with OpenAIBackend(api_key="k", model="gpt-4.1") as backend:
        body = backend.encode(ask([picture])).body
    assert body is not None
    assert body["messages"][0]["content"][0]["image_url"]["url"] == "data:image/png;base64,aGk="


@pytest.mark.parametrize("millis", ["soon", "", "nan"])
def test_a_wait_in_milliseconds_that_is_no_number_hides_no_wait_in_seconds(millis: str) -> None:
    reply = Reply.error(429)._replace(headers={"retry-after-ms": millis, "Retry-After": "7"})
    with (
        FaultyServer(reply) as server,
        OpenAIBackend(base_url=f"{server.url}/v1", api_key="k", model="m", max_retries=0) as backend,
        pytest.raises(RateLimitError) as caught,
    ):
        backend.generate("Hello")
    assert caught.value.retry_after == 7
