"""What a PDF shows and hides: scans, images, forms, notes, and files that are broken or too large."""

from __future__ import annotations

import io
import time

import pytest
from PIL import Image

from complaint_llm.documents.readers.unreadable import UnreadableError
from tests.documents.pdf_pages import joined, line, page, read
from tests.documents.tiny_pdf import assemble, pdf, stream, text

SEEN = text("seen words", 60, 600)
COVER = b"/XObject<</X 7 0 R>>"
RED = stream(b"\xff\0\0", b"/Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceRGB")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"1 g " + text("hidden words", 60, 500), "white text"),
        (b"1 1 1 rg " + text("hidden words", 60, 500), "white text"),
        (b"0 0 0 0 k " + text("hidden words", 60, 500), "white text"),
        (b".99 g " + text("hidden words", 60, 500), "white text"),
        (text("hidden words", 60, 500, before="1 Tr 1 G"), "white text"),
        (b"1 0 0 rg 50 480 200 40 re f " + text("hidden words", 60, 500), "text in the colour of what is behind it"),
        (text("hidden words", 60, 500, before="3 Tr"), "invisible text"),
        (text("hidden words", 60, 500, before="7 Tr"), "invisible text"),
        (text("hidden words", -400, 500), "text off the page"),
        (text("hidden words", 60, 5000), "text off the page"),
        (text("hidden words", 60, 500, 0.4), "text smaller than a point"),
        (b"q .05 0 0 .05 0 0 cm " + text("hidden words", 1200, 9000) + b"Q", "text smaller than a point"),
        (text("hidden words", 60, 500) + b"50 480 200 40 re f", "text under a shape"),
        (text("hidden words", 60, 500) + b"1 g 50 480 200 40 re f", "text under a shape"),
        (text("hidden words", 60, 500) + b"q 200 0 0 40 50 480 cm /X Do Q", "text under an image"),
        (b"/G gs " + text("hidden words", 60, 500), "transparent text"),
    ],
)  # fmt: skip
def test_what_nobody_sees_is_kept_apart_with_the_reason(content: bytes, why: str) -> None:
    """White, invisible, off the page, tiny, covered: not in the text, and told."""
    resources = COVER + b"/ExtGState<</G<</ca 0>>>>"
    found = page(pdf(SEEN + b"q " + content + b" Q ", resources=resources, objects={7: RED}))
    assert found.text == "seen words"
    assert found.hidden == ((why, "hidden words"),)
    assert found.source == "text layer"


@pytest.mark.parametrize(
    "content",
    [
        b"0 0 .4 rg 50 480 200 40 re f 1 g " + text("seen too", 60, 500),
        b"q 200 0 0 40 50 480 cm /X Do Q 1 g " + text("seen too", 60, 500),
        b".8 g " + text("seen too", 60, 500),
        b"1 g 50 480 200 40 re f 0 g " + text("seen too", 60, 500),
        text("seen too", 60, 500) + b"/G gs 1 1 0 rg 50 480 200 40 re f",
        text("seen too", 60, 500) + b"/M gs 1 1 0 rg 50 480 200 40 re f",
        text("seen too", 60, 500) + b"50 480 200 40 re S",
        text("seen too", 60, 500) + b"300 480 200 40 re f",
        text("seen too", 60, 500) + b"50 480 20 4 re f",
        text("seen too", 60, 500, 1.5),
        text("seen too", 60, 500, before="1 Tr"),
        text("seen too", 60, 500, before="2 Tr"),
        b"q 12 0 0 12 0 0 cm " + text("seen too", 5, 42, 0.9) + b"Q",
    ],
)
def test_what_is_seen_stays_in_the_text(content: bytes) -> None:
    """White on dark, highlighted, framed, outlined, small, scaled."""
    resources = COVER + b"/ExtGState<</G<</ca .3>>/M<</BM/Multiply>>>>"
    found = page(pdf(SEEN + b"q " + content + b" Q ", resources=resources, objects={7: RED}))
    assert found.text.split("\n")[-1] == "seen too"
    assert not found.hidden


