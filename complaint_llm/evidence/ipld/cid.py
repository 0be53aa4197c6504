"""Content identifiers (CIDs): what a block is called, made from its own bytes.

The format is https://github.com/multiformats/cid; the only hash here is sha2-256, IPFS's default and the one kubo's
``ipfs add`` uses. Codec numbers are from the multicodec table.
"""

from __future__ import annotations

from base64 import b32encode, urlsafe_b64decode
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from complaint_llm.evidence.ipld.pasted_cid import cid_text
from complaint_llm.exceptions import EvidenceError

RAW = 0x55
DAG_PB = 0x70
DAG_CBOR = 0x71
CODEC_NAMES: Mapping[int, str] = {RAW: "raw", DAG_PB: "dag-pb", DAG_CBOR: "dag-cbor"}

_SHA2_256 = b"\x12\x20"
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {letter: value for value, letter in enumerate(_BASE32)}
_PREFIX = {codec: bytes((1, codec)) + _SHA2_256 for codec in CODEC_NAMES}
_MAX_TEXT = 128


class Cid(NamedTuple):
    """The identifier of one block: its codec and the sha2-256 of its bytes.

    ``version`` is 0 only for what was read as CIDv0 (``Qm...``, always dag-pb). Version 0 and 1 of one block differ as
    values, and are stored under one name (``name``).
    """

    codec: int
    digest: bytes
    version: int = 1

    @property
    def binary(self) -> bytes:
        """The bytes that links and CAR files carry."""
        return _SHA2_256 + self.digest if self.version == 0 else _PREFIX[self.codec] + self.digest

    @property
    def name(self) -> str:
        """The CIDv1 in base32, whatever the version."""
        return _base32_name(_PREFIX[self.codec] + self.digest)

    def __str__(self) -> str:
        return self.name if self.version else _to_base(_BASE58, self.binary)

    def matches(self, data: bytes) -> bool:
        """Whether ``data`` is the block of this name."""
        return sha256(data).digest() == self.digest


@lru_cache(maxsize=128)
def _base32_name(binary: bytes) -> str:
    """The name of these bytes of a CID: whoever adds or reads a record asks for the same few again at once."""
    return "b" + b32encode(binary).decode().rstrip("=").lower()


def cid_of(codec: int, data: bytes) -> Cid:
    """The CIDv1 of a block."""
    return Cid(codec, sha256(data).digest())


def parse_cid(text: str) -> Cid:
    """A CID from text: version 0, or 1 in base 16, 32, 36, 58 or 64url, as people paste it (``cid_text``).

    Raises EvidenceError if it is no CID, or one whose hash or codec cannot be served here.
    """
    try:
        try:
            return _cid(text)
        except ValueError:
            return _cid(cid_text(text))
    except ValueError as error:
        raise EvidenceError(f"{text[:80]!r} is no CID that can be used here: {error}") from error


def _cid(bare: str) -> Cid:
    """The CID of these letters and nothing else; ValueError if they are none."""
    if len(bare) > _MAX_TEXT:
        raise ValueError("too long")
    if bare.startswith("Qm") and len(bare) == 46:
        binary = _from_base(_BASE58, bare)
    elif bare[:1] in _DECODERS:
        binary = _DECODERS[bare[:1]](bare[1:])
    else:
        raise ValueError("unknown multibase prefix; a CID begins with bafy, bafk or Qm")
    cid, end = read_cid(binary, 0)
    if end != len(binary):
        raise ValueError("bytes follow it")
    return cid


def read_cid(data: bytes, start: int) -> tuple[Cid, int]:
    """The binary CID at ``start`` and the place after it; ValueError if there is none of a kind served here."""
    if data[start : start + 2] == _SHA2_256:
        codec, version, at = DAG_PB, 0, start
    else:
        version, at = read_varint(data, start)
        if version != 1:
            raise ValueError(f"CID version {version}")
        codec, at = read_varint(data, at)
        if codec not in CODEC_NAMES:
            raise ValueError(f"codec 0x{codec:x} (known: raw, dag-pb, dag-cbor)")
        if data[at : at + 2] != _SHA2_256:
            raise ValueError("a hash other than sha2-256")
    end = at + 34
    if len(data) < end:
        raise ValueError("it is cut")
    return Cid(codec, bytes(data[at + 2 : end]), version), end


def write_varint(number: int) -> bytes:
    """An unsigned LEB128 number."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """The number at ``start`` and the place after it; ValueError if it is cut, over 63 bits or not shortest."""
    number = shift = 0
    for at in range(start, min(start + 9, len(data))):
        byte = data[at]
        number |= (byte & 127) << shift
        if byte < 128:
            if byte == 0 and at > start:
                raise ValueError("a number that is not in its shortest form")
            return number, at + 1
        shift += 7
    raise ValueError("a number that is cut or too long")


def _from_base(alphabet: str, text: str) -> bytes:
    number = 0
    for letter in text:
        number = number * len(alphabet) + _digit(alphabet, letter)
    zeros = len(text) - len(text.lstrip(alphabet[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _to_base(alphabet: str, data: bytes) -> str:
    number, letters = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, len(alphabet))
        letters = alphabet[digit] + letters
    return alphabet[0] * (len(data) - len(data.lstrip(b"\0"))) + letters


def _from_base32(text: str) -> bytes:
    number = 0
    for letter in text:
        number = number << 5 | (_VALUES[letter] if letter in _VALUES else _digit(_BASE32, letter))
    length, rest = divmod(len(text) * 5, 8)
    if rest > 4 or number & ((1 << rest) - 1):
        raise ValueError("letters are missing or too many")
    return (number >> rest).to_bytes(length, "big")


def _digit(alphabet: str, letter: str) -> int:
    place = alphabet.find(letter)
    if place < 0:
        raise ValueError(f"{letter!r} is in no CID that begins like this one")
    return place


def _from_base16(text: str) -> bytes:
    if len(text) % 2 or text != "".join(text.split()):
        raise ValueError("letters are missing or too many")
    return bytes.fromhex(text)


def _from_base64url(text: str) -> bytes:
    if not text.isascii() or "+" in text or "/" in text or "=" in text:
        raise ValueError("a letter outside base64url")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


_DECODERS: Mapping[str, Callable[[str], bytes]] = {
    # Letters of either size mean the same in these; what types for people makes the first one a capital.
    "b": lambda text: _from_base32(text.lower()),
    "B": lambda text: _from_base32(text.lower()),
    "f": _from_base16,
    "F": _from_base16,
    "k": lambda text: _from_base(_BASE36, text.lower()),
    "K": lambda text: _from_base(_BASE36, text.lower()),
    "z": lambda text: _from_base(_BASE58, text),
    "u": _from_base64url,
}
