"""A sheet as a table of a batch: texts as they are shown, and an error for each row that is not plain."""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from openpyxl.worksheet.cell_range import MultiCellRange

from complaint_llm.documents.pages import Limits
from complaint_llm.documents.readers.unreadable import UnreadableError
from complaint_llm.documents.workbook_rows import WorkbookTable, read_rows
from tests.documents.readers.files import part_of, with_parts, workbook_bytes

if TYPE_CHECKING:
    import openpyxl


def table(build: Any, sheet: str | None = None) -> WorkbookTable:
    return read_rows(io.BytesIO(workbook_bytes(build)), Limits(), sheet)


def rows(*lines: list[object]) -> Any:
    def build(book: openpyxl.Workbook) -> None:
        for line in lines:
            book.active.append(line)

    return build


def test_rows_are_texts_by_column() -> None:
    """Numbers as they are shown, days as ISO 8601, each column in each row; all of it JSON."""

    def build(book: openpyxl.Workbook) -> None:
        rows(["id", "day", "paid", "at", "ok"], ["007", dt.date(2026, 1, 31), 1234.5, None, True], ["b"])(book)
        book.active["B2"].number_format = "d mmm"
        book.active["C2"].number_format = '"$"#,##0.00'
        book.active["D3"] = dt.datetime(2026, 1, 31, 9, 30)  # noqa: DTZ001 - a cell has no zone
        book.active["D4"] = dt.time(9, 30)
        book.active["A4"] = "c"

    found = table(build)
    assert found.columns == ("id", "day", "paid", "at", "ok")
    values = [(row.number, *row.values.values(), row.error) for row in found.rows]
    assert values == [
        (2, "007", "2026-01-31", "$1,234.50", "", "TRUE", ""),
        (3, "b", "", "", "2026-01-31T09:30:00", "", ""),
        (4, "c", "", "", "09:30:00", "", ""),
    ]
    json.dumps(values)


def merged(place: str) -> Any:
    def build(book: openpyxl.Workbook) -> None:
        rows(["id", "text"], ["a", "b"], ["c", "d"])(book)
        book.active.merged_cells = MultiCellRange(place)

    return build


@pytest.mark.parametrize(
    ("build", "number", "words"),
    [
        (rows(["id", "text"], ["a", "=1+1"]), 2, "formula in B2"),
        (rows(["id", "text"], ["=A9"]), 2, "formula in A2"),
        (rows(["id", "text"], ["a", "b", "c"]), 2, "something in C2, a column without a name"),
        (rows(["id", None, "text"], ["a", "b", "c"]), 2, "something in B2"),
        (rows(["id", "text"], ["a", "#REF!"]), 2, "error in B2: #REF!"),
        (rows(["id", "text"], ["a", "#N/A"]), 2, "error in B2: #N/A"),
        (rows(["id", "text"], ["a", "#DIV/0!"]), 2, "error in B2: #DIV/0!"),
        (rows(["id", "text"], [], ["#VALUE!", "b"]), 3, "error in A3"),
        (merged("A2:B2"), 2, "merged cells at A2"),
        (merged("B2:B3"), 2, "merged cells at B2"),
        (merged("B2:B3"), 3, "merged cells at B2"),
        (merged("A3:B3"), 3, "merged cells at A3"),
    ],
)
def test_a_row_that_is_not_plain_is_an_error_of_its_own(build: Any, number: int, words: str) -> None:
    """It is not guessed at, and the rows beside it are read."""
    found = {row.number: row for row in table(build).rows}
    assert words in found[number].error
    assert found[number].error


@pytest.mark.parametrize(
    ("build", "sheet", "words"),
    [
        (rows(), None, "has nothing in sheet"),
        (rows(["id", "id"]), None, "names the column 'id' twice"),
        (rows(["id", " id "]), None, "names the column 'id' twice"),
        (rows(["id", "a\nb", "a b"]), None, "names the column 'a b' twice"),
        (rows(["id", "=1+1"], ["a"]), None, "an error in B1"),
        (rows(["#REF!"], ["a"]), None, "an error in A1"),
        (rows([" "], ["a"]), None, "names no column in row 1"),
        (rows(["id"]), "Nope", "has no sheet 'Nope'; its sheets are 'Sheet'"),
        (rows(["id"]), "sheet", "has no sheet 'sheet'"),
        (rows(["id"]), "", "has no sheet ''"),
        (rows([f"c{at}" for at in range(2_001)]), None, "more than 2,000 columns"),
    ],
)
def test_a_sheet_that_is_no_table_is_refused(build: Any, sheet: str | None, words: str) -> None:
    """Before any row of it is sent."""
    with pytest.raises(UnreadableError, match=words.replace("(", "\\(")):
        table(build, sheet)


def test_what_is_hidden_is_said() -> None:
    """A filter hides rows; whether they are wanted is for the one who asks."""

    def build(book: openpyxl.Workbook) -> None:
        rows(["id", "text"], ["a", "b"], ["c", "d"])(book)
        book.active.row_dimensions[2].hidden = True
        book.active.column_dimensions["B"].hidden = True
        book.create_sheet("Shown").append(["x"])
        book.active.sheet_state = "hidden"

    assert table(build).sheet == "Shown"
    found = table(build, "Sheet")
    assert [row.is_hidden for row in found.rows] == [True, False]
    assert found.notes == ("column 'text' of sheet 'Sheet' is hidden, and read", "sheet 'Sheet' is hidden, and read")


def test_the_first_row_in_which_something_stands_names_the_columns() -> None:
    """Empty rows above a table are none of it."""
    found = table(rows([], [], ["id"], ["a"]))
    assert (found.columns, [row.number for row in found.rows]) == (("id",), [4])


@pytest.mark.parametrize("numbers", ["2 2", "2 1", "1048577"])
def test_rows_out_of_order_are_damage(numbers: str) -> None:
    """Two rows of one number would be two answers to one item."""
    data = workbook_bytes(rows(["id"]))
    sheet = part_of(data, "xl/worksheets/sheet1.xml").decode()
    more = "".join(f'<row r="{number}"><c t="str"><v>x</v></c></row>' for number in numbers.split())
    data = with_parts(data, {"xl/worksheets/sheet1.xml": sheet.replace("</sheetData>", f"{more}</sheetData>").encode()})
    with pytest.raises(UnreadableError, match="out of order"):
        list(read_rows(io.BytesIO(data), Limits()).rows)
