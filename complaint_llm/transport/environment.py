"""What the environment says about reaching a server: proxy, CA bundle, netrc; the same rules as requests'.

Looked up once per backend. ``requests`` is imported only where one of its variables or files is there at all.
"""

from __future__ import annotations

import base64
import os
import sys
from typing import TYPE_CHECKING

from complaint_llm.exceptions import ConfigError
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from complaint_llm.transport.origin import Origin

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class Proxy(NamedTuple):
    """A proxy: where it is, and the value of Proxy-Authorization if its URL had a user."""

    secure: bool
    host: str
    port: int
    authorization: Secret | None


def find_proxy(origin: Origin) -> Proxy | None:
    """The proxy for ``origin``; None for loopback, for what NO_PROXY names, and where none is set.

    Raises ConfigError for a proxy that cannot be used (SOCKS, or no URL); what is in its URL is not repeated.
    """
    if origin.loopback or not _may_have_proxy(os.environ):
        return None
    found = _read_proxy(origin)
    if isinstance(found, str):
        raise ConfigError(f"the proxy set for {origin.scheme} {found}")
    return found


def _read_proxy(origin: Origin) -> Proxy | str | None:
    """The proxy, or why it cannot be used: nothing is raised where a URL with its password is a local variable."""
    from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy  # cold start: requests
    from urllib3.exceptions import LocationParseError  # cold start: urllib3
    from urllib3.util import Url, parse_url  # cold start: urllib3

    url = select_proxy(f"{origin}/", get_environ_proxies(f"{origin}/"))
    if not url:
        return None
    try:
        where: Url | None = parse_url(url if "://" in url else f"http://{url}")
    except LocationParseError:
        where = None
    if where is None or not where.host:
        return "is no URL: give http://host:port, with a user and password before the host percent-encoded"
    if where.scheme not in ("http", "https"):
        return f"has the scheme {where.scheme!r}: use http or https"
    user, password = get_auth_from_url(url)
    default_port = 443 if where.scheme == "https" else 80
    return Proxy(
        where.scheme == "https",
        where.host.strip("[]"),
        where.port or default_port,
        _basic(user, Secret(password)) if user else None,
    )


def named_ca_bundle() -> str | None:
    """A file or folder of CA certificates named by REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE.

    Raises ConfigError where the variable names nothing.
    """
    for name in _CA_VARIABLES:
        path = os.environ.get(name)
        if path:
            if not os.path.exists(path):  # noqa: PTH110 - pathlib costs a millisecond at import
                raise ConfigError(f"{name} names {path}, which is not there: correct or unset it")
            return path
    return None


def default_ca_bundle() -> str:
    """certifi's certificates, as requests uses."""
    import certifi  # cold start

    return certifi.where()


def find_netrc(origin: Origin) -> Secret | None:
    """The value of an Authorization header from ``$NETRC``, ``~/.netrc`` or ``~/_netrc``; None without an entry."""
    named = os.environ.get("NETRC")
    paths = (named,) if named else ("~/.netrc", "~/_netrc")
    if not any(os.path.exists(os.path.expanduser(path)) for path in paths):  # noqa: PTH110, PTH111
        return None
    from requests.utils import get_netrc_auth  # cold start: requests

    login = get_netrc_auth(f"{origin}/")
    return None if login is None else _basic(login[0], Secret(login[1]))


def _may_have_proxy(environment: Mapping[str, str]) -> bool:
    """Whether a proxy could be set at all; other systems than Linux have one in their settings, too."""
    if sys.platform in ("darwin", "win32"):
        return True
    return any(environment.get(name) or environment.get(name.upper()) for name in _PROXY_VARIABLES)


def _basic(user: str, password: Secret) -> Secret:
    """The Basic scheme (RFC 7617): Latin-1 as requests writes it, UTF-8 where that cannot hold it."""
    charset = "latin-1" if all(char < "\u0100" for char in user + password.reveal()) else "utf-8"
    return Secret("Basic " + base64.b64encode(f"{user}:{password.reveal()}".encode(charset)).decode("ascii"))
