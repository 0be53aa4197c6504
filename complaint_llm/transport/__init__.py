"""One way to the network: pooled connections, deadlines that hold, cancellation, server-sent events."""

from complaint_llm.transport.client import MAX_BODY, Response, ResponseStream, Transport
from complaint_llm.transport.origin import Origin

__all__ = [
    "MAX_BODY",
    "Origin",
    "Response",
    "ResponseStream",
    "Transport",
]
