"""Code blocks are found where a reader of Markdown finds them."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from complaint_llm.cli.code_blocks import code_blocks

FOUND: list[tuple[str, list[str]]] = [
    ("", []),
    ("No block, only `code` in a line.", []),
    ("```\na\n```", ["a\n"]),
    ("Here:\n\n```python\nprint(1)\n```\nThat is all.", ["print(1)\n"]),
    ("~~~sh\nls\n~~~\n", ["ls\n"]),
    ("````md\n```\ninner\n```\n````", ["```\ninner\n```\n"]),
    ("```\nnever closed\nto the end", ["never closed\nto the end\n"]),
    ("```a\n1\n```\ntext\n```b\n2\n```", ["1\n", "2\n"]),
    ("```\n```", [""]),
    ("``` no `fence` here\ntext", []),
    ("~~~ a `name`\nx\n~~~", ["x\n"]),
    ("```\nx\n~~~\n```", ["x\n~~~\n"]),
    ("```\nx\n``` y\n```", ["x\n``` y\n"]),
    ("```\nx\n`````", ["x\n"]),
    ("1. Do this:\n\n   ```sh\n   make\n     all\n   ```\n", ["make\n  all\n"]),
    ("- ```sh\n  make\n  ```\n", ["make\n"]),
    ("```\r\na\r\nb\r\n```\r\n", ["a\nb\n"]),
    ("```c++ title=x\nint a;\n```", ["int a;\n"]),
]


@pytest.mark.parametrize(("text", "blocks"), FOUND)
def test_blocks_without_their_fences(text: str, blocks: list[str]) -> None:
    """In their order; a block of an item of a list stands at the left."""
    assert list(code_blocks(text)) == blocks


WORDS = st.text(st.characters(codec="ascii", categories=("L", "N")), max_size=6)
FENCES = st.sampled_from(["```", "````", "~~~", "~~~~~"])


@st.composite
def pieces(draw: st.DrawFn) -> str:
    """A paragraph or a line of a fence, with a word behind it or none."""
    return draw(st.one_of(WORDS, st.builds(str.__add__, FENCES, WORDS), FENCES))


@settings(max_examples=150, deadline=None)
@given(st.lists(pieces(), max_size=10), st.integers(0, 3))
def test_they_are_those_that_a_parser_of_markdown_finds(lines: list[str], indent: int) -> None:
    """Whatever order fences of both kinds and any length come in, at any indentation that is none of code."""
    text = textwrap.indent("\n".join(lines), " " * indent)
    expected = [token.content for token in MarkdownIt().parse(text) if token.type == "fence"]
    assert [block.strip("\n") for block in code_blocks(text)] == [block.strip("\n") for block in expected]
