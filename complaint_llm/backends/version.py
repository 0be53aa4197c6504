"""Which version of a plugin made an answer."""

from __future__ import annotations

from functools import lru_cache


def plugin_version(module: str) -> str:
    """The version of the distribution that a module came with; of a drop-in module its name."""
    return _distribution(module.partition(".")[0])


@lru_cache(maxsize=64)
def _distribution(package: str) -> str:
    # By the top package alone: finding it looks into every installed distribution, a tenth of a second.
    from importlib.metadata import packages_distributions, version  # cold start: metadata

    names = packages_distributions().get(package)
    return f"{names[0]} {version(names[0])}" if names else package
