"""Which elements of HTML are blocks, cells, void, never shown, and which end which. Source: WHATWG, HTML."""

from __future__ import annotations

VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
        "param",
        "frame",
        "keygen",
    ]
)
PARAGRAPHS = frozenset(
    [
        "p",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "pre",
        "listing",
        "dl",
        "figure",
        "table",
        "ul",
        "ol",
        "menu",
        "dir",
        "hr",
        "fieldset",
    ]
)
BLOCKS = PARAGRAPHS | frozenset(
    [
        "address",
        "article",
        "aside",
        "body",
        "center",
        "dd",
        "details",
        "dialog",
        "div",
        "dt",
        "figcaption",
        "footer",
        "form",
        "header",
        "hgroup",
        "html",
        "legend",
        "li",
        "main",
        "nav",
        "optgroup",
        "search",
        "section",
        "summary",
        "caption",
        "tr",
        "thead",
        "tbody",
        "tfoot",
        "frameset",
        "marquee",
    ]
)
CELLS = frozenset(("td", "th"))
SPECIAL = BLOCKS | CELLS | frozenset(["button", "object", "applet", "template", "select", "textarea"])
FORMATTING = frozenset(
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"]
)
NOT_SHOWN = frozenset(
    [
        "script",
        "style",
        "template",
        "title",
        "iframe",
        "object",
        "audio",
        "video",
        "canvas",
        "noembed",
        "noframes",
        "datalist",
        "head",
        "defs",
        "metadata",
        "desc",
        "math-annotation",
        "annotation",
        "annotation-xml",
        "applet",
    ]
)
CLOSES_P = BLOCKS - frozenset(["html", "body", "tr", "thead", "tbody", "tfoot", "caption", "legend", "optgroup"])
EDGES = frozenset(["td", "th", "table", "caption", "html", "template", "object", "button", "applet", "marquee"])
"""No end tag within one of these closes what was opened before it."""
CLOSES = {
    "li": (("li",), ("ul", "ol", "menu", "dir")),
    "dt": (("dt", "dd"), ("dl",)),
    "dd": (("dt", "dd"), ("dl",)),
    "tr": (("tr", "td", "th", "caption"), ("table",)),
    "td": (("td", "th"), ("table", "tr")),
    "th": (("td", "th"), ("table", "tr")),
    "thead": (("thead", "tbody", "tfoot", "caption"), ("table",)),
    "tbody": (("thead", "tbody", "tfoot", "caption"), ("table",)),
    "tfoot": (("thead", "tbody", "tfoot", "caption"), ("table",)),
    "option": (("option",), ("select",)),
    "optgroup": (("optgroup", "option"), ("select",)),
    "body": (("head",), ()),
    "button": (("button",), ()),
}
"""Start tag -> the open elements that it ends, and within which it looks for them."""
