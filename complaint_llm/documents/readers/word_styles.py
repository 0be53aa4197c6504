"""What styles say of text in a Word file, as far as it decides whether somebody sees it and what number it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from xml.etree.ElementTree import Element

from complaint_llm.documents.readers.xml_elements import descendant

_OFF = frozenset(("0", "false", "off", "none"))
_TINY_HALF_POINTS = 4
_WHITE_FROM = 0xF8
"""All three colours at least so bright: nobody sees it on white paper."""


class _Style(NamedTuple):
    based_on: str
    properties: Element | None
    number: Element | None
    shaded: bool


class Styles:
    """``word/styles.xml``."""

    def __init__(self, parts: Iterable[Element]) -> None:
        self._styles: dict[str, _Style] = {}
        self._default_paragraph = ""
        self._defaults: Element | None = None
        for part in parts:
            if part.tag == "w:docDefaults":
                self._defaults = descendant(part, "w:rPrDefault", "w:rPr")
            elif part.tag == "w:style":
                key = part.get("w:styleId", "")
                parent = part.find("w:basedOn")
                self._styles[key] = _Style(
                    based_on="" if parent is None else parent.get("w:val", ""),
                    properties=part.find("w:rPr"),
                    number=descendant(part, "w:pPr", "w:numPr"),
                    shaded=any(_is_dark(each) for each in part.iter("w:shd")),
                )
                if part.get("w:type") == "paragraph" and is_on(part.get("w:default", "0")):
                    self._default_paragraph = key

    def _chain(self, key: str) -> Iterator[_Style]:
        seen: set[str] = set()
        while key in self._styles and key not in seen:
            seen.add(key)
            yield self._styles[key]
            key = self._styles[key].based_on

    def numbering_of(self, key: str) -> tuple[str, int] | None:
        """The id of the list that a style puts its paragraphs in, and the level."""
        number_id, level = "", None
        for style in self._chain(key):
            if style.number is not None:
                values = {each.tag: each.get("w:val", "") for each in style.number}
                number_id = number_id or values.get("w:numId", "")
                level = values.get("w:ilvl") if level is None else level
        return (number_id, int(level) if level and level.isdecimal() else 0) if number_id else None

    def shades(self, key: str) -> bool:
        """Whether a style lays a colour under its text."""
        return any(style.shaded for style in self._chain(key))

    def why_hidden(self, properties: Element | None, paragraph_style: str, *, on_colour: bool) -> str | None:
        """Why nobody sees text of these run properties, None if somebody does."""
        sources: list[Element] = [] if properties is None else [properties]
        style = None if properties is None else properties.find("w:rStyle")
        if style is not None:
            sources += [each.properties for each in self._chain(style.get("w:val", "")) if each.properties is not None]
        own = paragraph_style or self._default_paragraph
        sources += [each.properties for each in self._chain(own) if each.properties is not None]
        if self._defaults is not None:
            sources.append(self._defaults)
        found: dict[str, Element] = {}
        for source in sources:
            for each in source:
                found.setdefault(each.tag, each)
        if "w:vanish" in found and is_on(found["w:vanish"].get("w:val", "1")):
            return "hidden text"
        size = found["w:sz"].get("w:val", "") if "w:sz" in found else ""
        if size.isdecimal() and int(size) < _TINY_HALF_POINTS:
            return "tiny text"
        on_colour = on_colour or (own != "" and self.shades(own)) or _has_ground(found)
        return "white text" if not on_colour and "w:color" in found and _is_white(found["w:color"]) else None


def is_on(value: str) -> bool:
    """Whether a value of a switch in a Word file switches on."""
    return value.lower() not in _OFF


def is_shaded(properties: Element | None) -> bool:
    """Whether properties of a paragraph, cell or table lay a colour under the text."""
    shade = None if properties is None else properties.find("w:shd")
    return shade is not None and _is_dark(shade)


def _has_ground(found: Mapping[str, Element]) -> bool:
    mark = found["w:highlight"].get("w:val", "none") if "w:highlight" in found else "none"
    return mark not in ("none", "white") or ("w:shd" in found and _is_dark(found["w:shd"]))


def _is_dark(shade: Element) -> bool:
    """Whether a shading is of another colour than white."""
    if shade.get("w:val", "clear") not in ("clear", "nil"):
        return True  # a pattern, or the foreground colour all over
    fill = shade.get("w:fill", "auto")
    if fill == "auto":
        return shade.get("w:themeFill", "background1") not in ("background1", "light1")
    return not _is_bright(fill)


def _is_white(colour: Element) -> bool:
    value = colour.get("w:val", "auto")
    if value == "auto":
        return colour.get("w:themeColor") in ("background1", "light1")
    return _is_bright(value)


def _is_bright(colour: str) -> bool:
    try:
        return len(colour) == 6 and all(part >= _WHITE_FROM for part in bytes.fromhex(colour))
    except ValueError:
        return False
