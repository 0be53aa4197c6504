"""Each picture of the documentation is used, and small."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import pages

PICTURES = sorted((Path(__file__).resolve().parents[2] / "docs" / "pictures").iterdir())


def test_each_picture_is_a_png_that_a_page_shows() -> None:
    """Both pages and a terminal have one, and no file lies there unused."""
    text = "".join(page.read_text(encoding="utf-8") for page in pages())
    assert {each.name for each in PICTURES} >= {"claims.png", "ledger.png", "terminal.png"}
    for picture in PICTURES:
        assert picture.read_bytes().startswith(b"\x89PNG"), picture
        assert f"pictures/{picture.name})" in text, picture


def test_the_pictures_are_small() -> None:
    """Under 300 kB in sum."""
    assert sum(each.stat().st_size for each in PICTURES) < 300_000
