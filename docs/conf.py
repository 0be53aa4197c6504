"""How Sphinx makes the pages into a site: ``make docs``. The pages are plain Markdown, and can be read as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from complaint_llm import __version__

project = "complaint_llm"
author = "the authors of complaint_llm"
release = version = __version__
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"complaint_llm {release}"
html_copy_source = False
html_show_sphinx = False
html_extra_path = ["llms.txt"]
exclude_patterns: list[str] = []
root_doc = "index"
myst_heading_anchors = 4
# The blocks of a page name a language that a highlighter knows, or "text".
highlight_language = "text"
# A config is shown in parts, such as "GUARDS": [...], which is no whole JSON.
# The page on performance has no second level.
suppress_warnings = ["misc.highlighting_failure", "myst.header"]

PAGES = Path(__file__).parent
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)\s]+)\)")
_GROUP = re.compile(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", re.M | re.S)
_ENTRY = re.compile(r"^[*-] \[[^\]]+\]\(([^)#]+)\.md\)", re.M)


def _as_text(found: re.Match[str], page: Path) -> str:
    target = (page.parent / found[3].partition("#")[0]).resolve()
    return found[0] if target.is_relative_to(PAGES) else found[2]


def contents(index: str) -> str:
    """The tables of contents: a group for each heading of the index, and what no heading names at the end."""
    groups = [(title, _ENTRY.findall(text)) for title, text in _GROUP.findall(index)]
    known = {page for _, pages in groups for page in pages}
    others = sorted(str(path.relative_to(PAGES).with_suffix("")) for path in PAGES.rglob("*.md"))
    groups.append(("More", [page for page in others if page not in known and page != root_doc]))
    shown = [(title, "\n".join(pages)) for title, pages in groups if pages]
    return "\n\n".join(f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```" for title, pages in shown)


def prepare(app: Any, name: str, source: list[str]) -> None:
    """A link to a file of the repository that is no page becomes its text; the index gets its tables of contents."""
    page = PAGES / f"{name}.md"
    source[0] = _LINK.sub(lambda found: _as_text(found, page), source[0])
    if name == root_doc:
        source[0] += "\n" + contents(source[0])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", prepare)
