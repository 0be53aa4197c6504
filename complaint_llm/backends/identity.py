"""What a cached answer depends on beside the request: the backend as it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.version import plugin_version
from complaint_llm.secrets import Secret

if TYPE_CHECKING:
    from complaint_llm.backends.base import Backend


def cache_identity(backend: Backend, model: str | None, given: Sequence[Any], own: Mapping[str, Any]) -> str:
    """A digest of the type, its version, the model, the defaults, the address, and what its type alone takes."""
    options = backend.options
    address = getattr(backend, "base_url", options.base_url)
    about = [backend.id, backend.type, plugin_version(type(backend).__module__), model, address]
    secretless = {key: value for key, value in own.items() if not isinstance(value, Secret)}
    shaped = [dict(options.params), options.system, dict(options.extra_body), list(given), secretless]
    text = json.dumps([about, shaped], sort_keys=True, ensure_ascii=False, default=_named)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _named(value: Any) -> Any:
    """What JSON has no form for: mappings as such, functions and objects by their names."""
    if isinstance(value, Mapping):
        return dict(value)
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
