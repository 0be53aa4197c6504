"""How an element of HTML looks, as far as it decides whether somebody sees its text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
_NAMES: Mapping[str, Colour] = {
    "white": WHITE, "black": (0, 0, 0), "red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255),
    "green": (0, 128, 0), "yellow": (255, 255, 0), "navy": (0, 0, 128), "gray": (128, 128, 128),
    "grey": (128, 128, 128), "silver": (192, 192, 192), "maroon": (128, 0, 0), "purple": (128, 0, 128),
    "teal": (0, 128, 128), "olive": (128, 128, 0), "aqua": (0, 255, 255), "fuchsia": (255, 0, 255),
    "orange": (255, 165, 0), "snow": (255, 250, 250), "ivory": (255, 255, 240), "ghostwhite": (248, 248, 255),
    "whitesmoke": (245, 245, 245), "floralwhite": (255, 250, 240), "mintcream": (245, 255, 250),
    "azure": (240, 255, 255),
}  # fmt: skip
_ALIKE = 10
"""Two colours that differ by no more in any part are one to the eye."""
_TINY = 1.0
"""Pixels; nobody reads a smaller letter."""
_FAR = -400.0
"""Pixels beyond the left or upper edge of the page."""
_LENGTH = re.compile(r"([-+]?(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}))\s*(px|pt|em|rem|ex|ch|%|vw|vh|in|cm|mm|pc)?")
_PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "rem": 16.0}
_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.S)

RELEVANT = frozenset(
    (
        "display", "visibility", "opacity", "font-size", "font", "color", "background", "background-color", "position",
        "left", "top", "right", "bottom", "text-indent", "clip", "clip-path", "overflow", "height", "width",
        "max-height", "max-width", "white-space", "list-style", "list-style-type", "mso-hide", "transform",
        "margin-left", "margin-top",
    )
)  # fmt: skip


class Look(NamedTuple):
    """What holds for the text in an element."""

    gone: str | None = None
    """Why the element and all in it are not seen."""
    invisible: bool = False
    """``visibility``: a descendant may be visible again."""
    font_size: float = 16.0
    colour: Colour | None = None
    """None is the colour that text has where nothing is said."""
    ground: Colour | None = WHITE
    """None is a picture or a gradient: nobody knows."""
    transparent: bool = False
    keeps_blanks: bool = False
    has_marks: bool = True
    """Of a list."""

    @property
    def why_hidden(self) -> str | None:
        """Why nobody sees text here, None if somebody does."""
        if self.gone is not None:
            return self.gone
        if self.invisible:
            return "invisible"
        if self.font_size < _TINY:
            return "tiny text"
        if self.transparent:
            return "transparent text"
        if self.colour is not None and self.ground is not None and _alike(self.colour, self.ground):
            return "white text" if _alike(self.colour, WHITE) else "text in the colour of its ground"
        return None

    def inside(self, style: Mapping[str, str]) -> Look:
        """The look of an element in this one, of which ``style`` is declared."""
        if not style:
            return self
        return Look(
            gone=self.gone or _why_gone(style),
            invisible=style["visibility"] in ("hidden", "collapse")
            if _is_given(style, "visibility")
            else self.invisible,
            font_size=_font_size(style, self.font_size),
            colour=_colour(style["color"]) or self.colour if _is_given(style, "color") else self.colour,
            ground=_ground(style, self.ground),
            transparent=_is_transparent(style["color"]) if _is_given(style, "color") else self.transparent,
            keeps_blanks=style["white-space"].startswith("pre")
            if _is_given(style, "white-space")
            else self.keeps_blanks,
            has_marks=_has_marks(style, self.has_marks),
        )


def declarations(text: str) -> dict[str, tuple[str, bool]]:
    """``name: value; name: value !important`` as name -> (value in small letters, whether important)."""
    found: dict[str, tuple[str, bool]] = {}
    for each in _COMMENT.sub(" ", text).split(";"):
        name, _, value = each.partition(":")
        name = name.strip().lower()
        if name not in RELEVANT:
            continue
        value, mark, _ = value.lower().partition("!")
        important = bool(mark)
        if value.strip() and (important or not found.get(name, ("", False))[1]):
            found[name] = (" ".join(value.split()), important)
    return found


def style_of_attributes(tag: str, attributes: Mapping[str, str]) -> dict[str, str]:
    """What attributes of before style sheets say: ``<font color=...>``, ``bgcolor``."""
    style: dict[str, str] = {}
    if "hidden" in attributes and attributes["hidden"].lower() != "until-found":
        style["display"] = "none"
    if tag == "font":
        if "color" in attributes:
            style["color"] = attributes["color"].strip().lower()
    elif tag == "body" and "text" in attributes:
        style["color"] = attributes["text"].strip().lower()
    if "bgcolor" in attributes:
        style["background-color"] = attributes["bgcolor"].strip().lower()
    elif "background" in attributes and tag in ("body", "table", "td", "tr", "th"):
        style["background"] = "url()"
    return style


def _is_given(style: Mapping[str, str], name: str) -> bool:
    return style.get(name, "inherit") not in ("inherit", "unset", "initial", "revert")


def _why_gone(style: Mapping[str, str]) -> str | None:
    if style.get("display") == "none" or style.get("mso-hide") == "all":
        return "not displayed"
    opacity = _number(style.get("opacity", "1"))
    if opacity is not None and opacity < 0.05:
        return "transparent text"
    placed = style.get("position") in ("absolute", "fixed", "relative")
    if placed and any(_pixels(style.get(edge, "0")) <= _FAR for edge in ("left", "top", "right", "bottom")):
        return "off the page"
    if any(_pixels(style.get(name, "0")) <= _FAR for name in ("text-indent", "margin-left", "margin-top")):
        return "off the page"
    if style.get("position") in ("absolute", "fixed") and _is_empty_clip(style.get("clip", "")):
        return "cut away"
    if style.get("clip-path", "").replace(" ", "") in ("inset(100%)", "inset(50%)", "circle(0)", "polygon(00)"):
        return "cut away"
    transform = style.get("transform", "")
    if re.search(r"scale[xy]?\(\s*0(?:\.0+)?\s*[,)]", transform) or re.search(
        r"translate[xy]?\([^)]*-[0-9]{4}", transform
    ):
        return "off the page"
    if style.get("overflow", "") in ("hidden", "clip"):
        sizes = [style[name] for name in ("height", "max-height", "width", "max-width") if name in style]
        if any(_LENGTH.fullmatch(size) and abs(_pixels(size)) <= _TINY and not size.endswith("%") for size in sizes):
            return "cut away"
    return None


def _is_empty_clip(clip: str) -> bool:
    numbers = re.findall(r"[0-9.]{1,9}", clip) if clip.startswith("rect") else []
    return bool(numbers) and all((_number(each) or 0) <= _TINY for each in numbers)


def _font_size(style: Mapping[str, str], parent: float) -> float:
    value = style.get("font-size")
    if value is None and "font" in style:
        found = _LENGTH.search(style["font"].partition("/")[0])
        value = found[0] if found and found[2] else None
    if value is None:
        return parent
    found = _LENGTH.fullmatch(value)
    if found is None:
        return 16.0 if value.endswith(("small", "large")) or value in ("medium", "initial") else parent
    number, unit = float(found[1]), found[2] or ""
    if unit in ("em", "%", "ex", "ch"):
        return parent * number / (100.0 if unit == "%" else 1.0)
    return number * _PIXELS.get(unit, 10.0)


def _pixels(value: str) -> float:
    found = _LENGTH.fullmatch(value)
    return 0.0 if found is None else float(found[1]) * _PIXELS.get(found[2] or "", 16.0)


def _number(text: str) -> float | None:
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None


def _has_marks(style: Mapping[str, str], parent: bool) -> bool:
    value = style.get("list-style-type") or style.get("list-style")
    return parent if value is None else "none" not in value.split()


def _ground(style: Mapping[str, str], parent: Colour | None) -> Colour | None:
    value = style.get("background-color") or style.get("background")
    if "background" in style and ("url(" in style["background"] or "gradient(" in style["background"]):
        return None
    if value is None or value in ("none", "inherit", "initial", "unset", "0") or _is_transparent(value):
        return parent
    return _colour(value)


def _is_transparent(value: str) -> bool:
    found = re.fullmatch(r"(?:rgba?|hsla?)\([^)]*[,/]\s*([0-9.]{1,9})(%?)\s*\)", value)
    if found is None or value.count(",") + 2 * value.count("/") < 2 + ("," in value):
        return value == "transparent" or bool(re.fullmatch(r"#[0-9a-f]{3}0|#[0-9a-f]{6}00", value))
    return (_number(found[1] + found[2]) or 0.0) < 0.05


def _colour(value: str) -> Colour | None:
    """The first colour in a value; None if there is none that is known."""
    for word in re.findall(r"(?:rgba?|hsla?)\([^)]*\)|#?[a-z0-9]+", value)[:8]:
        if word in _NAMES:
            return _NAMES[word]
        digits = word.removeprefix("#")
        if re.fullmatch(r"[0-9a-f]{3,8}", digits) and (word.startswith("#") or len(digits) == 6):
            if len(digits) in (3, 4):
                digits = "".join(2 * digit for digit in digits)
            if len(digits) >= 6:
                return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
        if word.startswith("rgb"):
            parts = re.findall(r"([0-9.]{1,9})(%?)", word)[:3]
            if len(parts) == 3:
                red, green, blue = (min(255, int((_number(n) or 0) * (2.55 if p else 1))) for n, p in parts)
                return red, green, blue
        if word.startswith("hsl"):
            light = next(
                (float(part) for part in re.findall(r"([0-9.]{1,9})%", word)[1:2] if _number(part) is not None), 50.0
            )
            if light >= 97 or light <= 3:
                return WHITE if light >= 97 else (0, 0, 0)
    return None


def _alike(one: Colour, other: Colour) -> bool:
    return all(abs(a - b) <= _ALIKE for a, b in zip(one, other, strict=True))
