"""A running IPFS node (kubo, or what speaks its RPC): blocks in, pinned, and out.

https://docs.ipfs.tech/reference/kubo/rpc/. A node publishes what it holds to the network that it is part of, so one
beyond this machine is used only if that is asked for. ``requests`` is imported with the first call.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from socket import AF_UNSPEC, SOCK_STREAM, getaddrinfo
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from complaint_llm import bounded_json
from complaint_llm.evidence.blocks.file_blocks import MAX_BLOCK
from complaint_llm.evidence.ipld.cid import CODEC_NAMES, Cid, parse_cid
from complaint_llm.evidence.ipld.dag_pb import Block
from complaint_llm.exceptions import ConfigError, EvidenceCorruptedError, EvidenceError
from complaint_llm.json_schema.given_keys import placed_error

if TYPE_CHECKING:
    from requests import Session

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
_GROUP_BYTES = 4 * 1024 * 1024


class NodeAwayError(EvidenceError):
    """The node does not answer; what is stored here is not affected."""


class IpfsNode:
    """One node. Any thread may call it: each call takes a connection of its own from an idle list.

    ``local_only`` refuses everything beyond loopback, also if ``public`` is true. A node on loopback is never reached
    through a proxy. Raises ConfigError for an address that may not be used.
    """

    def __init__(self, api: str, *, public: bool = False, local_only: bool = False) -> None:
        parts = urlsplit(api)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise _fault("write it as http://HOST:PORT, such as http://127.0.0.1:5001")
        self._loopback = _is_loopback(parts.hostname)
        if not self._loopback and local_only:
            raise _fault(f"{parts.hostname} is beyond this machine, and privacy is local")
        if not self._loopback and not public:
            raise _fault(
                f"{parts.hostname} is beyond this machine and may publish what it holds; "
                'set "ipfs_public": true if that is meant'
            )
        if self._loopback and parts.scheme == "http" and parts.hostname == "localhost":
            # Whatever the hosts file says: the address is the one that was checked.
            api = f"http://{_address_of_localhost()}:{parts.port or 80}{parts.path}"
        self._base = api.rstrip("/") + "/api/v0/"
        self.where = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        self._idle: list[Session] = []
        self._process = os.getpid()
        self._closed = False

    def put(self, blocks: Iterable[Block]) -> None:
        """Give blocks to the node, several per request, and compare the CID that it finds for each with ours.

        Raises NodeAwayError if it does not answer, EvidenceCorruptedError if it names a block otherwise.
        """
        for group in _groups(blocks):
            codec = CODEC_NAMES[group[0].cid.codec]
            files = [("data", ("block", block.data, "application/octet-stream")) for block in group]
            body = self._call("block/put", {"cid-codec": codec, "mhtype": "sha2-256", "pin": "false"}, files)
            named = [str(line.get("Key")) for line in _lines(body)]
            named += ["nothing"] * (len(group) - len(named))
            for block, name in zip(group, named, strict=False):
                if not _names(name, block.cid):
                    raise EvidenceCorruptedError(f"the IPFS node {self.where} calls block {block.cid} {name[:80]}")

    def pin(self, root: Cid) -> None:
        """Have the node keep a block and all below it. Raises NodeAwayError or EvidenceError."""
        body = self._call("pin/add", {"arg": str(root), "recursive": "true"})
        if not any(_names(name, root) for line in _lines(body) for name in line.get("Pins") or ()):
            raise EvidenceError(f"the IPFS node {self.where} did not pin {root}")

    def unpin(self, root: Cid) -> None:
        """Have the node keep it no longer; fine if it did not."""
        try:
            self._call("pin/rm", {"arg": str(root), "recursive": "true"})
        except EvidenceError as error:
            if "not pinned" not in str(error):
                raise

    def get(self, cid: Cid) -> bytes:
        """A block, unverified. Raises EvidenceError with the node's reason if it does not find it in time."""
        return self._call("block/get", {"arg": str(cid), "timeout": f"{int(ANSWER_SECONDS / 2)}s"})

    def close(self) -> None:
        """Close the connections; one that is in use is closed when its call ends. May be called again."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _call(self, command: str, params: dict[str, str], files: Any = None) -> bytes:
        import requests  # cold start: requests

        session = self._session()
        try:
            answer = session.post(
                self._base + command,
                params=params,
                files=files,
                timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                allow_redirects=False,
                stream=True,
            )
            body = b"".join(_limit_size(answer.iter_content(65536)))
        except requests.RequestException as error:
            session.close()
            raise NodeAwayError(f"the IPFS node {self.where} does not answer ({type(error).__name__})") from error
        except BaseException:
            session.close()
            raise
        self._release(session)
        if answer.status_code != 200:
            reason = next((str(line["Message"])[:200] for line in _lines(body) if "Message" in line), "no reason")
            raise EvidenceError(f"the IPFS node {self.where} refused {command} ({answer.status_code}): {reason}")
        return body

    def _session(self) -> Session:
        if self._closed:
            raise EvidenceError("the evidence store is closed")
        if self._process != os.getpid():
            # Connections that a fork copied are the parent's.
            self._idle, self._process = [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            import requests  # cold start: requests

            session = requests.Session()
            session.trust_env = not self._loopback
            return session

    def _release(self, session: Session) -> None:
        self._idle.append(session)
        if self._closed:
            self.close()


def _names(text: object, cid: Cid) -> bool:
    """Whether a node's word is this block's CID, in whatever version and base it writes CIDs."""
    try:
        return parse_cid(str(text)).name == cid.name
    except EvidenceError:
        return False


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address_of_localhost() -> str:
    for *_, (address, *_rest) in getaddrinfo("localhost", None, AF_UNSPEC, SOCK_STREAM):
        if isinstance(address, str) and ip_address(address).is_loopback:
            return f"[{address}]" if ":" in address else address
    raise _fault("localhost is no loopback address on this machine; write 127.0.0.1")


def _fault(text: str) -> ConfigError:
    return placed_error(ConfigError, (("EVIDENCE", "ipfs_api"), text))


def _groups(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Runs of blocks of one codec, of a few megabytes each."""
    group: list[Block] = []
    size = 0
    for block in blocks:
        if group and (block.cid.codec != group[0].cid.codec or size + len(block.data) > _GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(Block(block.cid._replace(version=1), block.data))
        size += len(block.data)
    if group:
        yield group


def _lines(body: bytes) -> Iterator[dict[str, Any]]:
    """The objects of an answer in newline-delimited JSON; a line that is no object counts as an empty one."""
    for line in body.splitlines():
        if line.strip():
            try:
                found = bounded_json.loads(line)
            except ValueError:
                found = {}
            yield found if isinstance(found, dict) else {}


def _limit_size(parts: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_BLOCK:
            raise EvidenceError(f"an IPFS node answered more than {MAX_BLOCK} bytes; that is no block")
        yield part
