"""Whether what a backend needs is there at load: an extra, a key, somebody who listens on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from complaint_llm.config.environment import Environment
from complaint_llm.named_tuples import NamedTuple

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType

CONNECT_SECONDS = 0.2


class Lack(NamedTuple):
    """Why a backend cannot work here: the kind of what it lacks, and a line for people."""

    kind: Literal["unset", "modules", "key", "silent"]
    reason: str


class Readiness:
    """Asks each question once per config. Used by one thread."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._listening: dict[tuple[str, int], bool] = {}
        self._missing: dict[tuple[str | tuple[str, ...], ...], list[str]] = {}

    def lack(self, type: BackendType, keys: Mapping[str, Any]) -> Lack | None:
        """What a backend of this type and these keys needs and does not have now."""
        missing = self._missing_modules(type.modules)
        if missing:
            return Lack("modules", f"{'; '.join(missing)}: {_installation(type)}")
        needed = type.needs_key(keys) if callable(type.needs_key) else type.needs_key
        if needed and not keys.get("api_key") and self._environment.first(type.key_variables) is None:
            wanted = " or ".join(f"${name}" for name in type.key_variables) or "api_key"
            return Lack("key", f"there is no key: set {wanted}")
        base_url = keys.get("base_url")
        if keys.get("optional") is True and isinstance(base_url, str):
            at = _loopback(base_url)
            if at is not None and not self._listens(at):
                return Lack("silent", f"nothing listens at {at[0]}:{at[1]}: start the server, or correct base_url")
        return None

    def _missing_modules(self, modules: tuple[str | tuple[str, ...], ...]) -> list[str]:
        """What is not installed, as phrases."""
        if not modules:
            return []
        if modules not in self._missing:
            found = [_absence((each,) if isinstance(each, str) else each) for each in modules]
            self._missing[modules] = [phrase for phrase in found if phrase is not None]
        return self._missing[modules]

    def _listens(self, at: tuple[str, int]) -> bool:
        if at not in self._listening:
            import socket  # cold start

            try:
                socket.create_connection(at, CONNECT_SECONDS).close()
                self._listening[at] = True
            except OSError:
                self._listening[at] = False
        return self._listening[at]


def _absence(alternatives: tuple[str, ...]) -> str | None:
    """That none of these modules is installed, as a phrase; None where one is."""
    if any(map(_importable, alternatives)):
        return None
    if len(alternatives) == 1:
        return f"{alternatives[0]} is not installed"
    return f"neither {' nor '.join(alternatives)} is installed"


def _installation(type: BackendType) -> str:
    extras = (type.extra,) if isinstance(type.extra, str) else type.extra or ()
    if extras:
        return "pip install " + " or ".join(f"'complaint-llm[{extra}]'" for extra in extras)
    names = [each if isinstance(each, str) else each[0] for each in type.modules]
    return f"pip install {' '.join(names)}"


def _importable(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _loopback(address: str) -> tuple[str, int] | None:
    """Host and port of an address on this machine; None for any other."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    if host == "localhost" or host.endswith(".localhost") or host == "::1" or _in_127(host):
        return host, port
    return None


def _in_127(host: str) -> bool:
    numbers = host.split(".")
    return len(numbers) == 4 and numbers[0] == "127" and all(number.isdigit() for number in numbers)
