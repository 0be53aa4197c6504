"""Style sheets inside of an HTML file, as far as simple selectors hide text by them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from complaint_llm.documents.readers.html_look import declarations

_MOST_RULES = 5_000
_NEAREST = 128
"""Ancestors that a selector is held to."""
_OPENS = re.compile(r"<!--|<(style|script)\b", re.I)
_COMPOUND = re.compile(r"(?:\*|[a-z][a-z0-9-]*)?(?:[.#][a-z0-9_-]+)*", re.I)
_PART = re.compile(r"([.#]?)([a-z0-9_*-]+)", re.I)


class _Compound(NamedTuple):
    tag: str
    key: str
    """The id, "" for any."""
    classes: frozenset[str]

    def fits(self, element: StyledElement) -> bool:
        return (
            (not self.tag or self.tag == element.tag)
            and (not self.key or self.key == element.key)
            and self.classes <= element.classes
        )


class StyledElement(NamedTuple):
    """What selectors see of an element."""

    tag: str
    key: str
    classes: frozenset[str]


class _Rule(NamedTuple):
    weight: tuple[int, int, int, int]
    compounds: tuple[_Compound, ...]
    is_child: tuple[bool, ...]
    """For each compound but the first: whether it must be a child of the one before."""
    style: Mapping[str, tuple[str, bool]]


class StyleSheet:
    """The rules of all ``<style>`` in a page. Selectors with more than tags, classes, ids and descent are left out."""

    def __init__(self, page: str) -> None:
        self._rules: dict[str, list[_Rule]] = defaultdict(list)
        self._count = 0
        for sheet in _sheets(page):
            self._add(sheet)

    def _add(self, sheet: str) -> None:
        for selectors, body in _blocks(sheet):
            style = declarations(body)
            if not style:
                continue
            for selector in selectors.split(","):
                rule = _rule(selector, style, self._count)
                if rule is not None and self._count < _MOST_RULES:
                    self._count += 1
                    last = rule.compounds[-1]
                    self._rules[last.key or min(last.classes, default=last.tag)].append(rule)

    def style_of(self, element: StyledElement, ancestors: Sequence[StyledElement]) -> dict[str, tuple[str, bool]]:
        """What the rules declare of an element; ``ancestors`` from the root inwards."""
        found: list[_Rule] = []
        if self._count:
            keys = {element.key, element.tag, *element.classes, ""}
            found = [each for key in keys for each in self._rules.get(key, ()) if _fits(each, element, ancestors)]
        style: dict[str, tuple[str, bool]] = {}
        for rule in sorted(found, key=lambda rule: rule.weight):
            for name, value in rule.style.items():
                if value[1] or not style.get(name, ("", False))[1]:
                    style[name] = value
        return style


def _fits(rule: _Rule, element: StyledElement, ancestors: Sequence[StyledElement]) -> bool:
    if not rule.compounds[-1].fits(element):
        return False
    if len(rule.compounds) == 1:
        return True
    nearest = ancestors[-_NEAREST:]
    places = {len(nearest)}  # where the compound after may stand
    for at in range(len(rule.compounds) - 2, -1, -1):
        compound = rule.compounds[at]
        if rule.is_child[at]:
            places = {place - 1 for place in places if place and compound.fits(nearest[place - 1])}
        else:
            places = {place for place in range(max(places, default=0)) if compound.fits(nearest[place])}
        if not places:
            return False
    return True


def _sheets(page: str) -> Iterator[str]:
    """What stands in ``<style>``, not in comments and scripts."""
    place = 0
    while found := _OPENS.search(page, place):
        if found[1] is None:
            place = page.find("-->", found.end())
        else:
            begin = page.find(">", found.end())
            place = -1 if begin < 0 else _find_end(page, found[1].lower(), begin + 1)
            if (
                found[1].lower() == "style"
                and begin >= 0
                and 'media="print"' not in page[found.start() : begin].lower()
            ):
                yield page[begin + 1 : place if place >= 0 else len(page)]
        if place < 0:
            return


def _find_end(page: str, name: str, start: int) -> int:
    found = re.compile(f"</{name}", re.I).search(page, start)
    return -1 if found is None else found.start()


def _blocks(sheet: str) -> Iterator[tuple[str, str]]:
    """``selectors { body }`` of a sheet; those in ``@media`` only where it is of screens of every size."""
    sheet = re.sub(r"/\*.*?(?:\*/|\Z)", " ", sheet, flags=re.S).replace("<!--", " ").replace("-->", " ")
    inside: list[bool] = []
    head = 0
    selectors = ""
    for found in re.finditer(r"[{};]", sheet):
        mark = found[0]
        text = sheet[head : found.start()]
        if mark == "{":
            selectors = text.strip()
            if selectors.startswith("@"):
                media = selectors.lower().split()
                inside.append(media[0] == "@media" and set(media[1:]) <= {"screen", "all", "only", "screen,all"})
                selectors = ""
            head = found.end()
        elif mark == "}":
            if selectors:
                if all(inside):
                    yield selectors, text
                selectors = ""
            elif inside:
                inside.pop()
            head = found.end()
        elif not selectors:
            head = found.end()  # @import and the like


def _rule(selector: str, style: Mapping[str, tuple[str, bool]], number: int) -> _Rule | None:
    compounds: list[_Compound] = []
    is_child: list[bool] = []
    child = False
    for word in selector.replace(">", " > ").split():
        if word == ">":
            child = True
            continue
        if not _COMPOUND.fullmatch(word):
            return None
        if compounds:
            is_child.append(child)
        child = False
        tag, key, classes = "", "", []
        for kind, name in _PART.findall(word):
            if kind == "#":
                key = name
            elif kind == ".":
                classes.append(name)
            elif name != "*":
                tag = name.lower()
        compounds.append(_Compound(tag, key, frozenset(classes)))
    if not compounds or len(compounds) > 8:
        return None
    weight = (
        sum(bool(each.key) for each in compounds),
        sum(len(each.classes) for each in compounds),
        sum(bool(each.tag) for each in compounds),
        number,
    )
    return _Rule(weight=weight, compounds=tuple(compounds), is_child=tuple(is_child), style=style)
