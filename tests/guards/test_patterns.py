"""What has a form is found by it, where its checksum or its range says that it is one."""

from __future__ import annotations

import pytest

from complaint_llm.exceptions import ConfigError
from complaint_llm.guards.guard import GuardRequest
from complaint_llm.guards.pseudonyms import Pseudonyms
from complaint_llm.messages import Message

CASE = {"name": "case", "pattern": r"\b\d{2}-CV-\d{5}\b"}
GUARD = Pseudonyms(names="none", patterns=[CASE])

FOUND = {
    "EMAIL": [
        "maria@example.org", "m.l+x@mail.example.co.uk", "MARIA@EXAMPLE.ORG", "maria@exam\nple.org",
        "maria@\nexample.org", "maria\n@example.org", "maria@example.\norg",
        "maria@exam-\nple.org", "maria＠example．org", "maria(at)example.org", "maria [at] example [dot] org",
        "josé@exämple.de", "mаria@example.org", "o'brien@example.org",
        "maria\u200b@example.org", "m_l@example.museum",
    ],
    "PHONE": [
        "(617) 555-0142", "617-555-0142", "617.555.0142", "617 555 0142", "6175550142", "+1 617 555 0142",
        "1-617-555-0142", "1 (617) 555-0142", "617–555–0142", "617-\n555-0142",
        "555-0142", "617-555-0142 x12", "617-555-0142 ext. 4", "+44 20 7946 0958", "+52 (55) 1234 5678",
        "+84-24-3825-1234", "0044 20 7946 0958", "020 7946 0958", "06 12 34 56 78",
        "６１７-５５５-０１４２", "617-555-O142", "٦١٧-٥٥٥-٠١٤٢", "+16175550142",
    ],
    "SSN": [
        "078-05-1120", "078 05 1120", "078.05.1120", "078–05–1120", "078-05-\n1120", "O78-05-1120", "078-05-112О",
        "912-70-1234", "０７８-０５-１１２０", "078\u200b-05-1120", "٠٧٨-٠٥-١١٢٠",
    ],
    "IBAN": [
        "DE89370400440532013000", "DE89 3704 0044 0532 0130 00", "de89 3704 0044 0532 0130 00",
        "GB82 WEST 1234 5698 7654 32", "DE89 3704\n0044 0532 0130 00", "FR14 2004 1010 0505 0001 3M02 606",
        "NO93 8601 1117 947", "MT84 MALT 0110 0001 2345 MTLC AST0 01S", "DE8937O400440532013000",
        "ＤＥ89370400440532013000", "GB82-WEST-1234-5698-7654-32",
    ],
    "CARD": [
        "4111 1111 1111 1111", "4111111111111111", "4111-1111-1111-1111", "5555 5555 5555 4444", "378282246310005",
        "3782 822463 10005", "6011 1111 1111 1117", "4111 1111\n1111 1111",
        "4111\xa01111\xa01111\xa01111", "4111 1111 1111 11l1", "４１１１ １１１１ １１１１ １１１１", "4222222222222",
    ],
    "CASE": ["21-CV-01234", "21-cv-01234", "21‑CV‑01234", "21-\nCV-01234", "2l-CV-01234", "21-СV-01234",
    "２１-CV-01234", "21-CV-\n01234", "21\u200b-CV-01234", "21-CV-O1234"],
    "ANUMBER": ["A012345678", "A-012345678", "A#012345678", "A012 345 678", "A 012-345-678", "a012-345-678",
    "A12345678", "А012345678", "A012\n345"[:4] + " 345 678", "Ａ012345678"],
}  # fmt: skip


def sent(text: str) -> str:
    """What would leave of a text."""
    return GUARD.for_call().before(GuardRequest([Message("user", text)]), "remote").messages[0].text


@pytest.mark.rows(20)
@pytest.mark.parametrize(("label", "written"), [(label, each) for label, some in FOUND.items() for each in some])
@pytest.mark.parametrize("around", ["It is {}.", "({})", "{}, then", "a: {}\nNext line"])
def test_what_has_a_form_is_found(label: str, written: str, around: str) -> None:
    """With its label, and nothing around it."""
    assert sent(around.format(written)) == around.format(f"[{label}_1]")


