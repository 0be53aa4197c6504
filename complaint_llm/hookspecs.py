"""The whole plugin contract: each hook, when it is called, and what returning None means.

A plugin is any module or object with functions of these names, marked with ``@complaint_llm.hookimpl``. Take only the
arguments that you need. Hooks are called once, while a config is loaded; never per request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType

PROJECT = "complaint_llm"

hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)


@hookspec
def complaint_llm_backend_types() -> Iterable[BackendType] | None:
    """The backend types that this plugin offers. Called when the plugin is loaded; None offers nothing."""
