"""How the model was shown each document and each piece of evidence, as a provenance record says it, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from complaint_llm.document_shapes import page_range
from complaint_llm.messages import Shown

NOT_SHOWN = "not shown to the model"
_WAYS: Mapping[str, str] = {
    "text": "shown as text",
    "document": "shown as a file",
    "image": "shown as an image",
    "no": NOT_SHOWN,
}
_ALWAYS: Mapping[str, type] = {"cid": str, "shown": str}
_SOMETIMES: Mapping[str, type] = {
    "name": str,
    "media_type": str,
    "sha256": bytes,
    "pages": list,
    "image_pages": list,
    "text_sha256": bytes,
    "reader": str,
}


def shown_entry(shown: Shown) -> dict[str, Any]:
    """The map that a record has for it: digests as bytes, what is not known left out. Nothing of the text itself.

    Raises ValueError for a digest that is none.
    """
    said = {
        "name": _clean(shown.name),
        "media_type": _clean(shown.media_type),
        "sha256": bytes.fromhex(shown.sha256),
        "pages": list(shown.pages),
        "image_pages": list(shown.image_pages),
        "text_sha256": None if shown.text_sha256 is None else bytes.fromhex(shown.text_sha256),
        "reader": None if shown.reader is None else _clean(shown.reader),
    }
    return {"cid": shown.cid, "shown": shown.shown, **{key: value for key, value in said.items() if value}}


def _clean(text: str) -> str:
    """The text with a question mark for lone surrogates, which have no UTF-8 form: names of files may hold them."""
    return text.encode("utf-8", "replace").decode()


def check_shown(given: Any) -> None:
    """Raise ValueError unless it is a list of what ``shown_entry`` makes."""
    kinds = {**_ALWAYS, **_SOMETIMES}
    if not isinstance(given, list):
        raise ValueError("its shown is of the wrong type")
    for each in given:
        if not isinstance(each, dict) or not _ALWAYS.keys() <= each.keys() <= kinds.keys():
            raise ValueError("its shown has an entry of the wrong shape")
        if not all(isinstance(value, kinds[key]) for key, value in each.items()) or each["shown"] not in _WAYS:
            raise ValueError("its shown has an entry of the wrong type")
        numbers = (*each.get("pages", ()), *each.get("image_pages", ()))
        if not all(type(number) is int and number > 0 for number in numbers):
            raise ValueError("its shown has a page that is no number")


def shown_in_words(entry: Mapping[str, Any]) -> str:
    """One entry of a record: "shown as text, pages 1-3, read by pypdfium2 5.0, text sha256 ..."."""
    return "; ".join((", ".join(_how(entry)), *_digests(entry)))


def _how(entry: Mapping[str, Any]) -> Sequence[str]:
    said = [_WAYS[entry["shown"]]]
    pages, images = entry.get("pages", ()), entry.get("image_pages", ())
    if pages:
        said.append(page_range(pages))
    if images and entry["shown"] != "image":
        said.append(f"{page_range(images)} as images")
    elif images:
        said.append(page_range(images))
    return said


def _digests(entry: Mapping[str, Any]) -> Sequence[str]:
    said = []
    if "text_sha256" in entry:
        reader = f" as read by {entry['reader']}" if "reader" in entry else ""
        said.append(f"the text{reader} has sha256 {entry['text_sha256'].hex()}")
    return said
