"""MurmurHash3, the first 64 bits of its x64 128-bit form with seed 0: what sharded folders of UnixFS are ordered by.

https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp (public domain).
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F


def murmur3_64(data: bytes) -> int:
    """The hash of some bytes, an unsigned number of 64 bits."""
    h1 = h2 = 0
    blocks_end = len(data) // 16 * 16
    for at in range(0, blocks_end, 16):
        k1 = int.from_bytes(data[at : at + 8], "little")
        k2 = int.from_bytes(data[at + 8 : at + 16], "little")
        h1 ^= _mix(k1, _C1, 31, _C2)
        h1 = (_rotate(h1, 27) + h2) * 5 + 0x52DCE729 & _MASK
        h2 ^= _mix(k2, _C2, 33, _C1)
        h2 = (_rotate(h2, 31) + h1) * 5 + 0x38495AB5 & _MASK
    tail = data[blocks_end:]
    h1 ^= _mix(int.from_bytes(tail[:8], "little"), _C1, 31, _C2)
    h2 ^= _mix(int.from_bytes(tail[8:], "little"), _C2, 33, _C1)
    h1 ^= len(data)
    h2 ^= len(data)
    h1 = h1 + h2 & _MASK
    h2 = h2 + h1 & _MASK
    return _final(h1) + _final(h2) & _MASK


def _mix(value: int, first: int, turn: int, second: int) -> int:
    return _rotate(value * first & _MASK, turn) * second & _MASK


def _rotate(value: int, turn: int) -> int:
    return (value << turn | value >> 64 - turn) & _MASK


def _final(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ value >> 33
