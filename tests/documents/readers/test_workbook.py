"""A workbook is read as its cells show it: sheet by sheet, row by row, hidden things apart."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import openpyxl
import openpyxl.utils.datetime
import pytest
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.styles.colors import Color
from openpyxl.worksheet.cell_range import MultiCellRange

from complaint_llm.documents.page_choice import Pages
from complaint_llm.documents.pages import Limits
from complaint_llm.documents.readers import workbook
from complaint_llm.documents.readers.unreadable import UnreadableError
from tests.documents.readers.files import part_of, read_workbook, with_parts, workbook_bytes


def sheet_of(*rows: list[object], **formats: str) -> Any:
    """Rows of the first sheet, and number formats of cells by name."""

    def build(book: openpyxl.Workbook) -> None:
        sheet = book.active
        for row in rows:
            sheet.append(row)
        for name, form in formats.items():
            sheet[name].number_format = form

    return read_workbook(workbook_bytes(build)).pages[0]


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        (1234.5, "General", "1234.5"),
        (0.1 + 0.2, "General", "0.3"),
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (1234.5, '"$"#,##0.00', "$1,234.50"),
        (-1234.5, '"$"#,##0.00;[Red]("$"#,##0.00)', "($1,234.50)"),
        (-1234.5, "[$€-407]#,##0.00", "-€1,234.50"),
        (950, '#,##0 "EUR"', "950 EUR"),
        (0.125, "0.0%", "12.5%"),
        (0.5, "0%", "50%"),
        (1500000, '0.0,,"M"', "1.5M"),
        (0, '0.00;-0.00;"none"', "none"),
        (12, "000000", "000012"),
        (123456789, "000-00-0000", "123-45-6789"),
        (2.5, "0", "3"),
        (-0.001, "0.00", "0.00"),
        (12345, "0.00E+00", "1.23E+04"),
        (True, "General", "TRUE"),
        (dt.date(2026, 1, 31), "yyyy-mm-dd", "2026-01-31"),
        (dt.date(2026, 1, 31), "m/d/yy", "1/31/26"),
        (dt.date(2026, 1, 31), '[$-409]mmmm d", "yyyy', "January 31, 2026"),
        (dt.date(2026, 1, 31), "dddd", "Saturday"),
        (dt.date(2026, 1, 31), "dd.mm.yyyy", "31.01.2026"),
        (dt.datetime(2026, 1, 31, 9, 5), "m/d/yyyy h:mm", "1/31/2026 9:05"),  # noqa: DTZ001 - a cell has no zone
        (dt.datetime(2026, 1, 31, 14, 5), "h:mm AM/PM", "2:05 PM"),  # noqa: DTZ001 - a cell has no zone
        (dt.timedelta(hours=30, minutes=15), "[h]:mm", "30:15"),
        ("text", "@", "text"),
        ("text", '"Name: "@', "Name: text"),
        (59, "yyyy-mm-dd", "1900-02-28"),
        (61, "yyyy-mm-dd", "1900-03-01"),
        (-1, "yyyy-mm-dd", "-1"),
    ],
)
def test_values_are_shown_as_in_the_cell(value: object, form: str, expected: str) -> None:
    """A quote of an amount or a day is looked up as the client saw it."""
    assert sheet_of([value], A1=form).text == expected


def test_rows_are_lines_with_tabs() -> None:
    """Columns and rows in which nothing stands are left out; line ends in a cell do not break its row."""
    page = sheet_of(["a", None, "c"], [None, None, "one\ntwo"], [], [], ["z"])
    assert page.text == "a\tc\n\tone two\n\nz"


def test_a_far_cell_makes_no_far_text() -> None:
    """A cell at the other end of the sheet is one line more."""

    def build(book: openpyxl.Workbook) -> None:
        book.active["A1"] = "near"
        book.active["XFD1048576"] = "far"

    assert read_workbook(workbook_bytes(build)).pages[0].text == "near\n\n\tfar"


def test_many_far_cells_are_refused_in_words() -> None:
    """Tabs count as characters: a diagonal over the sheet is a square of them."""

    def build(book: openpyxl.Workbook) -> None:
        for at in range(1, 301):
            book.active.cell(at, at, "x")

    data = workbook_bytes(build)
    with pytest.raises(UnreadableError, match="more than 10,000 characters"):
        read_workbook(data, Limits(text_characters=10_000))


def hide_row(book: openpyxl.Workbook) -> None:
    book.active.row_dimensions[2].hidden = True


def hide_column(book: openpyxl.Workbook) -> None:
    book.active.column_dimensions["B"].hidden = True


def hide_sheet(book: openpyxl.Workbook) -> None:
    book.create_sheet("Other")
    book.active.sheet_state = "hidden"


def hide_sheet_well(book: openpyxl.Workbook) -> None:
    book.create_sheet("Other")
    book.active.sheet_state = "veryHidden"


def whiten(book: openpyxl.Workbook) -> None:
    book.active["B2"].font = Font(color="FFFFFFFF")


def whiten_by_theme(book: openpyxl.Workbook) -> None:
    book.active["B2"].font = Font(color=Color(theme=0))


def whiten_on_white(book: openpyxl.Workbook) -> None:
    whiten(book)
    book.active["B2"].fill = PatternFill("solid", fgColor="FFFFFFFF")


def show_nothing(book: openpyxl.Workbook) -> None:
    book.active["B2"].number_format = ";;;"


def cover(book: openpyxl.Workbook) -> None:
    book.active.merged_cells = MultiCellRange("A2:B2")


def fold_column(book: openpyxl.Workbook) -> None:
    book.active.column_dimensions.group("B", "C", hidden=True)


@pytest.mark.parametrize(
    ("hide", "why", "what"),
    [
        (hide_row, "hidden row 2", "c\tsecret"),
        (fold_column, "hidden column B", "b\nsecret"),
        (hide_column, "hidden column B", "b\nsecret"),
        (hide_sheet, "hidden sheet", "a\tb\nc\tsecret"),
        (hide_sheet_well, "hidden sheet", "a\tb\nc\tsecret"),
        (whiten, "white text", "secret"),
        (whiten_by_theme, "white text", "secret"),
        (whiten_on_white, "white text", "secret"),
        (show_nothing, "format that shows nothing", "secret"),
        (cover, "under a merged cell", "secret"),
    ],
)
def test_what_a_sheet_hides_is_told(hide: Any, why: str, what: str) -> None:
    """It stays out of the text, and is there with its reason."""

    def build(book: openpyxl.Workbook) -> None:
        book.active.append(["a", "b"])
        book.active.append(["c", "secret"])
        hide(book)

    page = read_workbook(workbook_bytes(build)).pages[0]
    assert "secret" not in page.text
    assert page.hidden == ((why, what),)


@pytest.mark.parametrize(
    ("value", "form", "is_seen"), [(7, ";;", False), (7, ";;;@", False), ("x", ";;", True), (0, "0;-0;", False)]
)
def test_a_format_may_hide_numbers_and_show_text(value: object, form: str, is_seen: bool) -> None:
    """Each kind of value has its own section of a format."""
    page = sheet_of([value], A1=form)
    assert (page.text, [what for _, what in page.hidden]) == ((str(value), []) if is_seen else ("", [str(value)]))


def test_white_on_a_dark_ground_is_text() -> None:
    """The head of a table is often so."""

    def build(book: openpyxl.Workbook) -> None:
        book.active["A1"] = "Amount"
        book.active["A1"].font = Font(color="FFFFFFFF")
        book.active["A1"].fill = PatternFill("solid", fgColor="FF1F3864")

    page = read_workbook(workbook_bytes(build)).pages[0]
    assert (page.text, page.hidden) == ("Amount", ())


def test_each_sheet_is_a_page_with_its_name() -> None:
    """Numbers are the sheets' places, also where only some are asked for; comments are notes."""

    def build(book: openpyxl.Workbook) -> None:
        book.active.title = "Rent"
        book.active["A1"] = "one"
        book.active["A1"].comment = Comment("late again", "Ann")
        book.create_sheet("Repairs")["A1"] = "two"
        book.create_sheet("Empty")

    data = workbook_bytes(build)
    found = read_workbook(data)
    assert [(page.number, page.label, page.text, page.source) for page in found.pages] == [
        (1, "Rent", "one", "extracted"),
        (2, "Repairs", "two", "extracted"),
        (3, "Empty", "", "none"),
    ]
    assert (found.page_count, found.has_pages) == (3, False)
    assert found.notes == ("comment on A1 of sheet Rent: late again",)
    chosen = workbook.read(io.BytesIO(data), Limits(), Pages.parse("2-3"))
    assert [page.label for page in chosen.pages] == ["Repairs", "Empty"]
    with pytest.raises(UnreadableError, match="page 4"):
        workbook.read(io.BytesIO(data), Limits(), Pages.parse("4"))


