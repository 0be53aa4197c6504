"""PDF files by reportlab: plain, in columns, turned, right to left, tables, heads and feet, hidden text, ligatures."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence

from reportlab.lib import colors
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from tests.documents.generator.generated import Block, GeneratedDocument, cells, endless_paragraphs
from tests.documents.generator.typesetting import HEIGHT, WIDTH, Line, set_in_lines, single_columns, two_columns
from tests.peers import need_peer

VERA = "Vera"
DEJAVU = "DejaVu"
SIZE = 10.0
Furnish = Callable[[Canvas, int], None]
"""Draws on a page, by its number, what is not text of the document's blocks."""


def font(name: str) -> str:
    """A font by its name, registered: one that every PDF reader has, reportlab's own, or DejaVu's with all scripts."""
    if name == VERA:
        pdfmetrics.registerFont(TTFont(VERA, "Vera.ttf"))
    elif name == DEJAVU:
        pdfmetrics.registerFont(TTFont(DEJAVU, need_peer("dejavu")))
    return name


def width_in(name: str, size: float = SIZE) -> Callable[[str], float]:
    """How wide a text is."""
    return lambda text: pdfmetrics.stringWidth(text, name, size)


def draw(
    lines: Sequence[Line], name: str, *, turn: int = 0, declared: bool = True, right_to_left: bool = False,
    by_word: bool = False, furnish: Furnish = lambda canvas, page: None,
) -> bytes:  # fmt: skip
    """The file of these lines. ``turn``: pages lie turned by so many degrees, and say so where it is ``declared``."""
    file = io.BytesIO()
    sideways = turn in (90, 270) and not declared  # reportlab lays declared pages on their side itself
    canvas = Canvas(file, pagesize=(HEIGHT, WIDTH) if sideways else (WIDTH, HEIGHT))
    for page in range(1, max(line.page for line in lines) + 1):
        if turn:
            if declared:
                canvas.setPageRotation(turn)
            canvas.transform(*_TURNED[turn])
        canvas.setFont(name, SIZE)
        for number, line in enumerate(lines):
            if line.page != page:
                continue
            if right_to_left:
                before = "" if number == 0 else lines[number - 1].text
                canvas.drawRightString(line.left + line.width, line.baseline, _as_shown(line.text, before))
            elif by_word:
                left = line.left
                for each in line.text.split(" "):
                    canvas.drawString(left, line.baseline, each)
                    left += width_in(name)(f"{each} ")
            else:
                canvas.drawString(line.left, line.baseline, line.text)
        furnish(canvas, page)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


_TURNED = {90: (0, 1, -1, 0, HEIGHT, 0), 180: (-1, 0, 0, -1, WIDTH, HEIGHT), 270: (0, -1, 1, 0, 0, WIDTH)}


def _as_shown(text: str, before: str) -> str:
    """A right-to-left line as word processors write it: letters in their joined forms, from left to right. ``before``
    is the text before it in its paragraph: numbers go by the last letter before them."""
    from arabic_reshaper import ArabicReshaper
    from bidi import get_display

    letter = next((each for each in reversed(before) if each.isalpha()), "")
    joined = ArabicReshaper({"ARABIC LIGATURE ALLAH": False}).reshape(text)  # many fonts have no such glyph
    shown = str(get_display(f"{letter}{joined}", base_dir="R"))
    if not letter:
        return shown
    return shown[:-1] if shown.endswith(letter) else shown.replace(letter, "", 1)


def plain(
    chance: random.Random, name: str, *, face: str = "Helvetica", pages: int = 3, **how: bool
) -> GeneratedDocument:
    """Paragraphs, a column a page."""
    setting = set_in_lines(endless_paragraphs(chance), single_columns(pages), width_in(font(face)))
    return GeneratedDocument("plain", name, draw(setting.lines, face, **how), setting.blocks)


def hyphenated(chance: random.Random, name: str, *, face: str = "Helvetica", pages: int = 3) -> GeneratedDocument:
    """Narrow paragraphs in which words are broken at line ends."""
    frames = [frame._replace(width=200.0) for frame in single_columns(pages)]
    setting = set_in_lines(endless_paragraphs(chance), frames, width_in(font(face)), hyphens=chance)
    return GeneratedDocument("hyphenated", name, draw(setting.lines, face), setting.blocks)


def in_columns(chance: random.Random, name: str, *, across: bool, hyphens: bool = False) -> GeneratedDocument:
    """Two columns, drawn one after the other or line by line across the page."""
    setting = set_in_lines(
        endless_paragraphs(chance), two_columns(2), width_in("Helvetica"), hyphens=chance if hyphens else None
    )
    lines = sorted(setting.lines, key=lambda line: (line.page, -line.baseline, line.left)) if across else setting.lines
    return GeneratedDocument("two columns", name, draw(lines, "Helvetica"), setting.blocks)


def turned(chance: random.Random, name: str, *, turn: int, declared: bool = True) -> GeneratedDocument:
    """Pages that lie on a side or upside down in the file; a viewer turns them where the file says so."""
    setting = set_in_lines(endless_paragraphs(chance), single_columns(2), width_in("Times-Roman"))
    data = draw(setting.lines, "Times-Roman", turn=turn, declared=declared)
    return GeneratedDocument("turned", name, data, setting.blocks)


