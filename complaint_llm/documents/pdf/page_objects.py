"""What is drawn on a page, in the order in which it is drawn, and which of its texts a person does not see."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from ctypes import c_float, c_int, c_uint
from typing import Any, Literal, NamedTuple

import pypdfium2.raw as pdfium

from complaint_llm.documents.readers.unreadable import UnreadableError

_MOST_OBJECTS = 500_000
_MOST_FILLS = 1_000
"""Filled fills of a page that texts are compared with: the last ones."""
_DEPTH = 12
"""Of forms inside forms."""
_SCAN = 0.5
"""Of the page that images cover, where it is taken for a scan."""
_SAME_COLOUR = 10
"""Difference of each of red, green and blue, of 255, below which nobody sees a letter."""
_WHITE = (255, 255, 255)

Matrix = tuple[float, float, float, float, float, float]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
Kind = Literal["text", "path", "image", "shading", "form", "unknown"]
_KINDS: dict[int, Kind] = {
    pdfium.FPDF_PAGEOBJ_TEXT: "text",
    pdfium.FPDF_PAGEOBJ_PATH: "path",
    pdfium.FPDF_PAGEOBJ_IMAGE: "image",
    pdfium.FPDF_PAGEOBJ_SHADING: "shading",
    pdfium.FPDF_PAGEOBJ_FORM: "form",
}


class Box(NamedTuple):
    """A rectangle in points, y upwards."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def area(self) -> float:
        return max(0.0, self.right - self.left) * max(0.0, self.top - self.bottom)

    @property
    def middle(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.bottom + self.top) / 2

    def common(self, other: Box) -> Box:
        """The part that is in both."""
        return Box(
            left=max(self.left, other.left),
            bottom=max(self.bottom, other.bottom),
            right=min(self.right, other.right),
            top=min(self.top, other.top),
        )

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.bottom <= y <= self.top


class Drawn(NamedTuple):
    """One thing that is drawn. ``frame`` leads from its own coordinates to the page's."""

    handle: Any
    kind: Kind
    box: Box
    frame: Matrix


class PageView(NamedTuple):
    """A page's texts, sorted by what becomes of them."""

    shown: Sequence[Drawn]
    hidden: Sequence[tuple[str, Drawn]]
    drawn: Sequence[Drawn]
    is_scan: bool
    has_text_layer: bool
    """A text lies over, or under, the image of the page."""


def multiply(first: Matrix, second: Matrix) -> Matrix:
    """First one, then the other."""
    a, b, c, d, e, f = first
    g, h, i, j, k, m = second
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def invert(matrix: Matrix) -> Matrix | None:
    """The way back; None if there is none."""
    a, b, c, d, e, f = matrix
    size = a * d - b * c
    if not math.isfinite(size) or abs(size) < 1e-12:
        return None
    return (d / size, -b / size, -c / size, a / size, (c * f - d * e) / size, (b * e - a * f) / size)


def transform(box: Box, matrix: Matrix) -> Box:
    """The box around a box that was moved and turned."""
    a, b, c, d, e, f = matrix
    points = [(x * a + y * c + e, x * b + y * d + f) for x in (box.left, box.right) for y in (box.bottom, box.top)]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Box(left=min(xs), bottom=min(ys), right=max(xs), top=max(ys))


def matrix_of(drawn: Drawn) -> Matrix:
    """From a thing's own coordinates to the page's, its own matrix included."""
    own = _own_matrix(drawn.handle)
    return own if drawn.frame is IDENTITY else multiply(own, drawn.frame)


def drawn_on(page: Any) -> list[Drawn]:
    """Everything that is drawn on a page, forms opened. Raises UnreadableError past a bound."""
    found = list(_walk(page, pdfium.FPDFPage_CountObjects, pdfium.FPDFPage_GetObject, IDENTITY, 0))
    if len(found) > _MOST_OBJECTS:
        raise UnreadableError(f"has a page with more than {_MOST_OBJECTS:,} things on it: print it to a new PDF")
    return found


def view_of(page: Any, area: Box) -> PageView:
    """What a page shows, and what it does not. ``area`` is the part of the page that is shown."""
    drawn = drawn_on(page)
    images = [each.box for each in drawn if each.kind == "image"]
    covered = sum(box.common(area).area for box in images)
    is_scan = area.area > 0 and covered >= _SCAN * area.area
    painted = [
        _Painted.of(place, each) for place, each in enumerate(drawn) if each.kind in ("path", "image", "shading")
    ]
    fills = [each for each in painted if each is not None][-_MOST_FILLS:]
    shown: list[Drawn] = []
    hidden: list[tuple[str, Drawn]] = []
    has_layer = False
    for place, each in enumerate(drawn):
        if each.kind != "text":
            continue
        why = _why_hidden(each, place, fills, area)
        in_scan = is_scan and why in (_INVISIBLE, _UNDER_IMAGE) and any(box.holds(*each.box.middle) for box in images)
        if why is None or in_scan:
            has_layer = has_layer or in_scan
            shown.append(each)
        else:
            hidden.append((why, each))
    return PageView(shown=shown, hidden=hidden, drawn=drawn, is_scan=is_scan, has_text_layer=has_layer)


def filled_colour(drawn: Drawn) -> tuple[int, int, int, int] | None:
    """Red, green, blue and opacity of a path that is filled; None for one that is not, or with a pattern."""
    mode, stroke = c_int(), c_int()
    if not pdfium.FPDFPath_GetDrawMode(drawn.handle, mode, stroke) or not mode.value:
        return None
    return _colour(pdfium.FPDFPageObj_GetFillColor, drawn.handle)


