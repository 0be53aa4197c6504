"""HTML is read as a browser shows it, and what it does not show is told apart."""

from __future__ import annotations

import html as entities
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.documents.pages import Limits
from complaint_llm.documents.readers.unreadable import UnreadableError
from tests.documents.readers.files import hidden, read_html, shown
from tests.sampled import sampled


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>one<p>two", "one\n\ntwo"),
        ("<div>one</div><div>two</div>", "one\ntwo"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("a  \n b <b>c</b>d", "a b cd"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("<h1>Title</h1>text", "Title\n\ntext"),
        ("<ul><li>a<li>b</ul>", "• a\n• b"),
        ("<ol start=3><li>a<li value=9>b<li>c</ol>", "3. a\n9. b\n10. c"),
        ("<ol type=a><li>x<ol type=I><li>y</ol><li>z</ol>", "a. x\nI. y\nb. z"),
        ("<ul style='list-style:none'><li>a</ul>", "a"),
        ("<table><tr><th>A<th>B<tr><td>1<td><p>2</p></table>", "A\tB\n1\t2"),
        ("<table><tr><td><table><tr><td>in</table><td>out</table>", "in\tout"),
        ("&lt;b&gt; &amp; caf&eacute; &#8364;&#x41;", "<b> & café €A"),
        ("a<!-- <p>no --->b", "ab"),
        ("a<!-- never closed <p>b", "a"),
        ("a<!-->b", "ab"),
        ("<script>if (a<b) {}</script>x<style>p{}</style>y", "xy"),
        ("<title>T</title>body", "body"),
        ("<template>no</template><iframe>no</iframe>yes", "yes"),
        ("<select><option>a<option selected>b</select>", "b"),
        ("<input value=typed><input type=checkbox checked>", "typed☒"),
        ("<textarea>what I\nwrote</textarea>", "what I\nwrote"),
        ("<dl><dt>term<dd>meaning</dl>", "term\nmeaning"),
        ("<q>said</q>", "“said”"),
        ("<p/>still one", "still one"),
        ("<svg><title>no</title><text>drawn</text></svg>", "drawn"),
        ("a<![if mso]>b<![endif]>c<?xml x?>d", "abcd"),
        ("<a href='x", ""),
        ("</p>a</div></nothing>b", "ab"),
        ("<noframes>no</noframes><center>mid</center>", "mid"),
        ("x &notanentity; &amp", "x ¬anentity; &"),
    ],
)
def test_what_a_browser_shows(source: str, expected: str) -> None:
    """Blocks are lines, cells are parted by tabs, items have their marks, and markup is none of the text."""
    assert shown(source) == expected


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("<p style='display:none'>secret</p>", "not displayed"),
        ("<p STYLE='Display : NONE !important'>secret</p>", "not displayed"),
        ("<p hidden>secret</p>", "not displayed"),
        ("<div hidden><p>secret</div>", "not displayed"),
        ("<span hidden><p>secret</p></span>", "not displayed"),
        ("<p style='visibility:hidden'>secret</p>", "invisible"),
        ("<p style='mso-hide:all'>secret</p>", "not displayed"),
        ("<p style='color:#fff'>secret</p>", "white text"),
        ("<p style='color:#fefefe'>secret</p>", "white text"),
        ("<p style='color:rgb(255, 255, 255)'>secret</p>", "white text"),
        ("<p style='color:hsl(0, 0%, 100%)'>secret</p>", "white text"),
        ("<p style='color:hsla(200 80% 99% / 1)'>secret</p>", "white text"),
        ("<font color=white>secret</font>", "white text"),
        ("<font color=#FFFFFF>secret</font>", "white text"),
        ("<table><td bgcolor=black><font color=#000>secret</font></table>", "text in the colour of its ground"),
        ("<p style='color:transparent'>secret</p>", "transparent text"),
        ("<p style='color:rgba(0,0,0,0)'>secret</p>", "transparent text"),
        ("<p style='opacity:0'>secret</p>", "transparent text"),
        ("<p style='font-size:0'>secret</p>", "tiny text"),
        ("<p style='font-size:0.5px'>secret</p>", "tiny text"),
        ("<p style='font-size:0'><b style='font-size:2em'>secret</b></p>", "tiny text"),
        ("<p style='position:absolute;left:-9999px'>secret</p>", "off the page"),
        ("<p style='text-indent:-999em'>secret</p>", "off the page"),
        ("<p style='position:absolute;clip:rect(0 0 0 0)'>secret</p>", "cut away"),
        ("<p style='clip-path:inset(100%)'>secret</p>", "cut away"),
        ("<p style='max-height:0;overflow:hidden'>secret</p>", "cut away"),
        ("<style>.x{display:none}</style><p class='y x'>secret</p>", "not displayed"),
        ("<style>#x{display:none}</style><p id=x>secret</p>", "not displayed"),
        ("<style>div .x > b{visibility:hidden}</style><div><p class=x><b>secret</b></div>", "invisible"),
        ("<style>@media screen{p{font-size:0}}</style><p>secret</p>", "tiny text"),
        ("<style><!-- p{color:white} --></style><p>secret</p>", "white text"),
        ("<noscript>secret</noscript>", "shown only without scripts"),
        ("<dialog>secret</dialog>", "not displayed"),
    ],
)
def test_what_nobody_sees_is_told(source: str, why: str) -> None:
    """Whatever way it is hidden; what stands beside it is text."""
    assert shown(f"<div>before</div>{source}<div>after</div>").split() == ["before", "after"]
    assert hidden(source) == [(why, "secret")]


