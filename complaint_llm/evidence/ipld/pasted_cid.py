"""The CID in what people paste: links of gateways and of IPFS programs, quotes, blanks, and what e-mail adds."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_AROUND = "\"'`´‘’“”„«»‹›<>()[]{}.,;:!|*\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_LIKELY = re.compile(r"(?:Qm[1-9A-HJ-NP-Za-km-z]{44}|[bB][a-zA-Z2-7]{50,}|[fF]01[0-9a-fA-F]{60,}|[kK][0-9a-zA-Z]{49,})")


def cid_text(pasted: str) -> str:
    """The letters that should be a CID. Raises ValueError, in plain words, for what can only be something else."""
    text = "".join(pasted.split()).strip(_AROUND)
    if not text:
        raise ValueError("it is empty; a CID begins with bafy, bafk or Qm")
    lower = text.lower()
    if lower.startswith(("ipns://", "/ipns/")) or "/ipns/" in lower:
        raise ValueError("an ipns name can mean something else tomorrow; ask for the CID that it leads to now")
    if lower.startswith(("http://", "https://")):
        text = _of_gateway(text)
    elif lower.startswith(("ipfs://", "ipfs:")):
        text = re.sub("^ipfs:/*(ipfs/)?", "", text, flags=re.IGNORECASE)
    elif lower.startswith(("/ipfs/", "ipfs/", "/ipld/")):
        text = text.strip("/").partition("/")[2]
    text = re.split("[?#]", text, maxsplit=1)[0].strip(_AROUND)
    name, slash, path = text.partition("/")
    if path.strip("/"):
        raise ValueError(
            f"it names {path.strip('/')[:80]!r} in the folder {name[:80]}: `complaint-llm evidence get {name[:80]} "
            "-o FOLDER` writes the folder"
        )
    if not slash and re.fullmatch("[0-9a-fA-F]{64}", name):
        raise ValueError("it is a sha256 digest; `complaint-llm evidence list --json` shows the CID beside each")
    return name


def _of_gateway(link: str) -> str:
    """The part of a gateway's link that names the content: https://HOST/ipfs/CID/PATH or https://CID.ipfs.HOST/PATH."""
    parts = urlsplit(link)
    path = unquote(parts.path)
    _, found, rest = path.partition("/ipfs/")
    if found:
        return rest
    first, _, host = parts.netloc.partition(".")
    if host.startswith("ipfs.") or _LIKELY.fullmatch(first):
        return first + path
    raise ValueError("the link has no CID in it; a gateway's has one after /ipfs/ or before .ipfs.")
