"""Identifiers of twelve kinds, made up from a seed, as they come to be written, and requests that hold them.

Who plants them asks ``planted(seed, count)`` for them, writes their lists by ``write_lists``, makes a request by
``request_with`` (or carries ``sentence`` wherever texts go), and asks ``leaks`` of what was sent.
"""

from __future__ import annotations

import csv
import json
import random
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.guards.guard import GuardRequest
from complaint_llm.messages import Message, TextPart, Tool, ToolCall

KINDS = (
    "person", "organisation", "address", "email", "us_phone", "foreign_phone", "ssn", "iban", "card", "birth_date",
    "account", "case",
)  # fmt: skip
LISTED = {"person", "organisation", "address"}
CASE_PATTERN = {"name": "case", "pattern": r"\b\d{2}-[a-z]{2}-\d{5}\b"}

SYLLABLES = [
    "bra", "cor", "dal", "fen", "gri", "hul", "jor", "kev", "lom", "mir", "nov", "pol", "quis", "rud", "sten",
    "tol", "vek", "wyn", "yor", "zab",
]  # fmt: skip
# Look-alikes chosen by hand, apart from the tables of the product: Cyrillic, Greek, full width, mathematical.
LOOK_ALIKE = {
    "a": "аɑａ", "c": "сϲ", "d": "ԁ", "e": "еｅ", "h": "һ", "i": "іⅰ", "j": "ј", "l": "ⅼ", "o": "оοօ", "p": "рρ",
    "s": "ѕ", "v": "ν", "x": "х", "y": "у", "A": "АΑ", "B": "ВΒ", "C": "С", "E": "ЕΕ", "H": "Н", "K": "Κ", "M": "М",
    "N": "Ν", "O": "О", "P": "Р", "S": "Ѕ", "T": "Т", "Z": "Ζ",
}  # fmt: skip
DIGITS = ("٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗")


class Planted(NamedTuple):
    """An identifier: ``listed`` is what a list says of it, ``written`` how it stands in the text, ``sentence`` the
    text around it."""

    kind: str
    listed: str
    written: str
    sentence: str


def planted(seed: int, count: int) -> list[Planted]:
    """So many identifiers, of all kinds in turn."""
    draw = random.Random(seed)
    return [_planted(KINDS[number % len(KINDS)], draw) for number in range(count)]


def write_lists(identifiers: Sequence[Planted], folder: Path) -> Path:
    """A CSV of those that are on a list."""
    path = folder / "names.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "kind"])
        rows.writerows((each.listed, each.kind) for each in identifiers if each.kind in LISTED)
    return path


def request_with(identifiers: Sequence[Planted], draw: random.Random) -> GuardRequest:
    """A request that holds each identifier in one of its texts: turns, parts, results and arguments of tools, JSON,
    documents, descriptions, schema, stop words."""
    boxes: list[list[str]] = [[] for _ in range(9)]
    for each in identifiers:
        draw.choice(boxes).append(each.sentence)
    turn, part, result, arguments, json_result, document, description, words, told = (
        "\n".join(box) if at not in (3, 4) else json.dumps({"note": box, "n": 1}, ensure_ascii=draw.random() < 0.5)
        for at, box in enumerate(boxes)
    )
    page = f'<document name="lease.pdf"><page n="1">\n{document}\n</page></document>'
    return GuardRequest(
        messages=[
            Message("system", f"Read with care. {told}"),
            Message("user", (TextPart(turn), TextPart(part), TextPart(page))),
            Message("assistant", "", (ToolCall("a", "look_up", json.loads(arguments), arguments),)),
            Message("tool", json_result, tool_call_id="a", name="look_up"),
            Message("user", result),
        ],
        tools=[Tool("look_up", description, {"type": "object", "properties": {"x": {"description": words}}})],
        schema={"type": "object", "properties": {"who": {"type": "string", "enum": [words, "other"]}}},
        parameters={"stop": [told]},
    )


