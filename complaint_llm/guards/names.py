"""Lists of names: how they are read, and how the names on them are found in a text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.exceptions import ConfigError
from complaint_llm.guards.name_words import CAPITAL_ALONE, GENERAL, NEVER_ALONE, OF_ORGANISATIONS, TITLES
from complaint_llm.guards.views import View, alike_letters, folded_words, shows_alike

MAX_LIST = 64 * 1024 * 1024
"""Bytes of a list."""
MAX_WORDS = 24
"""Words of one entry."""

KINDS = ("person", "organisation", "address")
_LABELS = {"person": "NAME", "organisation": "ORG", "address": "ADDRESS"}
_KIND_OF_COLUMN = re.compile(
    r"(?P<organisation>organi[sz]ation|company|employer|business|firm|agency)|(?P<address>address|street|residence)",
    re.I,
)


class Entry(NamedTuple):
    """A name as it is listed. ``kind`` is one of KINDS."""

    name: str
    kind: str


def entry_of(name: str, kind: str | None = None) -> Entry:
    """A listed name, its kind by its words where it is not said."""
    if kind is None:
        words = re.findall(r"\w+", name.lower())
        if OF_ORGANISATIONS.intersection(words):
            kind = "organisation"
        else:
            kind = "address" if any(word.isdigit() for word in words) else "person"
    return Entry(name, kind)


def read_list(path: Path, columns: Sequence[str] | None = None) -> list[Entry]:
    """The names in a file: a CSV with a row of headings (``columns``, or all; one called ``kind`` says of each row
    which kind it is), or a text with a name on each line, ``#`` before what is none. Raises ConfigError, without a
    name."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as fault:
        raise ConfigError(f"names: {path} cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise ConfigError(f"names: {path} is not UTF-8: save it as UTF-8") from fault
    if len(data) > MAX_LIST:
        raise ConfigError(f"names: {path} has more than {MAX_LIST:,} bytes")
    if path.suffix.lower() == ".csv":
        entries = list(_csv_entries(text, path, columns))
    elif columns is not None:
        raise ConfigError(f"names: {path} is no .csv, so it has no columns")
    else:
        lines = (line.strip() for line in text.splitlines())
        entries = [entry_of(line) for line in lines if line and not line.startswith("#")]
    if not entries:
        raise ConfigError(f"names: there is no name in {path}")
    return entries


def _csv_entries(text: str, path: Path, columns: Sequence[str] | None) -> Iterator[Entry]:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as fault:
        raise ConfigError(f"names: {path} is no CSV: {fault}") from fault
    headings = [heading.strip() for heading in rows[0]] if rows else []
    unknown = [column for column in columns or () if column not in headings]
    if unknown:
        raise ConfigError(f"names: {path} has no column {unknown[0]!r}; there are {', '.join(headings)}")
    kinds_at = headings.index("kind") if "kind" in headings else None
    chosen = [at for at, heading in enumerate(headings) if at != kinds_at and (not columns or heading in columns)]
    for number, row in enumerate(rows[1:], 2):
        kind = row[kinds_at].strip().lower() if kinds_at is not None and kinds_at < len(row) else ""
        if kind and kind not in KINDS:
            raise ConfigError(f"names: {path}, row {number}: kind is one of {', '.join(KINDS)}")
        for at in chosen:
            cell = row[at].strip() if at < len(row) else ""
            if any(map(str.isalpha, cell)):
                column = _KIND_OF_COLUMN.search(headings[at])
                yield entry_of(cell, kind or (column.lastgroup if column else None))


class Found(NamedTuple):
    """Where something was found in a text, its label for tokens and by what it was found."""

    start: int
    end: int
    label: str
    source: str


_WORDS = re.compile(r"[^\W\d_]+|\d+")
# Scripts whose vowels are marks, which are no letters to ``re``.
_MARKED = "\u0900-\u0963\u0966-\u0dff\u0f00-\u0fff\u1a00-\u1cff\ua800-\uabff"
_MARKED_WORDS = re.compile(rf"(?:[^\W\d_]|[{_MARKED}])+|\d+")
_HAS_MARKED = re.compile(f"[{_MARKED}]")
_GAP = re.compile(r"[ \n\-'._,/&()]{0,3}")
# Scripts that put no blanks between words: names of them are found anywhere.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_TITLE = re.compile(rf"(?<![^\W\d_])(?:{'|'.join(sorted(TITLES))})\.?[ \n]{{1,2}}$")

# When a form of a name is that name.
_ALWAYS, _WITH_CAPITAL, _AFTER_TITLE = 0, 1, 2


class _Word:
    __slots__ = ("label", "next", "rule")

    def __init__(self) -> None:
        self.next: dict[str, _Word] = {}
        self.label: str | None = None
        self.rule = _AFTER_TITLE


class NameIndex:
    """Finds names of a list, however many, in time that grows with the text alone. Any thread may read it."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = tuple(dict.fromkeys(entries))
        self._plain = _Forms(self._entries, alike=False)
        self._alike: _Forms | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, view: View, source: str) -> Iterator[Found]:
        """Where names stand, as spans of ``source``, which ``view`` is a reading of. They may overlap."""
        if view.holds == "numbers" or not self._entries:
            return
        if not view.is_alike:
            yield from self._plain.find(view, source)
            return
        if self._alike is None:
            self._alike = _Forms(self._entries, alike=True)
        for found in self._alike.find(view, source):
            if shows_alike(source[found.start : found.end]):
                yield found


class _Forms:
    """The forms in which names are written, as a tree of words."""

    def __init__(self, entries: Iterable[Entry], *, alike: bool) -> None:
        self._root: dict[str, _Word] = {}
        self._unspaced: dict[str, dict[int, dict[str, str]]] = {}
        for entry in entries:
            for name in _writings(entry.name) if alike else (entry.name,):
                folded = folded_words(name, alike=alike)
                if alike:
                    folded = alike_letters(folded)
                if _UNSPACED.search(folded):
                    self._add_unspaced("".join(folded.split()), _LABELS[entry.kind])
                for words, rule in _forms(folded, entry.kind):
                    self._add(words, _LABELS[entry.kind], rule)

    def find(self, view: View, source: str) -> Iterator[Found]:
        text = view.text
        words = _MARKED_WORDS if _HAS_MARKED.search(text) else _WORDS
        root = self._root
        for start, end in _places(text, words, root.keys() & _different_words(text, words)):
            if (best := self._end(root[text[start:end]], words, view, source, start, end)) is not None:
                yield Found(*view.fold.source_span(start, best[0]), best[1], "list")
        if self._unspaced and not text.isascii():
            yield from self._find_unspaced(view)

    def _end(
        self, node: _Word, words: re.Pattern[str], view: View, source: str, start: int, end: int
    ) -> tuple[int, str] | None:
        """Where the longest name ends that begins with the word at [start, end), and its label."""
        best: tuple[int, str] | None = None
        text = view.text
        while True:
            if node.label is not None and _is_name(node.rule, view, source, start):
                best = end, node.label
            gap = _GAP.match(text, end) if node.next else None
            following = words.match(text, gap.end()) if gap is not None else None
            after = node.next.get(following[0]) if following is not None else None
            if after is None or following is None:
                return best
            node, end = after, following.end()

    def _add(self, words: Sequence[str], label: str, rule: int) -> None:
        node = self._root.setdefault(words[0], _Word())
        for word in words[1:]:
            node = node.next.setdefault(word, _Word())
        node.label = node.label or label
        node.rule = min(node.rule, rule)

    def _add_unspaced(self, name: str, label: str) -> None:
        lengths = self._unspaced.setdefault(name[0], {})
        lengths.setdefault(len(name), {})[name] = label

    def _find_unspaced(self, view: View) -> Iterator[Found]:
        text = view.text
        for first in _UNSPACED.finditer(text):
            start = first.start()
            for length, names in self._unspaced.get(first[0], {}).items():
                label = names.get(text[start : start + length])
                if label is not None:
                    yield Found(*view.fold.source_span(start, start + length), label, "list")


# Of a folded text in ASCII, all but letters, and all but digits.
_NO_LETTERS = {code: " " for code in range(128) if not chr(code).islower()}
_NO_DIGITS = {code: " " for code in range(128) if not chr(code).isdigit()}
_FEW = 32


def _different_words(text: str, words: re.Pattern[str]) -> set[str]:
    if text.isascii():
        return {*text.translate(_NO_LETTERS).split(), *text.translate(_NO_DIGITS).split()}
    return set(words.findall(text))


def _places(text: str, words: re.Pattern[str], wanted: set[str]) -> Iterator[tuple[int, int]]:
    """Where the wanted words stand; few are looked for one by one."""
    if len(wanted) > _FEW:
        yield from (found.span() for found in words.finditer(text) if found[0] in wanted)
        return
    for word in wanted:
        start = text.find(word)
        while start >= 0:
            end = start + len(word)
            before = words.match(text, start - 1, start + 1) if start else None
            found = words.match(text, start, end + 1)
            if found is not None and found.end() == end and (before is None or before.end() <= start):
                yield start, end
            start = text.find(word, end)


def _is_name(rule: int, view: View, source: str, start: int) -> bool:
    if rule == _ALWAYS or _TITLE.search(view.text, max(0, start - 16), start) is not None:
        return True
    return rule == _WITH_CAPITAL and not source[view.fold.source_of(start)[0]].islower()


def _writings(name: str) -> Iterator[str]:
    """A name in its own case, in capitals and in small letters: each looks like other letters of other scripts."""
    yield from (name,) if name.isascii() else dict.fromkeys((name, name.upper(), name.lower()))


def _forms(folded: str, kind: str) -> Iterator[tuple[Sequence[str], int]]:
    """The words of each form of a name, and when they are that name."""
    units = folded.replace(",", " ").split()
    while len(units) > 1 and units[0].strip(".") in TITLES:
        units = units[1:]
    unit_words = [found for unit in units if (found := _words(unit))]
    orders: list[Sequence[Sequence[str]]] = [unit_words]
    if kind == "person" and 2 <= len(unit_words) <= 6:
        first, *middle, last = unit_words
        orders += [[first, last], [last, first], [last, first, *middle], [*unit_words[1:], first], unit_words[:2]]
        orders = [order for at, order in enumerate(orders) if order not in orders[:at]]
    rules: list[tuple[Sequence[Sequence[str]], int]] = [(order, _ALWAYS) for order in orders]
    if kind == "person" and len(unit_words) > 1:
        for words in unit_words:
            rules.append(([words], _rule_alone(words)))
            # Both halves of a name with a hyphen are names; what is before an apostrophe is none.
            rules += [([[word]], _rule_alone([word])) for word in words if len(words) > 1 and len(word) > 2]
    if kind == "organisation" and (short := _short_name(unit_words)):
        rules.append((short, _ALWAYS if len(short) > 1 else _WITH_CAPITAL))
    for order, rule in rules:
        words = [word for unit in order for word in unit]
        if 0 < len(words) <= MAX_WORDS:
            yield from ((form, rule) for form in _spellings(words, order))


def _short_name(units: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    """An organisation's name without the words that say what it is: Meridian of Meridian Loan Care; none if none is
    left."""
    short = list(units)
    while short and OF_ORGANISATIONS.issuperset(short[-1]):
        short.pop()
    if len(short) == 1 and (len("".join(short[0])) < 4 or not GENERAL.isdisjoint(short[0])):
        return []
    return short if len(short) < len(units) else []


def _words(text: str) -> list[str]:
    return (_MARKED_WORDS if _HAS_MARKED.search(text) else _WORDS).findall(text)


def _rule_alone(words: Sequence[str]) -> int:
    joined = "".join(words)
    if joined in NEVER_ALONE or len(joined) < 2 or joined in TITLES or joined.isdigit():
        return _AFTER_TITLE
    return _WITH_CAPITAL if joined in CAPITAL_ALONE or (len(joined) < 3 and joined.isascii()) else _ALWAYS


def _spellings(words: Sequence[str], units: Sequence[Sequence[str]]) -> Iterator[Sequence[str]]:
    """The words, those that a hyphen or an apostrophe joins as one word, and with letters that look like others."""
    yield words
    glued = ["".join(unit) for unit in units]
    if len(glued) != len(words):
        yield glued
    for form in (words, glued) if len(glued) != len(words) else (words,):
        for letters, looks in (("m", "rn"), ("rn", "m")):
            alike = [word.replace(letters, looks) if len(word) > 4 else word for word in form]
            if alike != form:
                yield alike
        if any(word.startswith("i") for word in form):
            yield [f"l{word[1:]}" if word.startswith("i") and len(word) > 2 else word for word in form]


def count_words(name: str) -> int:
    """Of how many words a name is."""
    return len(_words(folded_words(name)))


def entries_of(given: Any, folder: Path) -> list[Entry]:
    """The entries of the lists that the key ``names`` gives; of columns of a batch there are none yet. Raises
    ConfigError."""
    entries: list[Entry] = []
    for each in given if isinstance(given, (list, tuple)) else [given]:
        if isinstance(each, (str, Path)) and str(each):
            entries += read_list(folder / Path(each).expanduser())
        elif isinstance(each, Mapping) and _is_column_list(each.get("columns")) and set(each) == {"columns"}:
            continue  # they come with each request
        elif isinstance(each, Mapping) and set(each) <= {"path", "columns"} and isinstance(each.get("path"), str):
            columns = each.get("columns")
            if columns is not None and not _is_column_list(columns):
                raise ConfigError("names: columns is a list of headings")
            entries += read_list(folder / Path(each["path"]).expanduser(), columns)
        else:
            raise ConfigError(
                'names: give the path of a list, {"path": ..., "columns": [...]}, {"columns": [...]} for columns of a '
                'batch, a list of these, or "none"'
            )
    for number, entry in enumerate(entries, 1):
        words = count_words(entry.name)
        if not 0 < words <= MAX_WORDS:
            raise ConfigError(f"names: entry {number} has {words} words; a name has 1 to {MAX_WORDS}")
    return entries


def columns_of(given: Any) -> tuple[str, ...]:
    """The columns of a batch that the key ``names`` gives."""
    lists = given if isinstance(given, (list, tuple)) else [given]
    batch = (each["columns"] for each in lists if isinstance(each, Mapping) and set(each) == {"columns"})
    return tuple(dict.fromkeys(column for columns in batch for column in columns))


def _is_column_list(columns: Any) -> bool:
    return isinstance(columns, (list, tuple)) and bool(columns) and all(isinstance(each, str) for each in columns)