_INVISIBLE = "invisible text"
_UNDER_IMAGE = "text under an image"


class _Painted(NamedTuple):
    """A filled rectangle or an image: what may stand behind a text, or over it."""

    place: int
    box: Box
    colour: tuple[int, int, int] | None
    is_opaque: bool

    @classmethod
    def of(cls, place: int, drawn: Drawn) -> _Painted | None:
        if drawn.box.area < 4:
            return None
        if drawn.kind != "path":
            return cls(place, drawn.box, None, drawn.kind == "image" and _is_opaque_image(drawn.handle))
        found = filled_colour(drawn)
        if found is None or found[3] < 8 or pdfium.FPDFPath_CountSegments(drawn.handle) > 6:
            return None
        opaque = found[3] > 247 and not pdfium.FPDFPageObj_HasTransparency(drawn.handle)
        return cls(place, drawn.box, found[:3], opaque)


def _why_hidden(text: Drawn, place: int, fills: Sequence[_Painted], area: Box) -> str | None:
    """Why nobody sees a text; None if it is seen."""
    if text.box.area <= 0:
        return None  # blanks
    if text.box.common(area).area <= 0:
        return "text off the page"
    mode = pdfium.FPDFTextObj_GetTextRenderMode(text.handle)
    if mode in (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP):
        return _INVISIBLE
    if _size(text) < 1.0:
        return "text smaller than a point"
    x, y = text.box.middle
    around = [each for each in fills if each.box.holds(x, y)] if fills else []
    over = next(
        (each for each in around if each.place > place and each.is_opaque and _covers(each.box, text.box)), None
    )
    if over is not None:
        return _UNDER_IMAGE if over.colour is None else "text under a shape"
    strokes = mode in (pdfium.FPDF_TEXTRENDERMODE_STROKE, pdfium.FPDF_TEXTRENDERMODE_STROKE_CLIP)
    if mode in (pdfium.FPDF_TEXTRENDERMODE_FILL_STROKE, pdfium.FPDF_TEXTRENDERMODE_FILL_STROKE_CLIP):
        return None
    get = pdfium.FPDFPageObj_GetStrokeColor if strokes else pdfium.FPDFPageObj_GetFillColor
    colour = _colour(get, text.handle)
    if colour is None:
        return None
    if colour[3] < 8:
        return "transparent text"
    behind = next((each for each in reversed(around) if each.place < place), None)
    ground = _WHITE if behind is None else behind.colour
    if (
        ground is None
        or max(abs(colour[0] - ground[0]), abs(colour[1] - ground[1]), abs(colour[2] - ground[2])) > _SAME_COLOUR
    ):
        return None
    return "white text" if ground == _WHITE else "text in the colour of what is behind it"


def _covers(over: Box, under: Box) -> bool:
    return over.common(under).area >= 0.8 * under.area


def _size(text: Drawn) -> float:
    """Of the letters, in points."""
    size = c_float()
    if not pdfium.FPDFTextObj_GetFontSize(text.handle, size):
        return 12.0
    a, b, c, d, _, _ = matrix_of(text)
    return abs(size.value) * math.sqrt(abs(a * d - b * c))


def _colour(get: Any, handle: Any) -> tuple[int, int, int, int] | None:
    red, green, blue, alpha = c_uint(), c_uint(), c_uint(), c_uint()
    if not get(handle, red, green, blue, alpha):
        return None
    return red.value, green.value, blue.value, alpha.value


def _is_opaque_image(handle: Any) -> bool:
    if pdfium.FPDFPageObj_HasTransparency(handle):
        return False
    metadata = pdfium.FPDF_IMAGEOBJ_METADATA()
    # A stencil of one bit lets through what is behind it.
    return (
        not pdfium.FPDFImageObj_GetImageMetadata(handle, None, metadata)
        or metadata.bits_per_pixel != 1
        or (metadata.colorspace != pdfium.FPDF_COLORSPACE_UNKNOWN)
    )


def _walk(holder: Any, count: Any, get: Any, frame: Matrix, depth: int) -> Iterator[Drawn]:
    for place in range(min(count(holder), _MOST_OBJECTS + 1)):
        handle = get(holder, place)
        kind = _KINDS.get(pdfium.FPDFPageObj_GetType(handle), "unknown")
        if kind == "form":
            if depth < _DEPTH:
                inner = multiply(_own_matrix(handle), frame)
                yield from _walk(
                    handle, pdfium.FPDFFormObj_CountObjects, pdfium.FPDFFormObj_GetObject, inner, depth + 1
                )
            continue
        yield Drawn(handle, kind, transform(_bounds(handle), frame) if depth else _bounds(handle), frame)


def _own_matrix(handle: Any) -> Matrix:
    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(handle, found):
        return IDENTITY
    return (found.a, found.b, found.c, found.d, found.e, found.f)


def _bounds(handle: Any) -> Box:
    left, bottom, right, top = c_float(), c_float(), c_float(), c_float()
    if not pdfium.FPDFPageObj_GetBounds(handle, left, bottom, right, top):
        return Box(left=0.0, bottom=0.0, right=0.0, top=0.0)
    return Box(left=left.value, bottom=bottom.value, right=right.value, top=top.value)
