"""Templates of tasks: filled in one pass, so that what is filled in is never read as a template."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][\w.-]*)\}")


def placeholders(template: str) -> frozenset[str]:
    """The names that the template asks for."""
    return frozenset(found[1] for found in _PLACEHOLDER.finditer(template) if found[1])


def fill(template: str, values: Mapping[str, str]) -> str:
    """``template`` with each ``{name}`` replaced; ``{{`` and ``}}`` are braces. Raises KeyError for an unknown name."""

    def value(found: re.Match[str]) -> str:
        return values[found[1]] if found[1] else found[0][0]

    return _PLACEHOLDER.sub(value, template)
