"""Reading JSONL, CSV and text, hostile ones included."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from complaint_llm.batch import BatchItem, LineError
from complaint_llm.batch.input.lines import Reading, read_lines
from complaint_llm.batch.output.export import Result, json_line
from complaint_llm.exceptions import BatchError
from complaint_llm.messages import InferenceOutput, Message


def read(content, form="jsonl", template=None):
    if isinstance(content, str):
        content = content.encode()
    return [line.item for line in read_lines(io.BytesIO(content), Reading(form, template)).items]


def problem(content):
    (error,) = read(content)
    assert isinstance(error, LineError)
    return str(error)


def test_a_prompt_an_id_and_params():
    assert read('{"prompt": "a", "id": "x", "params": {"max_tokens": 5}}\n\n{"prompt": "b", "id": 7}') == [
        BatchItem("a", "x", {"max_tokens": 5}),
        BatchItem("b", "7", {}),
    ]


def test_messages():
    (item,) = read('{"messages": [{"role": "user", "content": "hi"}]}')
    assert item.prompt == [Message("user", "hi")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "line 1: a line is a JSON object, not a list"),
        ("{", "line 1: not JSON"),
        ("{}", 'exactly one of "prompt" and "messages"'),
        ('{"prompt": "a", "messages": []}', "exactly one of"),
        ('{"prompt": 5}', '"prompt" is a text, not a number'),
        ('{"prompt": [{"role": "user", "content": "a"}]}', 'a list of messages is called "messages"'),
        ('{"messages": "a"}', '"messages" is a list, not a text'),
        ('{"messages": []}', "no messages"),
        ('{"messages": [{"role": "boss", "content": "a"}]}', "has role 'boss'"),
        ('{"prompt": "a", "id": ""}', '"id" is a text'),
        ('{"prompt": "a", "id": true}', '"id" is a text'),
        ('{"prompt": "a", "id": 1.5}', '"id" is a text'),
        ('{"prompt": "a", "id": "\\ud800"}', "half a surrogate pair"),
        ('{"prompt": "a", "params": []}', '"params" is a JSON object, not a list'),
        ('{"prompt": "a", "params": {"temprature": 1}}', "did you mean 'temperature'?"),
        ('{"prompt": "a", "params": {"temperature": NaN}}', "NaN is no JSON number"),
        ('{"prompt": "a", "prompt": "b"}', "the key 'prompt' stands there twice"),
        ("[" * 100000, "line 1: nested too deeply"),
        (b'{"prompt": "\xff"}', "line 1: not UTF-8 at byte 13"),
    ],
)
def test_a_bad_line_is_one_clear_sentence(line, said):
    assert said in problem(line)


def test_line_numbers_count_empty_lines():
    assert [getattr(item, "line", None) for item in read('\n{"prompt": "a"}\n\nbad\n')] == [None, 4]


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_anything():
    assert read(b'\xef\xbb\xbf{"prompt": "a"}\r\n') == [BatchItem("a", None, {})]
    assert read(b"\xef\xbb\xbfa\r\n  b\r\n", "txt") == [BatchItem("a"), BatchItem("  b")]
    assert read(b"\xef\xbb\xbfn\r\na\r\n", "csv", "{n}") == [BatchItem("a", None)]


def test_csv_with_quotes_line_breaks_and_bad_rows():
    content = b'id,n\r\n1,"a ""quoted""\n\xc3\xa9"\r\n2\r\n3,\xff\r\n,x\r\n5,ok\r\n'
    items = read(content, "csv", "<{n}>")
    assert [item if isinstance(item, BatchItem) else str(item) for item in items] == [
        BatchItem('<a "quoted"\né>', "1"),
        "line 4: 1 cells, the header has 2",
        "line 5: not utf-8: save the file as UTF-8, or give --encoding",
        "line 6: the id is empty",
        BatchItem("<ok>", "5"),
    ]


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(BatchError, match="two columns are called 'n'"):
        read("n,n\n1,2", "csv", "{n}")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary())
def test_no_bytes_break_the_reader(content):
    for form, template in (("jsonl", None), ("txt", None)):
        assert all(isinstance(item, BatchItem | LineError) for item in read(content, form, template))
    try:
        assert all(isinstance(item, BatchItem | LineError) for item in read(b"n,m\n" + content, "csv", "{n}"))
    except BatchError:
        pass


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
def test_an_output_line_is_one_line_of_json(text, id_):
    line = json_line(Result(id_, InferenceOutput(text, confidence=float("nan")), None))
    assert len(line.splitlines()) == 1
    line.encode("utf-8")
    assert (json.loads(line)["text"], json.loads(line)["id"]) == (text, id_)


def test_a_number_that_json_lacks_becomes_null():
    assert json.loads(json_line(Result(None, InferenceOutput("x", cost=float("inf")), None)))["cost"] is None


def test_a_quote_that_is_not_closed_says_how_far_it_goes():
    """The rows below it are read all the same: nothing in them closes it."""
    error, *rest = read(b'a,b\n"open,1\nx,2\ny,3\n', "csv", "{a}")
    assert str(error) == "line 2: a quote is not closed"
    assert rest == [BatchItem("x"), BatchItem("y")]
