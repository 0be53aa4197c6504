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
    text = json.dumps([about, shaped], sort_keys=True, ensure_ascii=False, default=_name_of)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_BESIDE_THE_ANSWER = frozenset(
    (
        "account", "base_url", "cache_dir", "command", "device", "fallbacks", "fallback_providers", "id", "latency",
        "n_batch", "n_gpu_layers", "n_parallel", "n_threads", "organization", "primary", "project", "runtime",
    )
)  # fmt: skip
"""Keys of single types that say where or how fast an answer is made, and not what it is."""


def shaping_settings(backend: Backend, given: Sequence[Any], own: Mapping[str, Any]) -> Mapping[str, Any]:
    """What shapes the answers of a backend beside the request, by the settings' names."""
    options = backend.options
    settings: dict[str, Any] = {"type": backend.type, "model": options.model, "system": options.system}
    settings |= {"extra_body": dict(options.extra_body) or None, "arguments": list(given) or None}
    settings |= {key: value for key, value in own.items() if key not in _BESIDE_THE_ANSWER}
    settings |= {"documents": None if options.documents == "auto" else options.documents}
    settings |= options.params
    return {name: value for name, value in settings.items() if value is not None and not isinstance(value, Secret)}


def _name_of(value: Any) -> Any:
    """What JSON has no form for: mappings as such, functions and objects by their names."""
    if isinstance(value, Mapping):
        return dict(value)
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
