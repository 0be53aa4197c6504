"""Pictures that stand in a document or are attached to it, as they are."""

from __future__ import annotations

from complaint_llm.documents.pages import PageImage
from complaint_llm.prompt_files import image_kind


def page_image(data: bytes) -> PageImage | None:
    """A PNG or JPEG as it is; None for any other kind."""
    kind = image_kind(data)
    return PageImage(data, kind) if kind in ("image/png", "image/jpeg") else None