def texts_of(request: GuardRequest) -> str:
    """All that would be sent of a request, as JSON without escapes of letters."""
    everything: Any = [message.to_dict() for message in request.messages]
    tools = [tuple(tool) for tool in request.tools]
    return json.dumps([everything, tools, request.schema, dict(request.parameters)], ensure_ascii=False, default=str)


def leaks(sent: str, identifiers: Sequence[Planted]) -> list[Planted]:
    """Those that stand in what was sent: as they were written, in JSON's escapes, or in their letters and digits."""
    squeezed = squeeze(sent)
    return [each for each in identifiers if _stands(each, sent, squeezed)]


def squeeze(text: str) -> str:
    """The letters and digits of a text, without case, accents and width; each digit as ASCII has it."""
    # A line break in JSON is a letter, otherwise.
    plain = latin_digits(unicodedata.normalize("NFKD", text.replace("\\n", " ").replace("\\t", " ")).casefold())
    return "".join(each for each in plain if each.isalnum())


def latin_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(each)) if each.isdecimal() else each for each in text)


def _stands(identifier: Planted, sent: str, squeezed: str) -> bool:
    written = identifier.written
    forms = {written, json.dumps(written)[1:-1], json.dumps(written, ensure_ascii=False)[1:-1]}
    forms |= {json.dumps(form)[1:-1] for form in tuple(forms)}
    return any(form in sent for form in forms) or squeeze(written) in squeezed


def _planted(kind: str, draw: random.Random) -> Planted:
    listed = _MAKERS[kind](draw)
    return _SENTENCES[kind](listed, draw)


def _word(draw: random.Random, syllables: int = 3) -> str:
    return "".join(draw.choices(SYLLABLES, k=syllables)).capitalize()


def _digits(draw: random.Random, count: int) -> str:
    return "".join(str(draw.randrange(10)) for _ in range(count))


def _person(draw: random.Random) -> str:
    last = draw.choice(("{}", "{}", "{}-{}", "O'{}", "Al-{}", "{}é{}")).format(_word(draw), _word(draw).lower())
    middle = draw.choice(("", "", f"{_word(draw)} "))
    return f"{_word(draw)} {middle}{last}"


def _organisation(draw: random.Random) -> str:
    return f"{_word(draw)} {_word(draw)} {draw.choice(('Holdings LLC', 'Residential', 'Motors', 'Group, Inc.'))}"


def _address(draw: random.Random) -> str:
    return f"{draw.randrange(100, 9999)} {_word(draw)} {draw.choice(('Avenue', 'Street', 'Lane'))}"


def _email(draw: random.Random) -> str:
    local = draw.choice(("{}.{}", "{}_{}", "{}{}", "{}+{}")).format(_word(draw).lower(), _word(draw).lower())
    return f"{local}@{_word(draw).lower()}.{draw.choice(('org', 'com', 'co.uk', 'mx'))}"