def _jpeg(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(file, "JPEG")
    return file.getvalue()


def _scan(content: bytes, data: bytes, width: int = 600, height: int = 800, **more: bytes) -> bytes:
    entries = b"/Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent 8/ColorSpace/DeviceRGB/Filter/DCTDecode"
    image = stream(data, entries % (width, height))
    return pdf(b"q 612 0 0 792 0 0 cm /X Do Q " + content, resources=COVER, objects={7: image}, **more)


def test_the_text_layer_of_a_scan_is_the_pages_text_and_said_to_be_one() -> None:
    """Invisible over the image, or drawn under it."""
    for content in (
        text("words of the scan", 60, 500, before="3 Tr"),
        b"q " + text("words of the scan", 60, 500, before="3 Tr") + b"Q",
    ):
        found = page(_scan(content, _jpeg(600, 800)))
        assert (found.text, found.source, found.hidden, found.image) == (
            "words of the scan",
            "text layer of a scan",
            (),
            None,
        )
    under = pdf(text("words of the scan", 60, 500) + b"q 612 0 0 792 0 0 cm /X Do Q", resources=COVER, objects={7: RED})
    assert (page(under).text, page(under).source) == ("words of the scan", "text layer of a scan")


def test_a_scan_without_text_is_its_own_jpeg_or_an_image_within_the_bound() -> None:
    """The scan's bytes where they fit; else drawn anew. A stamp beside it does not hide it."""
    data = _jpeg(600, 800)
    found = page(_scan(b"", data))
    assert found.image is not None
    assert (found.text, found.source, found.image.media_type, found.image.data) == ("", "none", "image/jpeg", data)
    turned = page(_scan(b"", data, entries=b"/Rotate 90")).image
    assert turned is not None
    assert Image.open(io.BytesIO(turned.data)).size[0] > Image.open(io.BytesIO(turned.data)).size[1]
    large = read(_scan(b"", data), image_pixels=300).pages[0].image
    assert large is not None
    assert max(Image.open(io.BytesIO(large.data)).size) == 300
    stamped = page(_scan(text("EXHIBIT 7", 500, 20), data))
    assert stamped.text == "EXHIBIT 7"
    assert stamped.image is not None


@pytest.mark.parametrize(
    ("content", "has_image"),
    [
        (b"", False),
        (b"0 0 300 300 re f", True),
        (b"1 g 0 0 300 300 re f", False),
        (b"0 0 m 300 300 l S", True),
        (b"q Q", False),
    ],
)
def test_a_page_that_shows_something_without_text_is_an_image(content: bytes, has_image: bool) -> None:
    """And an empty one is none."""
    found = page(pdf(content))
    assert (found.text, found.source, found.image is not None) == ("", "none", has_image)


def test_an_image_that_cannot_be_drawn_is_told() -> None:
    """It is not an empty page."""
    assert "cannot be drawn" in read(_scan(b"", b"no jpeg")).notes[0]


def _form(fields: bytes, objects: dict[int, bytes]) -> bytes:
    return pdf(
        text("Name:", 60, 600) + text("is the tenant.", 300, 600),
        entries=b"/Annots[%s]" % fields,
        catalog=b"/AcroForm<</Fields[%s]/DA(/Helv 0 Tf)>>" % fields,
        objects=objects,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"/FT/Tx/V(Maria Gomez)", "Maria Gomez"),
        (b"/FT/Tx/V<FEFF00C900760061>", "\u00c9va"),
        (b"/FT/Tx/V(two\rlines)/Ff 4096", "two"),
        (b"/FT/Ch/Ff 131072/Opt[(A)(B)]/V(B)", "B"),
        (b"/FT/Tx/V(x)/MaxLen 1", "x"),
        (b"/Parent 8 0 R", "from above"),
        (b"/FT/Btn/V/On/AS/On/AP<</N<</On 9 0 R/Off 9 0 R>>>>", "[x]"),
        (b"/FT/Btn/V/Off/AS/Off/AP<</N<</On 9 0 R/Off 9 0 R>>>>", "[ ]"),
    ],
)
def test_what_a_client_filled_in_is_in_the_text_where_it_stands(field: bytes, value: str) -> None:
    """Also in a field whose look was never made, or whose value is its parent's."""
    widget = b"<</Type/Annot/Subtype/Widget/T(f)/Rect[100 596 280 612]" + field + b">>"
    parent = b"<</FT/Tx/T(p)/V(from above)/Kids[7 0 R]>>"
    found = page(_form(b"7 0 R", {7: widget, 8: parent, 9: stream(b"", b"/Subtype/Form/BBox[0 0 9 9]")}))
    assert value in found.text
    assert found.text.index("Name:") < found.text.index(value) < found.text.index("is the tenant.")