def right_to_left(chance: random.Random, name: str, *, language: str, turn: int = 0) -> GeneratedDocument:
    """Hebrew, or Arabic with its letters joined."""
    setting = set_in_lines(
        endless_paragraphs(chance, language), single_columns(2), width_in(font(DEJAVU)), leading=18.0
    )
    data = draw(setting.lines, DEJAVU, turn=turn, right_to_left=True)
    return GeneratedDocument(language, name, data, setting.blocks)


def ligatures(chance: random.Random, name: str) -> GeneratedDocument:
    """Words with fi and fl as one character each."""
    setting = set_in_lines(endless_paragraphs(chance, "ligatures"), single_columns(2), width_in(font(DEJAVU)))
    lines = [line._replace(text=line.text.replace("fi", "\ufb01").replace("fl", "\ufb02")) for line in setting.lines]
    return GeneratedDocument("ligatures", name, draw(lines, DEJAVU), setting.blocks)


def heads_and_feet(chance: random.Random, name: str, *, pages: int = 4) -> GeneratedDocument:
    """A head and a foot with the page's number on each page, and paragraphs that run on under them."""

    def furnish(canvas: Canvas, page: int) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(72, 810, "Lease agreement of 12 Ash Street")
        canvas.drawString(72, 796, "Signed copy for the tenant")
        canvas.drawCentredString(WIDTH / 2, 40, f"Page {page} of {pages}")

    setting = set_in_lines(endless_paragraphs(chance), single_columns(pages), width_in("Helvetica"), leading=12.0)
    return GeneratedDocument("heads and feet", name, draw(setting.lines, "Helvetica", furnish=furnish), setting.blocks)


def table(chance: random.Random, name: str, *, ruled: bool) -> GeneratedDocument:
    """A table of three columns over two pages."""
    lines, blocks, rows = [], [], 40
    for number, words in enumerate(cells(chance, rows * 2 * 3)):
        page, row, column = number // (rows * 3) + 1, number // 3 % rows, number % 3
        lines.append(Line(page, 40.0 + 178.0 * column, 790.0 - 18.0 * row, 170.0, " ".join(words)))
        blocks.append(Block(words, (page,) * len(words)))

    def furnish(canvas: Canvas, page: int) -> None:
        if ruled:
            canvas.grid([36 + 178 * n for n in range(4)], [804 - 18 * n for n in range(rows + 1)])

    return GeneratedDocument("table", name, _draw_small(lines, furnish), tuple(blocks))


def _draw_small(lines: Sequence[Line], furnish: Furnish) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(WIDTH, HEIGHT))
    for page in (1, 2):
        for line in lines:
            if line.page == page:
                size = min(8.0, 8.0 * line.width / width_in("Helvetica", 8.0)(line.text))
                canvas.setFont("Helvetica", size)
                canvas.drawString(line.left, line.baseline, line.text)
        furnish(canvas, page)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


HIDDEN = (
    "this white sentence was written for machines alone",
    "that unseen sentence stands outside of the page",
    "some invisible sentence is drawn without any ink",
)


def with_hidden_text(chance: random.Random, name: str) -> GeneratedDocument:
    """White text on white, text beside the page, text drawn without ink."""

    def furnish(canvas: Canvas, page: int) -> None:
        canvas.setFillColor(colors.white)
        canvas.drawString(72, 60, HIDDEN[0])
        canvas.setFillColor(colors.black)
        canvas.drawString(72, HEIGHT + 200, HIDDEN[1])
        text = canvas.beginText(72, 46)
        text.setTextRenderMode(3)
        text.textLine(HIDDEN[2])
        canvas.drawText(text)

    setting = set_in_lines(endless_paragraphs(chance), single_columns(2), width_in("Helvetica"))
    data = draw(setting.lines, "Helvetica", furnish=furnish)
    return GeneratedDocument("hidden text", name, data, setting.blocks, hidden=HIDDEN)


def scan(chance: random.Random, name: str, *, text_layer: bool, under: bool = False) -> GeneratedDocument:
    """Pictures of pages; with the text layer of a scanner over or under them, or without."""
    setting = set_in_lines(endless_paragraphs(chance), single_columns(2), width_in(font(VERA)))
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(WIDTH, HEIGHT))
    for page in (1, 2):
        lines = [line for line in setting.lines if line.page == page]
        if text_layer and under:
            _draw_unseen(canvas, lines)
        canvas.drawImage(ImageReader(_picture(lines)), 0, 0, WIDTH, HEIGHT)
        if text_layer and not under:
            _draw_unseen(canvas, lines)
        canvas.showPage()
    canvas.save()
    source = "text layer of a scan" if text_layer else "none"
    return GeneratedDocument("scan", name, file.getvalue(), setting.blocks, source=source)


def _draw_unseen(canvas: Canvas, lines: Sequence[Line]) -> None:
    for line in lines:
        text = canvas.beginText(line.left, line.baseline)
        text.setFont(VERA, SIZE)
        text.setTextRenderMode(3)
        text.textOut(line.text)
        canvas.drawText(text)


def _picture(lines: Sequence[Line]) -> io.BytesIO:
    from pathlib import Path

    import reportlab
    from PIL import Image, ImageDraw, ImageFont

    scale = 100 / 72
    image = Image.new("L", (round(WIDTH * scale), round(HEIGHT * scale)), 252)
    face = ImageFont.truetype(str(Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"), round(SIZE * scale))
    pen = ImageDraw.Draw(image)
    for line in lines:
        pen.text((line.left * scale, (HEIGHT - line.baseline) * scale), line.text, fill=20, font=face, anchor="ls")
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    file.seek(0)
    return file
