"""CIDs: text and bytes in both directions, as the multiformats package reads and writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiformats import CID

from complaint_llm.evidence.ipld.cid import (
    DAG_CBOR,
    DAG_PB,
    RAW,
    Cid,
    cid_of,
    parse_cid,
    read_cid,
    read_varint,
    write_varint,
)
from complaint_llm.exceptions import EvidenceError

CODECS = {RAW: "raw", DAG_PB: "dag-pb", DAG_CBOR: "dag-cbor"}
digests = st.binary(min_size=32, max_size=32)


@given(
    digest=digests,
    codec=st.sampled_from(sorted(CODECS)),
    base=st.sampled_from(["base16", "base32", "base32upper", "base36", "base58btc", "base64url"]),
)
def test_texts_of_version_1_are_those_of_the_oracle(digest: bytes, codec: int, base: str) -> None:
    """Our text is the oracle's base32; its text in any base is read back as the same CID."""
    oracle = CID(base, 1, CODECS[codec], ("sha2-256", digest))
    cid = Cid(codec, digest)
    assert str(cid) == oracle.encode("base32")
    assert cid.binary == bytes(oracle)
    assert parse_cid(str(oracle)) == cid


@given(digest=digests)
def test_version_0_is_read_and_kept_apart_from_version_1(digest: bytes) -> None:
    """Qm... is read; it prints as it came and is stored under the name of its version 1."""
    oracle = CID("base58btc", 0, "dag-pb", ("sha2-256", digest))
    cid = parse_cid(str(oracle))
    assert cid == Cid(DAG_PB, digest, 0)
    assert str(cid) == str(oracle)
    assert cid.binary == bytes(oracle)
    assert cid.name == str(Cid(DAG_PB, digest))


def test_addresses_are_read_as_cids() -> None:
    """What people copy from a browser or a gateway path works."""
    cid = cid_of(RAW, b"hello world\n")
    assert parse_cid(f" ipfs://{cid} ") == parse_cid(f"/ipfs/{cid}") == cid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "hello",
        "Qm" + "0" * 44,
        "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2deve",
        "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2deveiaa",
        "bafkqaaa",  # an identity hash
        "f0155122",
        "zzzzzzzzzz",
        "b" + "a" * 500,
        "bé",
        str(CID("base32", 1, "dag-json", ("sha2-256", b"\0" * 32))),
        str(CID("base32", 1, "raw", ("sha2-512", b"\0" * 64))),
    ],
)
def test_what_is_no_cid_is_one_clear_error(text: str) -> None:
    """No text makes the parser fail in another way."""
    with pytest.raises(EvidenceError, match="is no CID that can be used here"):
        parse_cid(text)


@given(st.text(max_size=80))
def test_any_text_is_a_cid_or_the_error(text: str) -> None:
    """Fuzzed: nothing but EvidenceError comes out, and what is read is written in the same form."""
    try:
        cid = parse_cid(text)
    except EvidenceError:
        return
    assert parse_cid(str(cid)) == cid


@given(st.binary(max_size=60))
def test_any_bytes_are_a_cid_or_a_value_error(data: bytes) -> None:
    """Fuzzed: binary CIDs come from files that anyone may have written."""
    try:
        cid, end = read_cid(data, 0)
    except ValueError:
        return
    assert data[:end] == cid.binary


@given(st.integers(0, 2**63 - 1))
def test_varints_come_back(number: int) -> None:
    """The shortest form is written, and read to its end."""
    data = write_varint(number)
    assert read_varint(data + b"\x00", 0) == (number, len(data))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff" * 9, b"\xff" * 12])
def test_bad_varints_are_refused(data: bytes) -> None:
    """Cut, padded and over-long numbers are errors."""
    with pytest.raises(ValueError, match="number"):
        read_varint(data, 0)