@pytest.mark.parametrize(
    "source",
    [
        "<div style='background:#000'><p style='color:#fff'>seen</p></div>",
        "<table bgcolor=navy><tr><td><font color=white>seen</font></table>",
        "<div style='background:url(x.png)'><p style='color:white'>seen</p></div>",
        "<style>@media print{p{display:none}}</style><p>seen</p>",
        "<style>p{display:none} p.x{display:block}</style><p class=x>seen</p>",
        "<style>p{display:none!important}</style><style>p:hover{display:none}</style><div>seen</div>",
        "<!--<style>p{display:none}</style>--><p>seen</p>",
        "<div style='visibility:hidden'><p style='visibility:visible'>seen</p></div>",
        "<div style='font-size:0'><p style='font-size:12px'>seen</p></div>",
        "<p style='opacity:0.5'>seen</p>",
        "<p style='left:-9999px'>seen</p>",
        "<p style='text-indent:-20px'>seen</p>",
        "<p hidden>no<p>seen",
        "<b style='display:none'>no</b>seen",
        "<ul><li hidden>no<li>seen</ul>",
        "<table><tr><td hidden>no<td>seen</table>",
        "<b hidden><p>no</b>seen",
        "<p style='/* display:none */'>seen</p>",
        "<p style='max-height:0'>seen</p>",
        "<p hidden=until-found>seen</p>",
    ],
)
def test_what_is_seen_is_text(source: str) -> None:
    """White on a dark ground, one that is visible in one that is not, a rule of another place."""
    assert shown(source).replace("• ", "") == "seen"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("é".encode(), "é"),
        ("é".encode("cp1252"), "é"),
        (b"<meta charset=iso-8859-1>\x93q\x94", "“q”"),
        (b"<meta charset='windows-1251'>\xe4\xe0", "да"),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=windows-1255">\xf9', "ש"),
        (b"<?xml version='1.0' encoding='iso-8859-7'?>\xe1", "α"),
        ("\ufeffé".encode("utf-16"), "é"),
        ("\ufeffé".encode(), "é"),
        (b"\xef\xbb\xbf<meta charset=windows-1252>\xc3\xa9", "é"),
        (b"<meta charset=utf-16>\xc3\xa9", "é"),
        ("<p>plain".encode("utf-16-le"), "plain"),
        (b"<meta charset=shift_jis>\x93\xfa", "日"),
    ],
)
def test_the_encoding_is_found(data: bytes, expected: str) -> None:
    """By its mark, what it declares, or its bytes."""
    assert read_html(data).pages[0].text == expected


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (b"<meta charset=klingon>x", "the character set 'klingon' is not known"),
        (b"<meta charset=utf-7>x", "the character set 'utf-7' is not known"),
        (b"<meta charset=punycode>x", "is not known"),
        (b"<meta charset=unicode_escape>x", "is not known"),
        (b"<meta charset=hex>x", "is not known"),
        (b"<meta charset=rot13>x", "is not known"),
        (b"<meta charset=zlib>x", "is not known"),
        (b"<meta charset=base64>x", "is not known"),
        (b"<meta charset=idna>x", "is not known"),
        (b"<meta charset=utf-8>\xe9 x", "1 place is no utf-8"),
        (b"<meta charset=gb18030>\xff\xff", "places are no gb18030"),
    ],
)
def test_a_wrong_encoding_is_told(data: bytes, note: str) -> None:
    """Letters that may be wrong make quotes that are not found."""
    assert note in read_html(data).notes[0]


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    "unit",
    [
        "<div>", "<p>", "<b>", "<table><tr><td>", "<ul><li>", "<svg>", "<span hidden>x", "<select><option>",
        "<font><p>", "<a ", "<a href='", "<!--", "</", "<![", "<?", "&", "</b>", "<style>", "<title>",
        "<b><p></b>", "<i><div></i>",
    ],
)  # fmt: skip
def test_nothing_recurses_and_nothing_grows_as_a_square(unit: str) -> None:
    """Thousands of elements in each other, or tags that never end, are read or refused like others."""
    page = read_html(unit * 8_000, Limits(text_characters=1_000_000)).pages[0]
    assert page.source in ("extracted", "none")


