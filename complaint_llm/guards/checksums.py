"""Numbers that carry their own proof, and those of which only some ranges are given out."""

from __future__ import annotations

from collections.abc import Mapping

IBAN_LENGTHS: Mapping[str, int] = {
    country: length
    for length, countries in {
        15: "no", 16: "be", 18: "dk fi fk fo gl nl sd", 19: "mk si", 20: "at ba ee kz lt lu mn xk",
        21: "ch cr hr li lv", 22: "bg bh de gb ge ie me rs", 23: "ae gi il iq om so tl",
        24: "ad cz es md pk ro sa se sk tn vg",
        25: "ly pt st", 26: "is tr", 27: "bi dj fr gr it mc sm", 28: "al az by cy do gt hu lb ni pl sv",
        29: "br eg ps qa ua", 30: "jo kw mu", 31: "mt sc", 32: "lc", 33: "ru",
    }.items()
    for country in countries.split()
}  # fmt: skip
"""Characters of an IBAN by its country. Source: the IBAN registry of SWIFT (ISO 13616)."""


def is_iban(number: str) -> bool:
    """Whether the check digits of an IBAN (small letters, no blanks) are right (ISO 7064, mod 97-10)."""
    moved = number[4:] + number[:4]
    return number.isalnum() and int("".join(str(int(each, 36)) for each in moved)) % 97 == 1


def is_card(digits: str) -> bool:
    """Whether digits are a payment card's: 12 to 19 of them, an issuer's first digit, and Luhn's check digit."""
    if not 12 <= len(digits) <= 19 or digits[0] not in "23456":
        return False
    total = 0
    for place, each in enumerate(reversed(digits)):
        value = int(each) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_ssn(digits: str) -> bool:
    """Whether nine digits can be a social security number, or the number that stands for one in tax matters (ITIN).

    Source: the Social Security Administration's rules since 2011, the IRS's for ITINs.
    """
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area[0] == "9":
        return 50 <= int(group) <= 65 or 70 <= int(group) <= 88 or 90 <= int(group) <= 92 or 94 <= int(group) <= 99
    return area not in ("000", "666") and group != "00" and serial != "0000"


def is_routing_number(digits: str) -> bool:
    """Whether nine digits are a bank's routing number in the United States: weights 3, 7, 1."""
    return sum(int(each) * weight for each, weight in zip(digits, (3, 7, 1) * 3, strict=True)) % 10 == 0


def is_us_phone(digits: str) -> bool:
    """Whether ten digits can be a number of the North American plan: area and exchange begin with 2 to 9."""
    return digits[0] not in "01" and digits[3] not in "01" and digits[1:3] != "11"
