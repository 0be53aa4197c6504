"""DAG-CBOR: the strict form of CBOR (RFC 8949) that gives equal values equal bytes, so that a hash can name them.

https://ipld.io/specs/codecs/dag-cbor/spec/: maps with text keys sorted by length and then by bytes, shortest integers,
64-bit floats without NaN and infinities, links (CIDs) as tag 42, nothing of indefinite length. ``decode`` refuses
whatever ``encode`` would not write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isfinite
from operator import itemgetter
from struct import Struct
from typing import Any

from complaint_llm.evidence.ipld.cid import Cid, read_cid

MAX_DEPTH = 200
_LINK = b"\xd8\x2a\x58"
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_second = itemgetter(1)
_float = Struct(">d")
_SIMPLE = {0xF4: False, 0xF5: True, 0xF6: None}


class Encoded(bytes):
    """A value that ``encode`` has made bytes of already; inside another value it stands as it is."""


def encode(value: Any) -> bytes:
    """The bytes of a value made of None, bool, int, float, str, bytes, Cid, lists, tuples and mappings with text keys.

    Raises TypeError for other types, and ValueError for what the format has no place for: NaN, infinities, integers
    beyond 64 bits, lone surrogates, more than 200 levels.
    """
    parts: list[bytes] = []
    _write(value, parts.append, MAX_DEPTH)
    return b"".join(parts)


def decode(data: bytes) -> Any:
    """The value of these bytes, in lists, dicts and Cids. Raises ValueError unless they are its one valid form."""
    value, end = _CborReader(data).value(0, MAX_DEPTH)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes follow the value")
    return value


_ONE_BYTE = [bytes((value,)) for value in range(256)]


def _head(major: int, number: int) -> bytes:
    """The start of an item: its major type (0 to 7) and its number or length, in the shortest form."""
    first = major << 5
    if number < 24:
        return _ONE_BYTE[first | number]
    if number < 0x100:
        return bytes((first | 24, number))
    if number < 0x10000:
        return bytes((first | 25,)) + number.to_bytes(2, "big")
    if number < 0x100000000:
        return bytes((first | 26,)) + number.to_bytes(4, "big")
    return bytes((first | 27,)) + number.to_bytes(8, "big")


def _encode_link(cid: Cid) -> bytes:
    """A link: tag 42 around a zero byte and the binary CID."""
    binary = cid.binary
    return _LINK + bytes((len(binary) + 1, 0)) + binary


def _write(value: Any, put: Callable[[bytes], None], depth: int) -> None:
    kind = type(value)
    if kind is str:
        text = value.encode()
        put(_head(3, len(text)))
        put(text)
    elif kind is int:
        if not -(1 << 64) <= value < 1 << 64:
            raise ValueError("an integer beyond 64 bits")
        put(_head(0, value) if value >= 0 else _head(1, -1 - value))
    elif value is None or kind is bool:
        put(b"\xf6" if value is None else b"\xf5" if value else b"\xf4")
    elif kind is float:
        if not isfinite(value):
            raise ValueError("a number that is not finite")
        put(b"\xfb" + _float.pack(value))
    elif kind is Cid or kind is Encoded:
        put(_encode_link(value) if kind is Cid else value)
    elif kind is bytes:
        put(_head(2, len(value)))
        put(value)
    elif not depth:
        raise ValueError(f"more than {MAX_DEPTH} levels")
    elif kind is dict or isinstance(value, Mapping):
        put(_head(5, len(value)))
        for key, encoded in _in_order(tuple(value)):
            put(encoded)
            _write(value[key], put, depth - 1)
    elif isinstance(value, (list, tuple)):
        put(_head(4, len(value)))
        for item in value:
            _write(item, put, depth - 1)
    else:
        raise TypeError(f"a {kind.__name__} cannot be recorded")


@lru_cache(maxsize=256)
def _in_order(keys: tuple[Any, ...]) -> list[tuple[str, bytes]]:
    """The keys of a map as the format orders them, each with its bytes: maps of one kind have the same keys."""
    # A shorter key's head sorts before a longer one's.
    return sorted([(key, _key(key)) for key in keys], key=_second)


def _key(key: Any) -> bytes:
    if not isinstance(key, str):
        raise TypeError(f"a key of type {type(key).__name__}; keys are text")
    text = key.encode()
    return _head(3, len(text)) + text


class _CborReader:
    """Reads one value from bytes that anyone may have written."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def value(self, at: int, depth: int) -> tuple[Any, int]:
        first = self._byte(at)
        major, low = first >> 5, first & 31
        if major == 7:
            return self._simple(first, at)
        number, at = self._number(low, at + 1)
        if major == 0:
            return number, at
        if major == 1:
            return -1 - number, at
        if major == 2:
            return self._take(at, number), at + number
        if major == 3:
            return self._take(at, number).decode(), at + number
        if not depth:
            raise ValueError(f"more than {MAX_DEPTH} levels")
        if major == 6:
            return self._link(number, at)
        if number > len(self._data) - at:  # before a list of that length is begun
            raise ValueError("it is cut")
        return self._list(number, at, depth - 1) if major == 4 else self._map(number, at, depth - 1)

    def _list(self, length: int, at: int, depth: int) -> tuple[list[Any], int]:
        items = []
        for _ in range(length):
            item, at = self.value(at, depth)
            items.append(item)
        return items, at

    def _map(self, length: int, at: int, depth: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        last = (-1, b"")
        for _ in range(length):
            start = at
            key, at = self.value(at, 0)
            if not isinstance(key, str):
                raise ValueError(f"a key at byte {start} that is not text")
            text = key.encode()
            if (len(text), text) <= last:
                raise ValueError(f"the key at byte {start} is out of order or there twice")
            last = (len(text), text)
            found[key], at = self.value(at, depth)
        return found, at

    def _link(self, tag: int, at: int) -> tuple[Cid, int]:
        if tag != 42:
            raise ValueError(f"tag {tag}; only links (42) are allowed")
        start = at
        binary, at = self.value(at, 0)
        if not isinstance(binary, bytes) or binary[:1] != b"\0":
            raise ValueError(f"the link at byte {start} is no CID")
        cid, end = read_cid(binary, 1)
        if end != len(binary):
            raise ValueError(f"the link at byte {start} is longer than its CID")
        return cid, at

    def _simple(self, first: int, at: int) -> tuple[Any, int]:
        if first in _SIMPLE:
            return _SIMPLE[first], at + 1
        if first != 0xFB:
            raise ValueError(f"item 0x{first:x} at byte {at}, which this format does not have")
        (number,) = _float.unpack(self._take(at + 1, 8))
        if not isfinite(number):
            raise ValueError(f"the number at byte {at} is not finite")
        return number, at + 9

    def _number(self, low: int, at: int) -> tuple[int, int]:
        if low < 24:
            return low, at
        width = _WIDTHS.get(low)
        if width is None:
            raise ValueError(f"an indefinite or reserved length at byte {at - 1}")
        number = int.from_bytes(self._take(at, width), "big")
        if number < (24 if width == 1 else 1 << width * 4):
            raise ValueError(f"the number at byte {at - 1} is not in its shortest form")
        return number, at + width

    def _byte(self, at: int) -> int:
        if at >= len(self._data):
            raise ValueError("it is cut")
        return self._data[at]

    def _take(self, at: int, length: int) -> bytes:
        piece = self._data[at : at + length]
        if len(piece) != length:
            raise ValueError("it is cut")
        return piece
