"""One page: its text in the order of reading, what is hidden in it, its image where it has no text."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

from complaint_llm.documents.pages import Page, TextSource
from complaint_llm.documents.pdf.annotations import Overlay, overlays_of
from complaint_llm.documents.pdf.page_image import image_of
from complaint_llm.documents.pdf.page_objects import (
    IDENTITY,
    Box,
    Drawn,
    Matrix,
    PageView,
    invert,
    matrix_of,
    multiply,
    transform,
    view_of,
)
from complaint_llm.documents.pdf.reading_order import DrawnLine, Fragment, page_text
from complaint_llm.documents.pdf.text_lines import fragments_of

_STAMP = 200
"""Characters up to which the text on a scan is a stamp, a number or a header, and the image is needed."""
_UPRIGHT_WITHIN = 8
"""Degrees by which a text may lean and still be read with those that stand straight."""
_MOST_DIRECTIONS = 12
_THIN = 3.0
"""Points: a path at most so high is a line."""


class PageReading(NamedTuple):
    """A page, and sentences about it."""

    page: Page
    notes: Sequence[str]


def read_page(page: Any, form: Any, number: int, longest: int) -> PageReading:
    """What a loaded page shows and hides; ``longest`` is the longer side of its image, in pixels.

    Raises UnreadableError.
    """
    area = _area_of(page)
    view = view_of(page, area)
    overlays = overlays_of(page, form)
    shown = [each for each in overlays.values if not each.is_hidden]
    hidden = [
        *_hidden_texts(page, view),
        *(("hidden form field", each.text) for each in overlays.values if each.is_hidden),
    ]
    with _without(drawn for _, drawn in view.hidden):
        text = _shown_text(page, view, shown)
    is_empty = not text.strip()
    is_stamped = view.is_scan and not view.has_text_layer and len(text) < _STAMP
    image = None
    if (is_empty or is_stamped) and (view.drawn or overlays.total):
        image = image_of(page, form, view.drawn, area, longest)
    source: TextSource = "text layer"
    if is_empty:
        source = "none"
    elif view.has_text_layer:
        source = "text layer of a scan"
    found = Page(number=number, text=text if not is_empty else "", source=source, hidden=tuple(hidden), image=image)
    notes = [f"Comment on page {number}: {comment}" for comment in overlays.comments]
    if is_empty and image is None and any(each.kind == "image" for each in view.drawn):
        notes.append(f"Page {number} holds an image that is blank or cannot be drawn, and no text.")
    return PageReading(found, notes)


def _area_of(page: Any) -> Box:
    found = pdfium.FS_RECTF()
    if not pdfium.FPDF_GetPageBoundingBox(page, found):
        return Box(left=0.0, bottom=0.0, right=612.0, top=792.0)
    return Box(left=found.left, bottom=found.bottom, right=found.right, top=found.top)


def _hidden_texts(page: Any, view: PageView) -> Iterator[tuple[str, str]]:
    """Each reason once, with all text that is hidden so."""
    reasons = dict.fromkeys(why for why, _ in view.hidden)
    for reason in reasons:
        others = [drawn for why, drawn in view.hidden if why != reason]
        with _without([*view.shown, *others]):
            text = page_text(fragments_of(page))
        if text.strip():
            yield reason, text


def _shown_text(page: Any, view: PageView, values: Sequence[Overlay]) -> str:
    """The texts of each direction one after the other, that of most letters first."""
    by_direction: dict[int, list[Drawn]] = defaultdict(list)
    for drawn in view.shown:
        by_direction[_direction(drawn)].append(drawn)
    common = Counter({direction: len(texts) for direction, texts in by_direction.items()})
    directions = [direction for direction, _ in common.most_common(_MOST_DIRECTIONS)] or [0]
    parts: list[str] = []
    for place, direction in enumerate(directions):
        others = [drawn for drawn in view.shown if drawn not in by_direction[direction]] if len(common) > 1 else []
        turned = _turn(direction)
        drawn_lines = list(_drawn_lines(view.drawn, turned))
        with _without(others), _turn_texts(by_direction[direction], turned):
            fragments = fragments_of(page)
        if place == 0:
            fragments += [piece for value in values for piece in _value_fragments(value, turned)]
        parts.append(page_text(fragments, drawn_lines))
    return "\n\n".join(part for part in parts if part.strip())


def _direction(drawn: Drawn) -> int:
    """Degrees by which a text is turned to the left; a little is none."""
    a, b, _, _, _, _ = matrix_of(drawn)
    degrees = round(math.degrees(math.atan2(b, a))) % 360 if math.isfinite(a + b) else 0
    nearest = round(degrees / 90) * 90
    return nearest % 360 if abs(degrees - nearest) <= _UPRIGHT_WITHIN else degrees


def _turn(direction: int) -> Matrix:
    """What makes text of this direction upright."""
    if direction == 0:
        return IDENTITY
    angle = -math.radians(direction)
    return (math.cos(angle), math.sin(angle), -math.sin(angle), math.cos(angle), 0.0, 0.0)


@contextmanager
def _without(drawn: Any) -> Iterator[None]:
    """While these are not on the page."""
    left_out = list(drawn)
    for each in left_out:
        pdfium.FPDFPageObj_SetIsActive(each.handle, False)
    try:
        yield
    finally:
        for each in left_out:
            pdfium.FPDFPageObj_SetIsActive(each.handle, True)


@contextmanager
def _turn_texts(texts: Sequence[Drawn], turn: Matrix) -> Iterator[None]:
    """While these texts are turned."""
    done: list[tuple[Drawn, Matrix]] = []
    if turn != IDENTITY:
        for each in texts:
            back = invert(each.frame)
            if back is None:
                continue
            own = multiply(multiply(each.frame, turn), back)
            undo = invert(own)
            if undo is not None:
                pdfium.FPDFPageObj_Transform(each.handle, *own)
                done.append((each, undo))
    try:
        yield
    finally:
        for each, undo in done:
            pdfium.FPDFPageObj_Transform(each.handle, *undo)


def _drawn_lines(drawn: Sequence[Drawn], turn: Matrix) -> Iterator[DrawnLine]:
    """Horizontal lines, and the upper and lower edges of frames."""
    for each in drawn:
        if each.kind != "path":
            continue
        box = transform(each.box, turn) if turn != IDENTITY else each.box
        if box.right - box.left < 20:
            continue
        if box.top - box.bottom <= _THIN:
            yield DrawnLine(y=-(box.top + box.bottom) / 2, left=box.left, right=box.right)
        elif pdfium.FPDFPath_CountSegments(each.handle) <= 6:
            yield DrawnLine(y=-box.top, left=box.left, right=box.right)
            yield DrawnLine(y=-box.bottom, left=box.left, right=box.right)


def _value_fragments(value: Overlay, turn: Matrix) -> Iterator[Fragment]:
    """The lines of a field's value, where the field stands."""
    box = transform(value.box, turn)
    lines = value.text.splitlines() or [""]
    height = (box.top - box.bottom) / len(lines)
    for place, line in enumerate(lines):
        top = -box.top + place * height
        yield Fragment(text=line, left=box.left, top=top, right=box.right, bottom=top + height)