def test_a_formula_without_a_value_is_told() -> None:
    """Programs that write formulas and work nothing out leave the cell empty."""
    found = read_workbook(workbook_bytes(lambda book: book.active.append(["sum", "=1+1"])))
    assert found.pages[0].text == "sum"
    assert found.notes == ("formulas of sheet Sheet whose values were never worked out: 1",)


def test_days_since_1904_are_read_so() -> None:
    """Workbooks of old Macintoshes count from another day."""

    def build(book: openpyxl.Workbook) -> None:
        book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
        book.active["A1"] = dt.date(2026, 1, 31)

    assert read_workbook(workbook_bytes(build)).pages[0].text == "2026-01-31"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('<c r="A1" t="inlineStr"><is><t>in line</t></is></c>', "in line"),
        ('<c r="A1" t="inlineStr"><is><r><t>rich </t></r><r><t>text</t></r></is></c>', "rich text"),
        ('<c r="A1" t="str"><f>A2</f><v>of a formula</v></c>', "of a formula"),
        ('<c r="A1" t="b"><v>0</v></c>', "FALSE"),
        ('<c r="A1" t="e"><v>#REF!</v></c>', "#REF!"),
        ('<c r="A1"><v>1E3</v></c>', "1000"),
        ("<c><v>7</v></c>", "7"),
        ('<c r="A1" t="str"><v>a_x000D_b</v></c>', "a b"),
        ('<c r="A1" s="999"><v>5</v></c>', "5"),
        ('<c r="A1" t="d"><v>2026-01-31</v></c>', "2026-01-31"),
        ('<c r="A1"><v>not a number</v></c>', "not a number"),
    ],
)
def test_cells_of_other_programs_are_read(cell: str, expected: str) -> None:
    """The standard has more forms than one program writes."""
    data = workbook_bytes(lambda book: None)
    sheet = part_of(data, "xl/worksheets/sheet1.xml").decode()
    sheet = sheet.replace("<sheetData></sheetData>", f'<sheetData><row r="1">{cell}</row></sheetData>')
    assert cell in sheet
    found = read_workbook(with_parts(data, {"xl/worksheets/sheet1.xml": sheet.encode()}))
    assert found.pages[0].text == expected


