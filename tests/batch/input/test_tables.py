"""Tables are read strictly: a row whose quoting is not sure is an error by its line, no text is merged or changed."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from complaint_llm.batch.input.tables import BadRow, Row, read_table
from complaint_llm.exceptions import BatchError


def rows_of(text: str, delimiter: str | None = None, needed: tuple[str, ...] = ()) -> list[Row | BadRow]:
    table = read_table(iter(io.StringIO(text, newline="")), delimiter, needed)
    return list(table.rows)


def good(text: str, **how: str) -> list[list[str]]:
    return [row.cells for row in rows_of(text, **how) if isinstance(row, Row)]


def bad(text: str) -> list[int]:
    return [row.line for row in rows_of(text) if isinstance(row, BadRow)]


OPEN = [
    # never closed: text, lines that are errors, rows that are read
    ('id,n\n1,"Ann\n2,Bob\n3,Cem\n', [2], ["2", "3"]),
    ('id,n\n1,"Ann\n2,Bob\n3,"Cem"\n4,Dee\n', [2], ["2", "3", "4"]),
    ('id,n\n1,"Ann\n2,"Bob\n3,"Cem\n', [2, 3, 4], []),
    ('id,n\n1,Ann\n2,Bob\n3,"Cem', [4], ["1", "2"]),
    ('id,n\n"1,Ann\n2,Bob\n', [2], ["2"]),
    ('id,n,m\n1,a,"Ann\n2,b,Bob\n', [2], ["2"]),
    ('id,n,m\n1,"Ann,x\n2,"Bob",y\n3,Cem,z\n', [2], ["2", "3"]),
    ('id,n\n1,"Ann ""said"" so\n2,Bob\n', [2], ["2"]),
    ('id,n\r\n1,"Ann\r\n2,Bob\r\n', [2], ["2"]),
    ('id,n\r1,"Ann\r2,Bob\r', [2], ["2"]),
    ('id,n\n1,"\n2,Bob\n', [2], ["2"]),
    ('id;n\n1;"Ann, and\n2;Bob\n', [2], ["2"]),
    # closed by somebody else's quote: the standard takes it for one cell, and it holds two clients
    ('id,n\n1,"Ann\n2,Bob"\n3,Cem\n', [2, 3], ["3"]),
    ('id,n\n1,"Ann\n2,Bob\n3,Cem"\n4,Dee\n', [2, 3, 4], ["4"]),
    ('id,n\nk1,"Ann\nk2,Bob"\nk3,Cem\n', [2, 3], ["k3"]),
    ('id,n\n2026-1,"Ann\n2026-2,Bob"\n', [2, 3], []),
    ('n,id\n"Ann,1\nBob",2\nCem,3\n', [2, 3], ["Cem"]),
    ('name,n\nAnn Lee,"evicted\nBob Ray,unpaid"\n', [2, 3], []),
]


@pytest.mark.parametrize(("text", "lines", "read"), OPEN)
def test_an_open_quote_costs_its_row_and_melts_no_two(text: str, lines: list[int], read: list[str]) -> None:
    assert bad(text) == lines
    assert [cells[0] for cells in good(text)] == read
    assert not any("Ann" in "".join(cells) and "Bob" in "".join(cells) for cells in good(text))


UNSURE = [
    '1,5" pipe',
    '1,"5" pipe"',
    '1,"a 5" pipe, 3" long"',
    '1,a "quoted" word',
    '1,"a" b',
    '1, "a"',
    '1,"a" ',
    '1,"He said \\"hi\\" to me"',
    '1,"C:\\dir\\"',
    '1,"a""',
    '1,""a""',
    '1,"a"b"c"',
    '1,a"',
    "1,'a\"b'",
    '1,"a\\"',
    '"1"x,a',
]


@pytest.mark.parametrize("row", UNSURE)
def test_a_row_whose_quoting_is_not_sure_is_an_error_and_the_rest_goes_on(row: str) -> None:
    """Readers of CSV make something else of each of these, or of the same text in another dialect."""
    text = f"id,n\n0,before\n{row}\n9,after\n"
    assert good(text) == [["0", "before"], ["9", "after"]]
    assert bad(text) == [3]


def test_lines_below_an_unsure_quote_are_errors_as_long_as_it_may_go_on() -> None:
    """What may be a piece of somebody's story is no row of its own."""
    text = 'id,n\n5,"She said "no"\n6,she left\nand "\n7,x\n'
    assert bad(text) == [2, 3]
    assert good(text) == [["7", "x"]]


