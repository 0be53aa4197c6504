"""Model servers that answer on this machine, at the addresses that backend types have beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from complaint_llm import bounded_json
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import ComplaintLLMError, ConfigError
from complaint_llm.transport import Transport
from complaint_llm.transport.origin import parse_origin

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType

ANSWER_SECONDS = 0.7
"""Seconds that a server on this machine has to answer."""
_MOST_BYTES = 4 * 1024 * 1024
_MOST_MODELS = 1000


class FoundServer(NamedTuple):
    """A server that answered, and the models that it lists."""

    type: str
    base_url: str
    models: tuple[str, ...]


def loopback_servers(types: Iterable[BackendType], environ: Mapping[str, str]) -> list[FoundServer]:
    """The servers that answer now, in the order of their types. Only addresses that name this machine are contacted."""
    addresses: dict[str, str] = {}
    for type in types:
        variable = type.variables.get("base_url", "")
        address = environ.get(variable) or type.presets.get("base_url")
        if isinstance(address, str) and is_loopback(address):
            addresses.setdefault(address, type.name)
    if not addresses:
        return []
    with ThreadPoolExecutor(len(addresses)) as pool:
        listed = list(pool.map(server_models, addresses))
    return [
        FoundServer(type, address, models)
        for (address, type), models in zip(addresses.items(), listed, strict=True)
        if models is not None
    ]


def is_loopback(base_url: str) -> bool:
    """Whether an address itself names this machine."""
    try:
        return parse_origin(base_url).loopback
    except ConfigError:
        return False


def server_models(base_url: str, timeout: float = ANSWER_SECONDS) -> tuple[str, ...] | None:
    """The models that a server on this machine lists as OpenAI's API does; None where none answers in ``timeout``.

    An address without a path is that of the host: the list is looked for below ``/v1`` first.
    """
    path = parse_origin(base_url).path
    transport = Transport(base_url, connect_timeout=timeout, local_only=True, max_body=_MOST_BYTES)
    try:
        for place in ("/models",) if path else ("/v1/models", "/models"):
            found = _list_models(transport, place, timeout)
            if found is not None:
                return found
        return None
    finally:
        transport.close()


def _list_models(transport: Transport, path: str, timeout: float) -> tuple[str, ...] | None:
    try:
        response = transport.request("GET", path, None, deadline=Deadline(timeout), cancel=CancelToken())
        said = bounded_json.loads(response.body) if response.status == 200 else None
    except (ComplaintLLMError, ValueError):
        return None  # whatever is there, it offers no models
    listed = said.get("data") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        return None
    names = (each.get("id") for each in listed[:_MOST_MODELS] if isinstance(each, dict))
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name))
