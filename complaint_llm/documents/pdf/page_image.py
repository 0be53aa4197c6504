"""The image of a page: the scan's own JPEG where that is all there is, else the page as PDFium draws it.

Drawn pages are PNG, which keeps letters sharp, unless JPEG is less than half as large, as it is for what was scanned.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import pypdfium2.raw as pdfium
from PIL import Image

from complaint_llm.documents.pages import PageImage
from complaint_llm.documents.pdf.page_objects import Box, Drawn, matrix_of
from complaint_llm.documents.readers.unreadable import UnreadableError

_QUALITY = 85
_POINTS_A_PIXEL = 72 / 300
"""No page is drawn finer than 300 dots an inch."""
_ALL = 0.9
"""Of the page that its one image covers."""


def image_of(page: Any, form: Any, drawn: Sequence[Drawn], area: Box, longest: int) -> PageImage | None:
    """The page as an image, its longer side at most ``longest`` pixels; None where there is nothing to be seen.

    Raises UnreadableError where it cannot be drawn.
    """
    own = _own_jpeg(page, drawn, area, longest)
    if own is not None:
        return PageImage(own, "image/jpeg")
    picture = _render(page, form, longest)
    colours = picture.getcolors(2)
    if colours is not None and len(colours) == 1:
        return None
    sharp, small = _encode(picture, "PNG"), _encode(picture, "JPEG")
    return PageImage(sharp, "image/png") if len(sharp) <= 2 * len(small) else PageImage(small, "image/jpeg")


def _encode(picture: Image.Image, kind: str) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **({"quality": _QUALITY} if kind == "JPEG" else {"compress_level": 4}))
    return file.getvalue()


def _render(page: Any, form: Any, longest: int) -> Image.Image:
    width, height = pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page)
    if not (0 < width < 1e9 and 0 < height < 1e9):
        raise UnreadableError("has a page without a size")
    scale = min(longest / max(width, height), 1 / _POINTS_A_PIXEL)
    across, down = max(1, round(width * scale)), max(1, round(height * scale))
    bitmap = pdfium.FPDFBitmap_CreateEx(across, down, pdfium.FPDFBitmap_BGR, None, 0)
    if not bitmap:
        raise UnreadableError("has a page that cannot be drawn")
    try:
        pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, across, down, 0xFFFFFFFF)
        pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, across, down, 0, pdfium.FPDF_ANNOT)
        if form:
            pdfium.FPDF_FFLDraw(form, bitmap, page, 0, 0, across, down, 0, pdfium.FPDF_ANNOT)
        stride = pdfium.FPDFBitmap_GetStride(bitmap)
        data = ctypes.string_at(pdfium.FPDFBitmap_GetBuffer(bitmap), stride * down)
    finally:
        pdfium.FPDFBitmap_Destroy(bitmap)
    picture = Image.frombuffer("RGB", (across, down), data, "raw", "BGR", stride, 1)
    red, green, blue = picture.split()
    return red if red.tobytes() == green.tobytes() == blue.tobytes() else picture


def _own_jpeg(page: Any, drawn: Sequence[Drawn], area: Box, longest: int) -> bytes | None:
    """The JPEG of a page that is one upright image and nothing else, if it is within ``longest`` pixels."""
    if len(drawn) != 1 or drawn[0].kind != "image" or pdfium.FPDFPage_GetRotation(page):
        return None
    only = drawn[0]
    a, b, c, d, _, _ = matrix_of(only)
    if a <= 0 or d <= 0 or abs(b) + abs(c) > 0.01 * (a + d) or only.box.common(area).area < _ALL * area.area:
        return None
    if only.box.common(area).area < _ALL * only.box.area or pdfium.FPDFPage_GetAnnotCount(page):
        return None
    metadata = pdfium.FPDF_IMAGEOBJ_METADATA()
    if not pdfium.FPDFImageObj_GetImageMetadata(only.handle, page, metadata):
        return None
    plain = (pdfium.FPDF_COLORSPACE_DEVICEGRAY, pdfium.FPDF_COLORSPACE_DEVICERGB)
    if max(metadata.width, metadata.height) > longest or metadata.colorspace not in plain:
        return None
    if pdfium.FPDFImageObj_GetImageFilterCount(only.handle) != 1 or _filter(only.handle) != b"DCTDecode":
        return None
    size = pdfium.FPDFImageObj_GetImageDataRaw(only.handle, None, 0)
    buffer = ctypes.create_string_buffer(size)
    pdfium.FPDFImageObj_GetImageDataRaw(only.handle, buffer, size)
    data = buffer.raw
    return data if data.startswith(b"\xff\xd8\xff") and data.rstrip(b"\0\r\n ").endswith(b"\xff\xd9") else None


def _filter(handle: Any) -> bytes:
    size = pdfium.FPDFImageObj_GetImageFilter(handle, 0, None, 0)
    buffer = ctypes.create_string_buffer(max(1, size))
    pdfium.FPDFImageObj_GetImageFilter(handle, 0, buffer, size)
    return buffer.value
