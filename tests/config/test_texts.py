"""The two file formats: what is read is what JSON and YAML mean, and every value is found where it stands."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.config import json_text, yaml_text
from complaint_llm.config.problems import TextFault, json_pointer, nearest

texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\u2028\u2029\x85"), max_size=12
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts.filter(lambda key: key != "<<"), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(documents)
def test_json_is_read_as_the_standard_library_reads_it(document: Any) -> None:
    assert json_text.parse(json.dumps(document)) == document


@given(documents, st.sampled_from([None, 1, 4]), st.booleans())
def test_every_json_value_is_placed_where_it_stands(document: Any, indent: int | None, ascii: bool) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii)
    places = json_text.places(text)
    lines = text.split("\n")
    for path, value in _walk(document, ()):
        (line, column), (key_line, key_column) = places[path]
        at = sum(len(one) + 1 for one in lines[: line - 1]) + column - 1
        assert json.JSONDecoder().raw_decode(text, at)[0] == value
        if path and isinstance(path[-1], str):
            at = sum(len(one) + 1 for one in lines[: key_line - 1]) + key_column - 1
            assert json.JSONDecoder().raw_decode(text, at)[0] == path[-1]


@given(documents)
@settings(deadline=None)
def test_what_is_written_as_yaml_is_read_back(document: Any) -> None:
    assert _same(yaml_text.parse(yaml_text.dump(document)), document)


@given(documents)
@settings(deadline=None)
def test_json_is_yaml(document: Any) -> None:
    assert _same(yaml_text.parse(json.dumps(document, ensure_ascii=False)), document)


@given(documents)
@settings(deadline=None)
def test_every_yaml_value_has_a_place(document: Any) -> None:
    text = yaml_text.dump(document)
    places = yaml_text.places(text)
    lines = text.split("\n")
    for path, value in _walk(document, ()):
        (line, column), key_at = places[path]
        assert line <= len(lines)
        assert column <= len(lines[line - 1]) + 1
        assert key_at <= (line, column)
        if isinstance(value, bool):
            assert lines[line - 1][column - 1 :].startswith(str(value).lower())


@given(st.text(max_size=60))
@settings(deadline=None)
def test_any_text_is_a_document_or_a_fault_within_the_text(text: str) -> None:
    for module in (json_text, yaml_text):
        found = module.parse(text)
        if isinstance(found, TextFault):
            assert 1 <= found.line <= text.count("\n") + text.count("\r") + text.count("\x85") + 3
            assert found.column >= 1
            assert "\n" not in found.text


@given(documents, st.data())
@settings(deadline=None)
def test_a_cut_document_is_never_read_as_another_one(document: Any, data: st.DataObject) -> None:
    text = json.dumps([document], indent=1)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    assert isinstance(json_text.parse(cut), TextFault)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-0", 0),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("012", 12),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("12:30:45", "12:30:45"),
        ("2023-06-01", "2023-06-01"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("TRUE", True),
        ("~", None),
        ("null", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        ("! 1", "1"),
        ("=", "="),
        ("x", "x"),
    ],
)
def test_plain_yaml_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = yaml_text.parse(f"k: {text}")
    assert isinstance(found, dict)
    assert found == {"k": value}
    assert type(found["k"]) is type(value)


def test_yaml_agrees_with_pyyaml_where_both_versions_mean_the_same() -> None:
    text = "a: &x {b: [1, 2.5, 'c', \"d\\u00e9\"]}\ne: *x\nf: |\n  g\n\n  h\ni: >-\n  j\n  k\n? l\n: m\n"
    assert yaml_text.parse(text) == yaml.safe_load(text)


def test_merges_follow_the_order_and_own_keys_win() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  z: 3\n"
    found = yaml_text.parse(text)
    assert isinstance(found, dict)
    assert found["c"] == {"z": 3, "x": 1, "y": 1}


def test_the_shared_value_of_an_alias_is_read_once_and_a_bomb_is_refused_at_once() -> None:
    levels = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 12))
    begun = time.process_time()
    found = yaml_text.parse(f"x0: &x0 [{', '.join('0' * 10)}]\n{levels}")
    assert isinstance(found, TextFault)
    assert "aliases make the document grow" in found.text
    assert time.process_time() - begun < 1
    assert yaml_text.parse("a: &a [1]\nb: [*a, *a]") == {"a": [1], "b": [[1], [1]]}


@pytest.mark.parametrize("text", ["[" * 300_000, "{a: " * 300_000, "- " * 300_000 + "x"])
def test_depth_is_bounded_before_any_parser_runs_out_of_stack(text: str) -> None:
    """Whoever notices it first, the parser or its reader: the words are then the parser's own."""
    found = yaml_text.parse(text)
    assert isinstance(found, TextFault)
    assert found.line == 1
    assert found.text
    assert "\n" not in found.text


def test_pointers_escape_as_the_standard_says() -> None:
    assert json_pointer(("a/b", 0, "m~n")) == "/a~1b/0/m~0n"
    assert json_pointer(()) == ""


def test_the_nearest_name_ignores_case_and_far_ones_are_none() -> None:
    assert nearest("MODEL", ["mode", "model"]) == "model"
    assert nearest("temprature", ["temperature", "top_p"]) == "temperature"
    assert nearest("zzz", ["temperature"]) is None


def _walk(value: Any, path: tuple[str | int, ...]) -> Any:
    yield path, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in children:
        yield from _walk(item, (*path, step))


def _same(one: Any, other: Any) -> bool:
    """Equality that keeps 1, 1.0 and True apart."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
