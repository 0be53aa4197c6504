"""Listed names are found in the ways in which people write them, and are not found in what is no name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from complaint_llm.exceptions import ConfigError
from complaint_llm.guards.guard import GuardRefusal, GuardRequest
from complaint_llm.guards.pseudonyms import Pseudonyms
from complaint_llm.messages import Message

LIST = """\
name,kind
Maria Elena Lopez,person
Grace O'Brien,person
Marisol Benítez-Rowe,person
Владимир Петров,person
王小明,person
Rasha Al-Khatib,person
"Nguyen, Paula",person
Ali Khan,person
Isaac Warner,person
Bellwether Residential,organisation
"Strake & Bowlin, LLP",organisation
County Hospital,organisation
218 Larch Street,address
प्रिया शर्मा,person
สมชาย,person
"""


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Pseudonyms:
    folder = tmp_path_factory.mktemp("lists")
    (folder / "names.csv").write_text(LIST, encoding="utf-8")
    return Pseudonyms(names="names.csv", folder=folder)


def sent(guard: Pseudonyms, text: str) -> str:
    """What would leave of a text."""
    return guard.for_call().before(GuardRequest([Message("user", text)]), "remote").messages[0].text


@pytest.mark.rows(20)
@pytest.mark.parametrize(
    "written",
    [
        # parts and orders
        "Maria Elena Lopez", "Maria Lopez", "LOPEZ, Maria", "Lopez Maria Elena", "maria lopez", "Lopez", "lopez",
        "Elena", "Elena Lopez",
        # apostrophes and hyphens
        "Grace O'Brien", "Grace O’Brien", "O'Brien", "OBrien", "O´Brien", "O-Brien", "Benítez-Rowe", "Benitez Rowe",
        "Benitez", "BENÍTEZ‑ROWE",
        "Beni\u0301tez", "Al-Khatib", "Al Khatib", "Khatib", "AlKhatib",
        # line breaks and what is not seen
        "Maria\nLopez", "Maria \r\n  Lopez", "Lo-\npez", "Lo-\r\n  pez", "Lo‐\npez", "Lo\xad\npez", "Lo\xadpez",
        "Lo\u200bpez", "L\u2060opez", "Lo\x02\npez",
        "Maria\xa0Lopez", "Maria\tLopez", "Maria\u2009Lopez", "Maria\u3000Lopez", "Lo\ufeffpez", "Mar\u202eia",
        "Benítez-\nRowe", "Benítez\xad\nRowe",
        # look-alikes
        "Lореz", "Lοpez", "ＬＯＰＥＺ", "𝐋𝐨𝐩𝐞𝐳", "L0pez", "E1ena", "EIena", "Pau1a", "PauIa", "lsaac", "Rnaria",
        "ℒopez",
        "Ⅼopez", "łopez", "ELÉNA",
        # other scripts
        "Владимир", "ВЛАДИМИР ПЕТРОВ", "петров", "BЛAДИМИP", "王小明", "प्रिया शर्मा", "शर्मा", "สมชาย",
        # where words mean other things too
        "Grace", "Paula Nguyen", "Nguyen",
        # organisations and addresses
        "Bellwether Residential", "bellwether  residential", "Bellwether", "Strake & Bowlin", "218 Larch Street",
        "218 LARCH\nSTREET", "County Hospital",
    ],
)  # fmt: skip
@pytest.mark.parametrize("around", ["I met {} there.", "({})", "“{}”", "{}'s", "_{}_", "to:{};", "x {}, y"])
def test_a_listed_name_is_found_as_it_is_written(guard: Pseudonyms, written: str, around: str) -> None:
    """Nothing of it is left, and what is around it is."""
    before, after = around.split("{}")
    found = sent(guard, around.format(written))
    assert found.startswith(f"{before}[")
    assert found.endswith(f"]{after}")
    assert written not in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ms. grace", "Ms. [NAME_1]"),
        ("señora Lopez", "señora [NAME_1]"),
        ("by grace", "by grace"),
    ],
)
def test_a_title_makes_a_name_of_a_word(guard: Pseudonyms, text: str, expected: str) -> None:
    """Of a part of a name that is a word, or too short, elsewhere."""
    assert sent(guard, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a period of grace, by the grace of the court", "all of it is well, ALL of it", "my hopes are loped",
        "Lopezia is a plant", "an eloper",
        "they marched along the county road", "The county hospitality board", "the street, 219 Larch Street",
        "a warn er", "alkali kha n",
        "khat", "residential street", "It is 218 miles", "Elenas", "marine biology",
        "小明白了",
    ],
)  # fmt: skip
def test_what_is_no_name_stays(guard: Pseudonyms, text: str) -> None:
    """Words that hold a name, look a little like one, or are words of their own."""
    assert sent(guard, text) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "# clients\nMaria Lopez\n\n"), ("names.csv",
        "client,opposing\nMaria Lopez,Pell Nine Holdings\n"), ("names.csv", "id,name\n1,Maria Lopez\n"),
        ("names.csv", 'name\n"Lopez, Maria"\n'), ("names.txt", "\ufeffMaria Lopez\r\n"), ("NAMES.CSV",
        "name,kind\nMaria Lopez,Person\n"),
    ],
)  # fmt: skip
def test_lists_are_read_as_offices_have_them(tmp_path: Path, name: str, text: str) -> None:
    """Texts and tables, with a mark at the beginning or without."""
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert sent(Pseudonyms(names=name, folder=tmp_path), "Maria Lopez, 1 of 2") == "[NAME_1], 1 of 2"


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (None, "no list of names"), ("none.txt", "cannot be read"), ("empty.txt", "there is no name in"),
        ("latin.txt", "not UTF-8"),
        ({"path": "people.csv", "columns": ["who"]}, "no column 'who'"), ({"columns": []}, "give the path"),
        ({"file": "x"}, "give the path"), (7, "give the path"),
        ({"path": "empty.txt", "columns": ["a"]}, "no .csv"), ({"path": "kinds.csv"}, "row 2: kind is one of"),
        ("long.txt", "entry 1 has 40 words"), ([["x"]], "give the path"),
        ({"path": "people.csv", "columns": "name"}, "columns is a list"), ("signs.txt", "has 0 words"), ("",
        "give the path"), ("broken.csv", "is no CSV"),
    ],
)  # fmt: skip
def test_a_list_that_is_none_is_an_error_of_the_config(tmp_path: Path, names: object, says: str) -> None:
    """In words that say what to do, without a name from a list."""
    (tmp_path / "empty.txt").write_text("# nobody\n")
    (tmp_path / "latin.txt").write_bytes("Muñoz\n".encode("latin-1"))
    (tmp_path / "people.csv").write_text("name\nMaria\n")
    (tmp_path / "kinds.csv").write_text("name,kind\nMaria,alien\n")
    (tmp_path / "long.txt").write_text("a " * 40)
    (tmp_path / "signs.txt").write_text("---\n")
    (tmp_path / "broken.csv").write_text('name\n"Maria" x"\n')
    with pytest.raises(ConfigError, match=says) as caught:
        Pseudonyms(names=names, folder=tmp_path)
    assert "Maria" not in str(caught.value)


def test_names_come_with_a_request_from_the_columns_of_a_batch() -> None:
    """Each call has its own; one that is no name is refused, since it would be looked for in vain."""
    guard = Pseudonyms(names={"columns": ["client"]})
    call = guard.for_call()
    found = call.before(
        GuardRequest([Message("user", "Ms. Lopez and Tomasz")], names=["Maria Lopez", "", "-"]), "remote"
    )
    assert found.messages[0].text == "Ms. [NAME_1] and Tomasz"
    other = guard.for_call().before(GuardRequest([Message("user", "Ms. Lopez and Tomasz")], names=["Tomasz"]), "remote")
    assert other.messages[0].text == "Ms. Lopez and [NAME_1]"
    with pytest.raises(GuardRefusal, match="more than 24 words"):
        guard.for_call().before(GuardRequest([Message("user", "x")], names=["word " * 30]), "remote")


def test_what_is_found_in_json_is_found_behind_its_escapes(guard: Pseudonyms) -> None:
    """As in the JSON that a tool gives, and in JSON that is quoted in a text."""
    for text in ("Ms. L\u00f3pez", "Maria\nLopez", "Lo-\npez", "Lo\u00adpez", "王小明", "Владимир"):
        written = json.dumps({"note": text, "more": [1, "Elena"]})
        for carrier in (written, f"It says {written} there.", f"```json\n{written}\n```"):
            found = sent(guard, carrier)
            assert "Elena" not in found
            assert json.dumps(text)[1:-1].removeprefix("Ms. ") not in found


def test_time_grows_with_the_text_and_not_with_the_list(tmp_path: Path) -> None:
    """Ten thousand names, many of which begin alike, and a text that is made to be slow."""
    import time

    letters = "abcdefghij"
    entries = [f"Maria{a}{b} Anna{c}{d}" for a in letters for b in letters for c in letters for d in letters]
    (tmp_path / "names.txt").write_text("\n".join(entries))
    guard = Pseudonyms(names="names.txt", folder=tmp_path)

    def seconds(text: str) -> float:
        began = time.process_time()
        sent(guard, text)
        return time.process_time() - began

    for piece in (
        "mariaaa ",
        "mariaaa annaa ",
        "a",
        "-\n",
        "\u200b ",
        "1 ",
        "1-",
        "@a.",
        "a@",
        "[NAME_",
        "born 1/",
        "GB29 ",
        "é\xad\n",
        "\\n",
        "\\u00e9",
        "+1 (",
        '{"',
        "O0",
    ):
        short, long = piece * (10_000 // len(piece)), piece * (80_000 // len(piece))
        yardstick = max(seconds(short), 0.02)
        assert seconds(long) < 8 * yardstick * 6, piece


def test_a_text_with_look_alikes_keeps_its_plain_words(guard: Pseudonyms) -> None:
    """Ali and all look alike once both are folded; only what shows a look-alike is taken for one."""
    assert (
        sent(guard, "Pau1a said all of it, Аli and a11 of them")
        == "[NAME_1] said all of it, [NAME_2] and [NAME_3] of them"
    )