def test_comments_are_notes_free_text_is_text_and_hidden_fields_are_hidden() -> None:
    """Each says what it is."""
    objects = {
        7: b"<</Type/Annot/Subtype/Text/Rect[9 9 20 20]/Contents(ask her\nabout this)>>",
        8: b"<</Type/Annot/Subtype/FreeText/Rect[60 500 200 520]/Contents(typed on the page)>>",
        9: b"<</Type/Annot/Subtype/Widget/FT/Tx/T(h)/F 2/Rect[60 400 200 420]/V(never seen)>>",
        10: b"<</Type/Annot/Subtype/Link/Rect[60 300 200 320]/Contents(a link)>>",
    }
    found = read(_form(b"7 0 R 8 0 R 9 0 R 10 0 R", objects))
    assert found.notes == ("Comment on page 1: ask her about this",)
    assert "typed on the page" in found.pages[0].text
    assert found.pages[0].hidden == (("hidden form field", "never seen"),)
    assert "a link" not in found.pages[0].text


def test_what_is_drawn_in_forms_is_text_too() -> None:
    """Forms inside forms, scaled and turned, and hidden text in them."""
    inner = stream(
        text("inner words", 0, 0) + b"1 g " + text("hidden words", 0, -40),
        b"/Type/XObject/Subtype/Form/BBox[-99 -99 300 300]/Resources<</Font<</F1 3 0 R>>>>",
    )
    outer = stream(
        b"q 2 0 0 2 10 10 cm /Y Do Q",
        b"/Type/XObject/Subtype/Form/BBox[-99 -99 600 600]/Resources<</XObject<</Y 8 0 R>>>>",
    )
    found = page(pdf(b"q 1 0 0 1 100 300 cm /X Do Q " + SEEN, resources=COVER, objects={7: outer, 8: inner}))
    assert found.text.split() == ["seen", "words", "inner", "words"]
    assert found.hidden == (("white text", "hidden words"),)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is cut off"),
        (b"%PDF-1.7", "is cut off"),
        (b"%PDF-1.7 %%EOF", "is damaged, or no PDF"),
        (b"no PDF at all %%EOF", "is damaged, or no PDF"),
        (pdf(SEEN)[:-40], "is cut off"),
        (pdf(SEEN)[:300], "is cut off"),
        (pdf(), "has no pages"),
        (assemble({1: b"<</Type/Catalog>>"}), "is damaged|has no pages"),
        (pdf(*[b""] * 2001), "has 2,001 pages; at most 2,000 are read at once"),
        (
            assemble({1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Kids[2 0 R]/Count 3>>"}),
            "is damaged: page 1",
        ),
    ],
)
def test_a_broken_file_is_one_line(data: bytes, words: str) -> None:
    """What is the matter, and what to do."""
    with pytest.raises(UnreadableError, match=words) as caught:
        read(data)
    assert str(caught.value).isprintable()


def test_a_file_that_was_repaired_says_so() -> None:
    """Its table of parts is gone: something may be missing."""
    data = pdf(SEEN)
    assert not read(data).notes
    damaged = data.replace(b"startxref\n", b"startxref\n9")
    assert "was repaired" in read(damaged).notes[0]
    assert read(damaged).pages[0].text == "seen words"


def test_past_a_limit_a_file_is_refused_and_nothing_is_cut() -> None:
    """Characters and bytes of images."""
    with pytest.raises(UnreadableError, match="more than 5 characters of text"):
        read(pdf(SEEN), text_characters=5)
    with pytest.raises(UnreadableError, match="of images of its pages"):
        read(_scan(b"", _jpeg(600, 800)), image_bytes=100)


def test_300_pages_are_read_in_seconds() -> None:
    """In at most so many times the CPU that PDFium alone takes for its text."""
    import pypdfium2

    data = pdf(*[joined([text(line(n + each, 12), 60, 780 - 14 * each) for each in range(50)]) for n in range(60)])
    began = time.process_time()
    document = pypdfium2.PdfDocument(data)
    for number in range(len(document)):
        document[number].get_textpage().get_text_range()
    alone = time.process_time() - began
    document.close()
    began = time.process_time()
    read(data)
    assert time.process_time() - began < 8 * alone + 0.5