@pytest.mark.parametrize(
    "text",
    [
        # checksums and ranges
        "4111 1111 1111 1112", "GB82 WEST 1234 5698 7654 33", "GB82 WEST 1234 5698 7654 3", "000-12-3456",
        "666-12-3456", "078-00-1120", "078-05-0000", "117-555-0142", "617-155-0142",
        "912-66-1234", "XX89370400440532013000", "1234567890123456", "0000 0000 0000 0000",
        # sums, dates, counts, statutes
        "$1,140.50", "from 1990-1995", "on 12/04/2026", "42 U.S.C. 3604", "0.123456789", "10.0.0.1", "at 6:50",
        "24 CFR 100.500", "2026-10-14", "pages 200-215", "version 1.2.3",
        # no addresses
        "meet @ noon", "user@localhost", "@handle", "a @ b. c", "look (at) this. Now", "A 2026 law",
        # dates of other things
        "The hearing is on December 4, 2026.", "signed 03/03/2020", "She was born here. On May 2 it shook.",
        "nacional 3 de marzo de 2026", "21-XX-01234", "121-CV-01234",
    ],
)  # fmt: skip
def test_what_only_resembles_it_stays(text: str) -> None:
    """Wrong check digits, ranges that are not given out, and numbers of other kinds."""
    assert sent(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "born on {March 3, 1990}", "born {3 March 1990}", "DOB: {03/03/1990}", "D.O.B. {3/3/90}",
        "date of birth {1990-03-03}", "{1990-03-03} (date of birth)", "birthday is {May 4}",
        "nacida el {3 de marzo de 1990}", "fecha de nacimiento: {03.03.1990}", "Date of birth\n{3 Mar 1990}",
        "born on the {3rd of March 1990}", "born in Lagos on {March 3rd, 1990}",
        '"dob": "{1990-03-03}"', "Birth date - {3-3-1990}", "née le {3 mars 1990}", "born {March\n3, 1990}",
        "BORN {MARCH 3, 1990}", "born ٣"[:5] + "{٠٣/٠٣/١٩٩٠}",
    ],
)  # fmt: skip
def test_a_date_beside_a_word_of_birth_is_one_of_birth(text: str) -> None:
    """Before it in its sentence, or right after it."""
    before, rest = text.split("{")
    assert sent(text.replace("{", "").replace("}", "")) == f"{before}[BIRTHDATE_1]{rest.split('}')[1]}"


@pytest.mark.parametrize(
    "text",
    [
        "account number {12345678}", "Acct. #{0012 3456 78}", "account: {12345678901}", "account no. {1234567}",
        "acct {12345678}", "cuenta número {12345678}", "routing number {021000021}",
        "policy number is {87654321}", "Medicaid ID {12345678}", "loan #{12345678}", "ssn: {078051120}",
        "Social Security number is {078051120}", "SSN {078051120}", "ITIN {912701234}",
    ],
)  # fmt: skip
def test_a_number_without_a_form_is_known_by_the_word_before_it(text: str) -> None:
    """Accounts, and social security numbers without hyphens."""
    before, rest = text.split("{")
    found = sent(text.replace("{", "").replace("}", ""))
    assert found in (f"{before}[ACCOUNT_1]", f"{before}[SSN_1]", f"{before}[PHONE_1]"), rest


def test_only_the_kinds_that_are_asked_for_are_looked_for() -> None:
    """``patterns`` chooses; own ones alone come beside all others."""
    text = "maria@example.org, 617-555-0142, 21-CV-01234"
    for patterns, expected in (
        (["email"], "[EMAIL_1], 617-555-0142, 21-CV-01234"),
        (["phone", CASE], "maria@example.org, [PHONE_1], [CASE_1]"),
        ([CASE], "[EMAIL_1], [PHONE_1], [CASE_1]"),
        ([], text),
    ):
        call = Pseudonyms(names="none", patterns=patterns).for_call()
        assert call.before(GuardRequest([Message("user", text)]), "remote").messages[0].text == expected


@pytest.mark.parametrize(
    ("patterns", "says"),
    [
        ("email", "give a list"), ({"name": "x", "pattern": "x"}, "give a list"), (["emial"], "no pattern 'emial'"),
        ([7], "no pattern 7"), ([{"name": "x"}], "an own pattern is"),
        ([{"name": "x", "pattern": "("}], "no regular expression"), ([{"name": 1, "pattern": "x"}],
        "an own pattern is"), ([{"name": "x", "pattern": "x", "flags": 1}], "an own pattern is"),
        ([{"pattern": "x"}], "an own pattern is"), ([{"name": "x", "pattern": None}], "an own pattern is"),
        (7, "give a list"),
    ],
)  # fmt: skip
def test_patterns_that_are_none_are_errors_of_the_config(patterns: object, says: str) -> None:
    """In words that say what to do."""
    with pytest.raises(ConfigError, match=says):
        Pseudonyms(names="none", patterns=patterns)  # type: ignore[arg-type]


def test_an_own_pattern_that_takes_too_long_ends_the_call() -> None:
    """It is stopped, and nothing is sent."""
    guard = Pseudonyms(names="none", patterns=[{"name": "slow", "pattern": r"^(([a-z])+.)+[0-9]([a-z])+$"}])
    assert guard.keeps_time is False
    with pytest.raises(TimeoutError):
        guard.for_call().before(GuardRequest([Message("user", "a" * 2_000)]), "remote")