@pytest.mark.parametrize(
    ("strings", "expected"),
    [
        ("<si><t>one</t></si>", "one"),
        ("<si><r><t>one </t></r><r><rPr><b/></rPr><t>two</t></r></si>", "one two"),
        ('<si><t xml:space="preserve"> one </t></si>', " one "),
        ("<si><t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh></si>", "東京"),
        ("<si><t>a_x0009_b</t></si>", "a b"),
    ],
)
def test_shared_texts_are_read(strings: str, expected: str) -> None:
    """As Excel itself writes them: each text once, in a part of its own, without how it is pronounced."""
    data = workbook_bytes(lambda book: None)
    sheet = part_of(data, "xl/worksheets/sheet1.xml").decode()
    relations = part_of(data, "xl/_rels/workbook.xml.rels").decode()
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    own = f'<Relationship Id="rId99" Type="{kind}" Target="/xl/sharedStrings.xml"/></Relationships>'
    cell = '<sheetData><row r="1"><c r="A1" t="s"><v>{}</v></c></row></sheetData>'
    parts = {
        "xl/sharedStrings.xml": f'<sst xmlns="{main}">{strings}</sst>'.encode(),
        "xl/_rels/workbook.xml.rels": relations.replace("</Relationships>", own).encode(),
    }
    for index in (0, 7):
        name = "xl/worksheets/sheet1.xml"
        parts[name] = sheet.replace("<sheetData></sheetData>", cell.format(index)).encode()
        broken = with_parts(data, parts)
        if index:
            with pytest.raises(UnreadableError, match="a text that is not there"):
                read_workbook(broken)
        else:
            assert read_workbook(broken).pages[0].text == expected