def _us_phone(draw: random.Random) -> str:
    area, exchange = f"{draw.randrange(212, 990)}", f"{draw.randrange(212, 990)}"
    if area[1:] == "11":
        area = "617"
    form = draw.choice(("({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "+1 {} {} {}", "1-{}-{}-{}", "{}{}{}", "{} {} {}"))
    return form.format(area, exchange, _digits(draw, 4))


def _foreign_phone(draw: random.Random) -> str:
    form = draw.choice(("+44 20 {} {}", "+52 55 {} {}", "+49 30 {}{}", "+84-24-{}-{}", "0044 20 {} {}", "020 {} {}"))
    return form.format(f"{draw.randrange(1000, 9999)}", _digits(draw, 4))


def _ssn(draw: random.Random) -> str:
    form = draw.choice(("{}-{}-{}", "{} {} {}", "{}.{}.{}", "{}{}{}"))
    area = draw.choice([each for each in (f"{draw.randrange(1, 899):03}",) if each != "666"] or ["123"])
    return form.format(area, f"{draw.randrange(1, 99):02}", f"{draw.randrange(1, 9999):04}")


def _iban(draw: random.Random) -> str:
    country, account = draw.choice(
        (
            ("DE", _digits(draw, 18)),
            ("GB", f"NWBK{_digits(draw, 14)}"),
            ("ES", _digits(draw, 20)),
            ("NL", f"ABNA{_digits(draw, 10)}"),
            ("FR", _digits(draw, 23)),
        )
    )
    value = int("".join(str(int(each, 36)) for each in f"{account}{country}00"))
    number = f"{country}{98 - value % 97:02}{account}"
    return number if draw.random() < 0.4 else " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def _card(draw: random.Random) -> str:
    length = draw.choice((16, 16, 15))
    body = ("37" if length == 15 else draw.choice("456")) + _digits(draw, length)
    body = body[: length - 1]
    total = 0
    for place, each in enumerate(reversed(body)):
        value = int(each) * (2 - place % 2)
        total += value - 9 if value > 9 else value
    number = f"{body}{-total % 10}"
    sizes = (4, 6, 5) if length == 15 else (4, 4, 4, 4)
    groups = [number[sum(sizes[:at]) : sum(sizes[: at + 1])] for at in range(len(sizes))]
    return draw.choice(("", " ", "-")).join(groups)


MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
]  # fmt: skip
MESES = [
    "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
    "noviembre", "diciembre",
]  # fmt: skip


def _birth_date(draw: random.Random) -> str:
    year, month, day = draw.randrange(1931, 2020), draw.randrange(1, 13), draw.randrange(1, 29)
    return draw.choice(
        (
            f"{month:02}/{day:02}/{year}", f"{day}.{month}.{year}", f"{year}-{month:02}-{day:02}",
            f"{day} {MONTHS[month - 1]} {year}",
            f"{MONTHS[month - 1]} {day}, {year}", f"{MONTHS[month - 1][:3]}. {day} {year}",
            f"{day} de {MESES[month - 1]} de {year}",
            f"the {day}th of {MONTHS[month - 1]} {year}"[4:], f"{month}/{day}/{year % 100:02}",
        )
    )  # fmt: skip


def _account(draw: random.Random) -> str:
    number = f"7{_digits(draw, draw.randrange(7, 14))}"
    return number if draw.random() < 0.6 else f"{number[:4]} {number[4:]}"


def _case(draw: random.Random) -> str:
    return f"{_digits(draw, 2)}-{draw.choice(('CV', 'LT', 'FC'))}-{_digits(draw, 5)}"


_MAKERS: dict[str, Callable[[random.Random], str]] = {
    "person": _person, "organisation": _organisation, "address": _address, "email": _email, "us_phone": _us_phone,
    "foreign_phone": _foreign_phone, "ssn": _ssn, "iban": _iban, "card": _card, "birth_date": _birth_date,
    "account": _account, "case": _case,
}  # fmt: skip


def _in_sentence(*forms: str) -> Callable[[str, random.Random], Planted]:
    def make(listed: str, draw: random.Random) -> Planted:
        kind = next(kind for kind, sentences in _SENTENCES.items() if sentences is make)
        chosen = listed if kind != "person" else _person_form(listed, draw)
        written = _written(chosen, kind, draw)
        return Planted(kind, listed, written, draw.choice(forms).format(written))

    return make


_SENTENCES = {
    "person": _in_sentence("I met {} there.", "{} said so.", "(see {})", "the lawyer, {}, left", "{}'s letter came."),
    "organisation": _in_sentence("It was {} who wrote.", "Rent is paid to {}; always."),
    "address": _in_sentence("She lives at {}, upstairs.", "Moved from {} in May."),
    "email": _in_sentence("Write to {} today.", "mail: {}", "<{}>"),
    "us_phone": _in_sentence("Call {} first.", "tel. {}, evenings"),
    "foreign_phone": _in_sentence("Call {} first.", "tel. {}, evenings"),
    "ssn": _in_sentence("My SSN is {}.", "Social Security number: {}", "SSN {} on the form"),
    "iban": _in_sentence("Paid to {}.", "IBAN: {}, at the bank"),
    "card": _in_sentence("Charged to {}.", "The card {} was used"),
    "birth_date": _in_sentence("She was born on {}.", "DOB: {}", "date of birth {}", "nacida el {}", "born {}"),
    "account": _in_sentence("account number {}", "from account {} since", "Acct. #{}"),
    "case": _in_sentence("The case is {}.", "docket {}"),
}


def _person_form(name: str, draw: random.Random) -> str:
    first, *_, last = name.split()
    return draw.choice(
        (name, name, f"{first} {last}", f"{last.upper()}, {first}", last, f"{last}, {first}", name.lower())
    )


def _written(text: str, kind: str, draw: random.Random) -> str:
    ways = [_as_it_is, _zero_width, _full_width]
    if kind in LISTED:
        ways += [str.upper, _look_alikes, _breaks, _blanks, _hyphenation, _soft_hyphen, _decomposed, _typographic]
    elif kind == "email":
        ways += [str.upper, _look_alikes, _email_break]
    elif kind == "birth_date":
        ways += [_breaks, _other_digits, str.upper]
    else:
        ways += [_breaks, _other_digits, _letters_for_digits, _dashes]
    way = draw.choice(ways)
    return way(text) if way is str.upper else way(text, draw)  # type: ignore[call-arg]


def _as_it_is(text: str, draw: random.Random) -> str:
    return text


def _zero_width(text: str, draw: random.Random) -> str:
    at = draw.randrange(1, len(text))
    return text[:at] + draw.choice("\u200b\u200d\u2060\ufeff\xad") + text[at:]


def _full_width(text: str, draw: random.Random) -> str:
    return "".join(chr(ord(each) + 0xFEE0) if "0" <= each <= "z" and each.isalnum() else each for each in text)


def _look_alikes(text: str, draw: random.Random) -> str:
    return "".join(
        draw.choice(LOOK_ALIKE[each]) if each in LOOK_ALIKE and draw.random() < 0.5 else each for each in text
    )


def _breaks(text: str, draw: random.Random) -> str:
    places = [at for at, each in enumerate(text) if each == " " or (each == "-" and text[at - 1].isdigit())]
    if not places:
        return text
    at = draw.choice(places)
    return f"{text[:at]}\n{text[at + 1 :]}" if text[at] == " " else f"{text[: at + 1]}\n{text[at + 1 :]}"


def _blanks(text: str, draw: random.Random) -> str:
    return text.replace(" ", draw.choice(("\xa0", "  ", "\t", "\u2009", " \r\n  ")))


def _hyphenation(text: str, draw: random.Random) -> str:
    places = [at for at in range(2, len(text) - 2) if text[at - 2 : at + 2].isalpha()]
    if not places:
        return text
    at = draw.choice(places)
    return f"{text[:at]}{draw.choice(('-', chr(0x2010)))}\n{text[at:]}"


def _soft_hyphen(text: str, draw: random.Random) -> str:
    places = [at for at in range(2, len(text) - 2) if text[at - 2 : at + 2].isalpha()]
    at = draw.choice(places) if places else 1
    return (
        f"{text[:at]}{draw.choice((chr(0xAD), chr(0xAD) + chr(10), chr(2) + chr(10)))}{text[at:]}" if places else text
    )


def _decomposed(text: str, draw: random.Random) -> str:
    return unicodedata.normalize("NFD", text)


def _typographic(text: str, draw: random.Random) -> str:
    return text.replace("'", "’").replace("-", "‑")


def _email_break(text: str, draw: random.Random) -> str:
    local, domain = text.split("@")
    return draw.choice(
        (f"{local}@\n{domain}", f"{local}\n@{domain}", f"{local}@{domain[:3]}\n{domain[3:]}", f"{local}(at){domain}")
    )


def _other_digits(text: str, draw: random.Random) -> str:
    return text.translate(str.maketrans("0123456789", draw.choice(DIGITS)))


def _letters_for_digits(text: str, draw: random.Random) -> str:
    at = next((at for at, each in enumerate(text) if each == "0" and text[at - 1 : at].isdigit()), None)
    return text if at is None else f"{text[:at]}{draw.choice('Oo') if draw.random() < 0.5 else 'О'}{text[at + 1 :]}"


def _dashes(text: str, draw: random.Random) -> str:
    return text.replace("-", draw.choice("‐‑–−"))
