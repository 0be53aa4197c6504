"""Where a base URL points: scheme, host, port and the path that every request begins with."""

from __future__ import annotations

import re

from complaint_llm.exceptions import ConfigError
from complaint_llm.named_tuples import NamedTuple

_PORTS = {"http": 80, "https": 443}
_SHAPE = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?\Z")
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.%]+)\]|(?P<name>[^\s:@\[\]\x00-\x1f\x7f]+))(?::(?P<port>[0-9]{1,5}))?\Z")
_UNSAFE_PATH = re.compile(r"[^\x21-\x7e]")


class Origin(NamedTuple):
    """A server. ``host`` has no brackets; ``path`` has no slash at its end; ``prints`` as scheme and authority only."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """``host`` or ``host:port`` as the Host header wants it (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether the URL itself names this machine; other names are never taken for local."""
        return is_loopback_name(self.host) or is_loopback_address(self.host)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def parse_origin(url: str) -> Origin:
    """The origin of an ``http`` or ``https`` URL. Raises ConfigError, which never repeats credentials in it."""
    shape = _SHAPE.match(url)
    if shape is None:
        raise ConfigError("base_url is no URL of the form https://host/path: give one without query and fragment")
    scheme = shape["scheme"].lower()
    if scheme not in _PORTS:
        raise ConfigError(f"base_url has the scheme {scheme!r}: use http or https")
    if "@" in shape["authority"]:
        raise ConfigError("base_url holds a user name or password: put the key into api_key or custom_headers")
    host = _HOST.match(shape["authority"])
    path = (shape["path"] or "").rstrip("/")
    if host is None or _UNSAFE_PATH.search(path):
        raise ConfigError("base_url has no valid host, port or path: give one like https://api.example.com/v1")
    port = int(host["port"]) if host["port"] else _PORTS[scheme]
    if not 0 < port < 65536:
        raise ConfigError(f"base_url has the port {port}: it is 1 to 65535")
    return Origin(scheme, _ascii((host["six"] or host["name"]).lower()), port, path)


def _ascii(host: str) -> str:
    """An international name as DNS, TLS and the Host header want it, by the rules that requests follows."""
    if host.isascii():
        return host
    import idna  # cold start

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as cause:
        raise ConfigError(f"base_url has the host {host!r}, which is no valid name: correct it") from cause


def is_loopback_name(host: str) -> bool:
    """``localhost`` and names below it, which resolve to loopback by definition (RFC 6761, 6.3)."""
    return host == "localhost" or host.endswith(".localhost")


def is_loopback_address(host: str) -> bool:
    """Whether ``host`` is a numeric loopback address: 127.0.0.0/8, ::1, or an IPv4 one mapped into IPv6."""
    if host.startswith("::ffff:"):
        host = host[7:]
    if host == "::1":
        return True
    parts = host.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdecimal() and int(part) < 256 for part in parts)
