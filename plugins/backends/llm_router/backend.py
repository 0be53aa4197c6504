"""One model over several providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from complaint_llm.backends import Backend, ComposedBackend, check_keys, make_parts, make_strategy

Provider: TypeAlias = str | Mapping[str, Any] | Backend


class LLMRouterBackend(ComposedBackend):
    """Asks ``provider``, then ``fallback_providers``, for ``model``.

    A provider is a backend, the name of a type (which then takes the router's own keys: model, temperature, limits), or
    a mapping with a ``type`` and its own keys over the router's: both are read as in a config file. ``api_key``,
    ``base_url`` and ``custom_headers`` are those of the first provider alone. A type's bare name is optional: without
    its key it is passed over and listed in ``attempts``. Raises TypeError without a provider and for unknown keys,
    ConfigError for what a config file may not say either.
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
        name = id or self.type
        check_keys({**keys, "model": model}, name)
        parts = [provider, *fallback_providers]
        if any(isinstance(part, (str, Mapping)) for part in parts):
            given = {key: value for key, value in {**keys, "model": model}.items() if value is not None}
            entry = {"id": name, "type": "llm_router", **given, "provider": provider}
            made = make_parts({**entry, "fallback_providers": list(fallback_providers)})
            parts = [made["provider"], *made["fallback_providers"]]
        super().__init__(parts, make_strategy("fallback"), id=name, timeout=timeout)
