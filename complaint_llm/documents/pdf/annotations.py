"""What is laid over a page: values of form fields, where they stand, and comments."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from complaint_llm.documents.pdf.page_objects import Box

_HIDDEN = 0x02 | 0x20
"""Flags Hidden and NoView. Source: PDF 1.7, table 165."""
_MOST = 10_000
"""Annotations of a page that are looked at."""
_COMMENTS = frozenset(
    (
        pdfium.FPDF_ANNOT_TEXT,
        pdfium.FPDF_ANNOT_HIGHLIGHT,
        pdfium.FPDF_ANNOT_UNDERLINE,
        pdfium.FPDF_ANNOT_STRIKEOUT,
        pdfium.FPDF_ANNOT_SQUIGGLY,
        pdfium.FPDF_ANNOT_CARET,
        pdfium.FPDF_ANNOT_INK,
        pdfium.FPDF_ANNOT_STAMP,
        pdfium.FPDF_ANNOT_SQUARE,
        pdfium.FPDF_ANNOT_CIRCLE,
        pdfium.FPDF_ANNOT_LINE,
        pdfium.FPDF_ANNOT_POLYGON,
    )
)
_CHECKS = (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON)
_VALUES = (pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX)


class Overlay(NamedTuple):
    """Text that is laid over a page. ``is_hidden``: viewers do not show it."""

    text: str
    box: Box
    is_hidden: bool


class Overlays(NamedTuple):
    """What is laid over one page; ``comments`` are the words of people about it; ``total`` counts all annotations."""

    values: tuple[Overlay, ...]
    comments: tuple[str, ...]
    total: int


@contextmanager
def open_form(document: Any) -> Iterator[Any]:
    """The form of a document: field values that pages inherit are known to it alone."""
    info = pdfium.FPDF_FORMFILLINFO()
    ctypes.memset(ctypes.byref(info), 0, ctypes.sizeof(info))
    info.version = 2
    form = pdfium.FPDFDOC_InitFormFillEnvironment(document, info)
    try:
        yield form
    finally:
        if form:
            pdfium.FPDFDOC_ExitFormFillEnvironment(form)


def overlays_of(page: Any, form: Any) -> Overlays:
    """Values of fields, texts and comments of a page."""
    count = pdfium.FPDFPage_GetAnnotCount(page)
    values: list[Overlay] = []
    comments: list[str] = []
    for place in range(min(count, _MOST)):
        annotation = pdfium.FPDFPage_GetAnnot(page, place)
        if not annotation:
            continue
        try:
            kind = pdfium.FPDFAnnot_GetSubtype(annotation)
            if kind == pdfium.FPDF_ANNOT_WIDGET:
                text = _field_text(form, annotation)
            elif kind == pdfium.FPDF_ANNOT_FREETEXT:
                text = _string(annotation, b"Contents")
            else:
                text = ""
                comment = _string(annotation, b"Contents") if kind in _COMMENTS else ""
                if comment.strip():
                    comments.append(" ".join(comment.split()))
            if text.strip():
                hidden = bool(pdfium.FPDFAnnot_GetFlags(annotation) & _HIDDEN)
                values.append(Overlay(text, _rectangle(annotation), hidden))
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)
    return Overlays(tuple(values), tuple(comments), count)


def _field_text(form: Any, annotation: Any) -> str:
    if not form:
        return _string(annotation, b"V")
    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in _CHECKS:
        return "[x]" if pdfium.FPDFAnnot_IsChecked(form, annotation) else "[ ]"
    if kind in _VALUES:
        return _read(lambda buffer, size: pdfium.FPDFAnnot_GetFormFieldValue(form, annotation, buffer, size))
    return ""


def _string(annotation: Any, key: bytes) -> str:
    return _read(lambda buffer, size: pdfium.FPDFAnnot_GetStringValue(annotation, key, buffer, size))


def _read(call: Any) -> str:
    """A string that PDFium writes as UTF-16 with a zero at its end; its size in bytes comes first."""
    size = call(None, 0)
    if size <= 2:
        return ""
    buffer = ctypes.create_string_buffer(size)
    call(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return buffer.raw[: size - 2].decode("utf-16-le", "replace").replace("\0", "")


def _rectangle(annotation: Any) -> Box:
    found = pdfium.FS_RECTF()
    if not pdfium.FPDFAnnot_GetRect(annotation, found):
        return Box(left=0.0, bottom=0.0, right=0.0, top=0.0)
    return Box(
        left=min(found.left, found.right),
        bottom=min(found.bottom, found.top),
        right=max(found.left, found.right),
        top=max(found.bottom, found.top),
    )
