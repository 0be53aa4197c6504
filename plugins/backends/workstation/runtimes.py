"""The two packages that run llama.cpp in this process, and which one a config gets."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

from complaint_llm.exceptions import BackendError

Runtime = Literal["llama-cpp-python", "xllamacpp"]


class RuntimePackage(NamedTuple):
    """One of them: its module, and the extra of this project that installs it."""

    module: str
    extra: str


PACKAGES: dict[Runtime, RuntimePackage] = {
    "llama-cpp-python": RuntimePackage("llama_cpp", "workstation"),
    "xllamacpp": RuntimePackage("xllamacpp", "xllamacpp"),
}
"""In the order in which "auto" looks for them."""


def runtime_of(wanted: Runtime | Literal["auto"]) -> Runtime:
    """The runtime itself; of "auto" the first that is installed, or the first where none is."""
    if wanted != "auto":
        return wanted
    return next((name for name in PACKAGES if is_installed(name)), "llama-cpp-python")


def other_runtime(runtime: Runtime) -> Runtime:
    """The one that this is not."""
    return next(name for name in PACKAGES if name != runtime)


def is_installed(runtime: Runtime) -> bool:
    """Whether its module can be found; it is not imported."""
    try:
        return find_spec(PACKAGES[runtime].module) is not None
    except (ImportError, ValueError):
        return False


def import_runtime(runtime: Runtime) -> Any:
    """Its module. Raises BackendError, in one sentence that says what to do, if it is not installed."""
    try:
        return import_module(PACKAGES[runtime].module)
    except ImportError as cause:
        raise BackendError(_absence(runtime), sent=False) from cause


def _absence(runtime: Runtime) -> str:
    install = f"pip install 'complaint-llm[{PACKAGES[runtime].extra}]'"
    other = other_runtime(runtime)
    if is_installed(other):
        return f'{runtime} is not installed: {install}, or set "runtime" to "{other}", which is'
    return (
        "neither llama-cpp-python nor xllamacpp is installed: pip install 'complaint-llm[xllamacpp]' (no compiler "
        "needed) or 'complaint-llm[workstation]'"
    )
