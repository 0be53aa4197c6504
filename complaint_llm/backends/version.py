"""Which version of a plugin made an answer."""

from __future__ import annotations

from functools import lru_cache, partial

from complaint_llm import __version__
from complaint_llm.client.once import Once

_OURS = ("complaint_llm", "complaint_llm_plugins")
"""The packages of this very distribution."""


def plugin_version(module: str) -> str:
    """The version of the distribution that a module came with; of a drop-in module its name."""
    package = module.partition(".")[0]
    return f"complaint-llm {__version__}" if package in _OURS else _version_of(package).get()


@lru_cache(maxsize=64)
def _version_of(package: str) -> Once[str]:
    """Once for a top package, whoever asks at the same time: it takes a tenth of a second and more."""
    return Once(partial(_look_up, package), close=lambda version: None)


def _look_up(package: str) -> str:
    """Looks into every installed distribution."""
    from importlib.metadata import packages_distributions, version  # cold start: metadata

    names = packages_distributions().get(package)
    return f"{names[0]} {version(names[0])}" if names else package
