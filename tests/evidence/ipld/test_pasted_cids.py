"""A CID is read as people paste it, or refused in plain words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.evidence.ipld.cid import DAG_PB, RAW, cid_of, parse_cid
from complaint_llm.exceptions import EvidenceError

CID = cid_of(RAW, b"hello world\n")
NAME = CID.name
HEX = "f" + CID.binary.hex()
FOLDER = "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o"

PASTED = [
    NAME.upper(),
    NAME[0].upper() + NAME[1:],
    NAME[0] + NAME[1:].upper(),
    HEX.upper(),
    HEX[0].upper() + HEX[1:],
    HEX[0] + HEX[1:].upper(),
    f'"{NAME}"',
    f"'{NAME}'",
    f"“{NAME}”",
    f"‘{NAME}’",
    f"„{NAME}“",
    f"«{NAME}»",
    f"`{NAME}`",
    f"<{NAME}>",
    f"({NAME})",
    f"[{NAME}]",
    f"{NAME}.",
    f"{NAME},",
    f"{NAME};",
    f"CID\t{NAME}"[4:],
    f"  {NAME}\n",
    f"\ufeff{NAME}",
    f"{NAME}\u200b",
    f"\u200e{NAME}\u200f",
    f"\u00a0{NAME}\u00a0",
    f"{NAME[:30]}\n{NAME[30:]}",
    f"{NAME[:30]}\r\n  {NAME[30:]}",
    f"ipfs://{NAME}",
    f"ipfs://{NAME}/",
    f"IPFS://{NAME}",
    f"ipfs://ipfs/{NAME}",
    f"ipfs:{NAME}",
    f"/ipfs/{NAME}",
    f"/ipfs/{NAME}/",
    f"ipfs/{NAME}",
    f"https://ipfs.io/ipfs/{NAME}",
    f"https://ipfs.io/ipfs/{NAME}/",
    f"http://127.0.0.1:8080/ipfs/{NAME}",
    f"https://gateway.example/ipfs/{NAME}?filename=review.pdf",
    f"https://gateway.example/ipfs/{NAME}#page=2",
    f"https://gateway.example/ipfs/{NAME}?download=true&format=car#x",
    f"https://{NAME}.ipfs.dweb.link",
    f"https://{NAME}.ipfs.dweb.link/",
    f"https://{NAME.upper()}.ipfs.dweb.link/?filename=a.pdf",
    f"http://{NAME}.ipfs.localhost:8080/",
    f"<https://ipfs.io/ipfs/{NAME}>",
    f'"ipfs://{NAME}",',
    f"https://gateway.example/ipfs/%62{NAME[1:]}",
]


@pytest.mark.parametrize("text", PASTED)
def test_it_is_read_as_it_was_pasted(text: str) -> None:
    """From gateways, programs, mails and telephones."""
    assert parse_cid(text) == CID


@pytest.mark.parametrize("text", [FOLDER, f"ipfs://{FOLDER}", f"https://ipfs.io/ipfs/{FOLDER}/", f"“{FOLDER}”"])
def test_version_0_is_read_as_it_was_pasted(text: str) -> None:
    """Its letters' sizes count."""
    assert (parse_cid(text).version, parse_cid(text).codec) == (0, DAG_PB)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty; a CID begins with bafy, bafk or Qm"),
        ("   ", "it is empty"),
        ('""', "it is empty"),
        ("case-17.pdf", "a CID begins with bafy, bafk or Qm"),
        ("ipns://example.org", "can mean something else tomorrow"),
        (f"https://ipfs.io/ipns/{NAME}", "can mean something else tomorrow"),
        ("https://example.org/letter.pdf", "no CID in it"),
        ("https://example.org/", "no CID in it"),
        (f"https://ipfs.io/ipfs/{FOLDER}/letters/a.pdf", f"'letters/a.pdf' in the folder {FOLDER}"),
        (f"ipfs://{NAME}/a.pdf", f"`complaint-llm evidence get {NAME} -o FOLDER` writes the folder"),
        (CID.digest.hex(), "it is a sha256 digest"),
        (CID.digest.hex().upper(), "it is a sha256 digest"),
        (FOLDER.lower(), "unknown multibase prefix"),
        (NAME[:-1] + "1", "'1' is in no CID that begins like this one"),
        (NAME[:40], "letters are missing or too many"),
        (HEX[:41], "it is cut"),
        (NAME + "aaaa", "letters are missing or too many"),
        (f"{NAME} {NAME}", "bytes follow it"),
        ("f01 55 12 20", "it is cut"),
        ("http://[::1/ipfs/", "Invalid IPv6"),
    ],
)
def test_what_is_none_is_refused_in_plain_words(text: str, why: str) -> None:
    """What it is, or what to do."""
    with pytest.raises(EvidenceError, match="is no CID that can be used here") as caught:
        parse_cid(text)
    assert why in str(caught.value)


@given(
    st.sampled_from(["", "ipfs://", "/ipfs/", "https://ipfs.io/ipfs/", "'", "“", " ", "\n", "<"]),
    st.lists(st.booleans(), min_size=len(NAME), max_size=len(NAME)),
    st.sampled_from(["", "/", "?x=1", "#y", "'", "”", ".", " ", "\r\n", ">"]),
)
def test_any_mixture_of_capitals_is_the_same_cid(before: str, capitals: list[bool], after: str) -> None:
    """Base 32 has letters of one size only, so none of them can be mistaken."""
    text = "".join(letter.upper() if capital else letter for letter, capital in zip(NAME, capitals, strict=True))
    assert parse_cid(before + text + after) == CID