def test_many_open_tags_are_read() -> None:
    """What stands in the innermost is text."""
    assert shown("<i>" * 60_000 + "deep") == "deep"


def test_the_length_of_the_text_is_bounded() -> None:
    """Past the limit it is refused, not cut; hidden text counts."""
    for source in ("<p>" + "x" * 101, "<p hidden>" + "x" * 101):
        with pytest.raises(UnreadableError, match="more than 100 characters"):
            read_html(source, Limits(text_characters=100))


def test_title_and_images_are_notes() -> None:
    """They are no text of the page."""
    assert read_html("<title>Rent &amp; more</title><img src=x><img src=y>a").notes == (
        "title of the page: Rent & more",
        "2 images in it were not read",
    )


WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)


@sampled(60, of=5_000)
@given(st.lists(st.tuples(st.sampled_from(["p", "div", "li", "section", "h2", "blockquote"]), WORDS), max_size=20))
def test_every_word_of_a_block_is_shown_in_its_order(blocks: list[tuple[str, str]]) -> None:
    """Whatever the blocks are and however their end tags are left out."""
    source = "".join(f"<{tag}>{entities.escape(word)}" for tag, word in blocks)
    assert re.sub(r"[•\s]+", " ", shown(source)).split() == [
        part for _, word in blocks for part in re.sub("•", " ", word).split()
    ]


@sampled(60, of=5_000)
@given(
    st.lists(
        st.one_of(st.sampled_from(["<", ">", "</", "<p ", "<!--", "-->", "&", "<b", "='", '"', "<![", "<?"]), WORDS)
    )
)
def test_no_page_is_too_broken(pieces: list[str]) -> None:
    """A browser shows something of everything; so does the reader."""
    page = read_html("".join(pieces)).pages[0]
    assert page.text == page.text.strip("\n")


@sampled(40, of=3_000)
@given(st.lists(st.tuples(st.booleans(), WORDS), max_size=15))
def test_hidden_and_shown_are_apart(parts: list[tuple[bool, str]]) -> None:
    """Each word is in one of the two, and none in both."""
    source = "".join(f"<p{' hidden' if is_hidden else ''}>{entities.escape(word)}</p>" for is_hidden, word in parts)
    assert shown(source).split() == [piece for is_hidden, word in parts if not is_hidden for piece in word.split()]
    assert " ".join(text for _, text in hidden(source)).split() == [
        piece for is_hidden, word in parts if is_hidden for piece in word.split()
    ]
