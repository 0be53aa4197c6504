"""One model over several providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from complaint_llm.backends import Backend, ComposedBackend, make_strategy
from complaint_llm.host import PluginHost

Provider = str | Mapping[str, Any] | Backend


class LLMRouterBackend(ComposedBackend):
    """Asks ``provider``, then ``fallback_providers``, for ``model``.

    A provider is a backend, a type or alias (which then takes the router's own keys: model, temperature, limits), or a
    mapping with a ``type`` and its own keys over the router's. One without its key is passed over and listed in
    ``attempts``. Raises TypeError without a provider.
    """

    type: ClassVar[str] = "llm_router"

    def __init__(
        self,
        id: str | None = None,
        provider: Provider | None = None,
        model: str | None = None,
        fallback_providers: Sequence[Provider] = (),
        *,
        timeout: float | None = None,
        **keys: Any,
    ) -> None:
        if provider is None:
            raise TypeError("LLMRouterBackend needs a provider: a type, a backend, or a mapping with a type")
        host = PluginHost()
        name = id or self.type
        shared = {**keys, "model": model}
        parts = [_part(given, shared, name, host) for given in (provider, *fallback_providers)]
        super().__init__(parts, make_strategy("fallback"), id=name, timeout=timeout)


def _part(given: Provider, shared: Mapping[str, Any], router: str, host: PluginHost) -> Backend:
    if not isinstance(given, (str, Mapping)):
        return given
    own = {"type": given} if isinstance(given, str) else dict(given)
    kind = host.backend_type(own.pop("type"))
    keys = {**kind.presets, **shared, **own}
    keys.setdefault("id", f"{router}/{kind.name}")
    return kind.factory()(**keys)
