"""A value of a config's text is changed in place: the document is the changed one, every other byte is as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.config import json_text, yaml_text
from complaint_llm.config.edits import REMOVED, Edit, edit_document
from complaint_llm.config.saving import edit_text
from tests.sampled import sampled

JSON_TEXT = """\
{
  "BACKENDS": [
    {"id": "gpt",    "type": "openai",   "model": "m"},
    {"id": "off",    "type": "mock"}
  ],

  "MEDIATOR": {
      "backends": ["gpt",   "off"],
      "timeout" : 20
  }, "x-empty": {}, "x-list": [ ]
}
"""
YAML_TEXT = """\
# our office
BACKENDS:
  - id: gpt        # the fast one
    type: "openai"
    model: 'm'
    custom_headers: {X-Org: org-42,   Y: "no"}

  # the second
  - {id: off, type: mock, echo: yes}
MEDIATOR:
    backends: [gpt,   off]   # only these
    timeout: 0o17
    nothing:
x-text: |
   kept   as it
   is
x-list:
- a   # first
-   b
# the end
"""
EDITS = [
    (("BACKENDS", 2), {"id": "new", "type": "mock", "echo": True, "note": "no: yes # 12:30"}),
    (("BACKENDS", 0), REMOVED),
    (("BACKENDS", 1), REMOVED),
    (("BACKENDS", 0, "id"), REMOVED),
    (("BACKENDS", 0, "model"), "changed"),
    (("BACKENDS", 0, "stop"), ["a", "b"]),
    (("BACKENDS", 1, "latency"), 5),
    (("BACKENDS", 1), {"id": "x", "type": "mock"}),
    (("BACKENDS",), []),
    (("MEDIATOR", "timeout"), 30.5),
    (("MEDIATOR", "timeout"), None),
    (("MEDIATOR", "timeout"), REMOVED),
    (("MEDIATOR", "backends", 0), REMOVED),
    (("MEDIATOR", "backends", 2), "new"),
    (("MEDIATOR", "backends"), ["one"]),
    (("MEDIATOR", "budget", "day"), 3),
    (("MEDIATOR",), REMOVED),
    (("EVIDENCE", "path"), "folder: with # odd 'name'"),
    (("x-list", 0), "zero"),
]


def parsed(text: str, yaml: bool) -> Any:
    return yaml_text.parse(text) if yaml else json_text.parse(text)


def kept_lines(before: str, after: str) -> int:
    """How many lines of the text before are not in the text after."""
    left = after.splitlines()
    lost = 0
    for line in before.splitlines():
        if line in left:
            left.remove(line)
        else:
            lost += 1
    return lost


@pytest.mark.parametrize(("path", "value"), EDITS, ids=lambda each: str(each)[:40])
@pytest.mark.parametrize("yaml", [False, True], ids=["json", "yaml"])
def test_an_edit_of_the_text_is_the_edit_of_the_document(yaml: bool, path: Any, value: Any) -> None:
    """The changed text means the changed document, and lines that the edit is not about are as they were."""
    text = YAML_TEXT if yaml else JSON_TEXT
    changed = edit_text(text, [Edit(path, value)], yaml=yaml)
    assert parsed(changed, yaml) == edit_document(parsed(text, yaml), [Edit(path, value)])
    inside = (path[0] == "BACKENDS" and len(path) == 1) or path == ("MEDIATOR",)
    assert kept_lines(text, changed) <= (8 if inside or (value is REMOVED and len(path) == 2) else 2)


@pytest.mark.parametrize("yaml", [False, True], ids=["json", "yaml"])
def test_no_edit_changes_no_byte(yaml: bool) -> None:
    text = YAML_TEXT if yaml else JSON_TEXT
    assert edit_text(text, [], yaml=yaml) == text


@pytest.mark.parametrize("path", [("NO",), ("BACKENDS", 7), ("BACKENDS", 0, "no"), ("MEDIATOR", "timeout", "x")])
@pytest.mark.parametrize("yaml", [False, True], ids=["json", "yaml"])
def test_what_is_not_there_cannot_be_taken_out(yaml: bool, path: Any) -> None:
    with pytest.raises(KeyError):
        edit_text(YAML_TEXT if yaml else JSON_TEXT, [Edit(path, REMOVED)], yaml=yaml)


NAMES = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=6)
SCALARS = st.none() | st.booleans() | st.integers(-9, 10**6) | st.floats(-1e6, 1e6) | NAMES | st.just("a: b # c")
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, min_size=1, max_size=4)
CHOICES = st.lists(st.tuples(st.integers(0, 10**6), VALUES | st.just(REMOVED)), max_size=4)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document that can be set or taken out, and one past the end of each list."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        found += paths_of(item, (*path, step))
    if isinstance(value, list):
        found.append((*path, len(value)))
    if isinstance(value, dict):
        found.append((*path, "added"))
    return found


@given(DOCUMENTS, CHOICES, st.sampled_from([None, 2]))
@sampled(60, of=500)
def test_any_edits_of_any_json_are_those_of_its_document(document: Any, choices: list[Any], indent: int | None) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    for number, value in choices:
        edit = chosen(document, number, value)
        if edit is not None:
            document, text = edit_document(document, [edit]), edit_text(text, [edit], yaml=False)
            assert json.loads(text) == document


@given(DOCUMENTS, CHOICES, st.booleans())
@sampled(60, of=500)
def test_any_edits_of_any_yaml_are_those_of_its_document(document: Any, choices: list[Any], flow: bool) -> None:
    text = yaml_text.dump(document, flow=flow)
    for number, value in choices:
        edit = chosen(document, number, value)
        if edit is not None:
            document, text = edit_document(document, [edit]), edit_text(text, [edit], yaml=True)
            assert yaml_text.parse(text) == document


def chosen(document: Any, number: int, value: Any) -> Edit | None:
    """An edit at some place of the document; None where nothing can be done there."""
    paths = [path for path in paths_of(document) if path]
    path = paths[number % len(paths)]
    try:
        changed = edit_document(document, [Edit(path, value)])
    except (KeyError, IndexError):
        return None
    return Edit(path, value) if changed else None