SURE = [
    ('1,"a ""quoted"" word"', ["1", 'a "quoted" word']),
    ('1,"two\nlines, and a comma"', ["1", "two\nlines, and a comma"]),
    ('1,"My landlord, Mr. Smith,\nlied to me"', ["1", "My landlord, Mr. Smith,\nlied to me"]),
    ('1,"On May 1, he left\nOn May 2, he came"', ["1", "On May 1, he left\nOn May 2, he came"]),
    ('1,""', ["1", ""]),
    ('1,""""', ["1", '"']),
    ('"1","a"', ["1", "a"]),
    ("1,it's", ["1", "it's"]),
    ("1,a\\b", ["1", "a\\b"]),
    ('1,"a\r\nb"', ["1", "a\r\nb"]),
    ("1, a ", ["1", " a "]),
    ("1,caf\u00e9 \u201cx\u201d", ["1", "caf\u00e9 \u201cx\u201d"]),
    ('1,"a ""\nb"', ["1", 'a "\nb']),
]


@pytest.mark.parametrize(("row", "cells"), SURE)
def test_what_the_standard_says_is_read_as_it_says(row: str, cells: list[str]) -> None:
    assert rows_of(f"id,n\n{row}\n9,z\n") == [Row(2, cells), Row(3 + row.count("\n"), ["9", "z"])]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.text(st.characters(exclude_characters="\0\\")), st.text("ab ,\"'\n")))
)
def test_what_is_written_by_the_standard_is_read_back_or_refused(rows: list[tuple[int, str, str]]) -> None:
    """Whatever the cells hold: no row is read as anything else than what was written."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("id", "a", "b"), *rows])
    wanted = {(str(id_), a, b) for id_, a, b in rows}
    assert {tuple(cells) for cells in good(file.getvalue())} <= wanted


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text('ab,;"\n\r\\', min_size=1), min_size=1))
def test_no_text_breaks_the_reader_and_lines_rise(lines: list[str]) -> None:
    found = rows_of("id,n\n" + "\n".join(lines))
    assert [row.line for row in found] == sorted(row.line for row in found)


DIALECTS = [
    ("id;n\n1;a, b\n", (), ";", [["1", "a, b"]]),
    ("id\tn\n1\ta, b; c\n", (), "\t", [["1", "a, b; c"]]),
    ("sep=;\nid;n\n1;a\n", (), ";", [["1", "a"]]),
    ("SEP=|\nid|n\n1|a\n", (), "|", [["1", "a"]]),
    ('"sep=;"\nid;n\n1;a\n', (), ";", [["1", "a"]]),
    ("sep=\t\nid\tn\n1\ta\n", (), "\t", [["1", "a"]]),
    ("id;note, long\n1;a\n", ("id",), ";", [["1", "a"]]),
    ("n\na; b, c\n", ("n",), ",", None),
    ('"id";"n"\n"1";"a;b"\n', (), ";", [["1", "a;b"]]),
    ("\n\nid,n\n1,a\n", (), ",", [["1", "a"]]),
    ('id,"long\nname"\n1,a\n', ("long\nname",), ",", [["1", "a"]]),
    ("id,n,,\n1,a,,\n", (), ",", [["1", "a"]]),
    ("id,n\n1,a,,,\n", (), ",", [["1", "a"]]),
    ("id;n;;\n1;a;;\n", (), ";", [["1", "a"]]),
    ("id,n\n1,a\n,\n\n  \n2,b\n", (), ",", [["1", "a"], ["2", "b"]]),
]


@pytest.mark.parametrize(("text", "needed", "delimiter", "cells"), DIALECTS)
def test_a_spreadsheets_dialect_is_found_out(
    text: str, needed: tuple[str, ...], delimiter: str, cells: list[list[str]] | None
) -> None:
    table = read_table(iter(io.StringIO(text, newline="")), None, needed)
    assert table.delimiter == delimiter
    if cells is not None:
        assert [row.cells for row in table.rows] == cells


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1", "1 cells, the header has 2"),
        ("1,a,b", "3 cells, the header has 2"),
        ("1,a,,b", "4 cells, the header has 2"),
        ("1;a", "1 cells, the header has 2"),
        ("1\ta", "1 cells"),
        ('1,"a",b', "3 cells"),
        ("1,2,3,4,5", "5 cells"),
        ("a b c", "1 cells"),
        ('"1,a"', "1 cells"),
        (",,x", "3 cells"),
        ("1,a\0b", "NUL"),
    ],
)
def test_a_wrong_number_of_cells_is_an_error_of_the_row(row: str, problem: str) -> None:
    """Which cell is too many or missing nobody can say, so no text is put into the wrong column."""
    (found,) = rows_of(f"id,n\n{row}\n")
    assert isinstance(found, BadRow)
    assert problem in found.problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ('a,"b\n1,2\n', "the header cannot be read"),
        ("a,b\n1,2\n", "asks for {n}; the columns are: a, b"),
    ],
)
def test_a_header_that_does_not_do_is_said_at_once(text: str, said: str) -> None:
    with pytest.raises(BatchError, match=said.replace("{", r"\{")):
        read_table(iter(io.StringIO(text, newline="")), None, () if "a,a" in text or "cannot" in said else ("n",))
