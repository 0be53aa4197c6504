"""DAG-CBOR: the same bytes as the dag-cbor package, and as strict when reading."""

from __future__ import annotations

import math
from typing import Any

import dag_cbor
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiformats import CID

from complaint_llm.evidence.ipld.cid import DAG_CBOR, DAG_PB, RAW, Cid
from complaint_llm.evidence.ipld.dagcbor import MAX_DEPTH, Encoded, decode, encode

cids = st.tuples(st.sampled_from([RAW, DAG_PB, DAG_CBOR]), st.binary(min_size=32, max_size=32)).map(
    lambda parts: Cid(*parts)
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
    | st.binary(max_size=40)
    | cids
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=30), inner, max_size=6),
    max_leaves=30,
)


def for_the_oracle(value: Any) -> Any:
    if isinstance(value, Cid):
        return CID(
            "base32", 1, {RAW: "raw", DAG_PB: "dag-pb", DAG_CBOR: "dag-cbor"}[value.codec], ("sha2-256", value.digest)
        )
    if isinstance(value, dict):
        return {key: for_the_oracle(item) for key, item in value.items()}
    if isinstance(value, list):
        return [for_the_oracle(item) for item in value]
    return value


@given(values)
def test_bytes_are_those_of_the_oracle_and_come_back(value: Any) -> None:
    """Order of keys, width of numbers and links are the format's."""
    data = encode(value)
    assert data == dag_cbor.encode(for_the_oracle(value))
    assert decode(data) == value


@given(st.dictionaries(st.text(min_size=20, max_size=300), st.integers(), max_size=8))
def test_long_keys_are_in_the_formats_order(value: dict[str, Any]) -> None:
    """Keys around the lengths where the head of a text grows: shorter ones first, then by bytes."""
    value = {key: number % 2**63 for key, number in value.items()}
    assert encode(value) == dag_cbor.encode(value)


@given(st.binary(max_size=40))
def test_what_is_read_is_what_would_be_written(data: bytes) -> None:
    """Fuzzed: bytes are refused with a ValueError, or they are the one form of their value."""
    try:
        value = decode(data)
    except ValueError:
        return
    assert encode(value) == data


@given(values, st.data())
def test_a_changed_bit_is_another_value_or_refused(value: Any, data: st.DataObject) -> None:
    """No two bit patterns are one value."""
    encoded = bytearray(encode(value))
    place = data.draw(st.integers(0, len(encoded) * 8 - 1))
    encoded[place // 8] ^= 1 << place % 8
    try:
        other = decode(bytes(encoded))
    except ValueError:
        return
    assert encode(other) == bytes(encoded) != encode(value)


@pytest.mark.parametrize(
    "bad",
    [
        "1817",  # 23 in two bytes
        "1900ff",  # 255 in three
        "1a0000ffff",
        "1b00000000ffffffff",
        "f93c00",  # a 16-bit float
        "fa3f800000",  # a 32-bit float
        "fb7ff8000000000000",  # NaN
        "fb7ff0000000000000",  # infinity
        "5f41004100ff",  # bytes in pieces
        "7f6161ff",
        "9f01ff",
        "bf616101ff",
        "a2616201616101",  # keys out of order
        "a2616101616101",  # a key twice
        "a20161610261",
        "a16161",  # cut
        "c074323031332d30332d32315432303a30343a30305a",  # a date tag
        "d82a00",  # a link that is no bytes
        "d82a4101",  # without the zero byte
        "d82a420001",  # no CID
        "f7",  # undefined
        "f8ff",
        "62c328",  # not UTF-8
        "0000",  # two values
        "",
        "9bffffffffffffffff",  # a list longer than any memory
        "bbffffffffffffffff",
        "5bffffffffffffffff",
    ],
)
def test_other_forms_are_refused(bad: str) -> None:
    """Everything that CBOR allows and this format does not."""
    with pytest.raises(ValueError, match=r"."):
        decode(bytes.fromhex(bad))


def test_depth_is_bounded_both_ways() -> None:
    """A nest of lists ends in a clear error, not in the interpreter's."""
    nest: list[Any] = []
    for _ in range(MAX_DEPTH + 1):
        nest = [nest]
    with pytest.raises(ValueError, match="levels"):
        encode(nest)
    with pytest.raises(ValueError, match="levels"):
        decode(b"\x81" * 100_000)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**64, -(2**64) - 1, "\ud800", {"a": {1: 2}}, {1, 2}, object()])
def test_values_without_a_form_are_refused(value: object) -> None:
    """What cannot be recorded is said before anything is written."""
    with pytest.raises((TypeError, ValueError)):
        encode(value)


@given(cids, st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=5), max_size=4))
def test_what_is_encoded_already_stands_as_it_is(cid: Cid, value: dict[str, object]) -> None:
    """A value that is part of many others is encoded once; the bytes of the others are the same."""
    assert encode({"a": Encoded(encode(value)), "link": Encoded(encode(cid))}) == encode({"a": value, "link": cid})
