"""The published schema of batch lines fits what is read and what is written."""

from __future__ import annotations

import io
import json
from importlib.resources import files

import jsonschema
import pytest

from complaint_llm.batch import BatchItem
from complaint_llm.batch.input.line_rules import LineRules
from complaint_llm.batch.input.lines import Reading, read_lines
from complaint_llm.batch.output.export import Result, json_line
from complaint_llm.exceptions import BackendTimeoutError, BatchError, RateLimitError
from complaint_llm.messages import Attempt, InferenceOutput, TokenUsage, ToolCall

SCHEMA = json.loads(files("complaint_llm.schemas").joinpath("batch-line.schema.json").read_text(encoding="utf-8"))
ATTEMPTS = (Attempt("a", "late", 1.0, True), Attempt("b", None, 0.5))


def check(kind, line):
    jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]}).validate(line)


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("output", "error"),
    [
        (InferenceOutput("x"), None),
        (
            InferenceOutput(
                "x",
                tool_calls=(ToolCall("1", "f", {}, "{}"),),
                finish_reason="stop",
                cost=0.1,
                token_usage=TokenUsage(1, 2, 3, 0),
                attempts=ATTEMPTS,
                metadata={"demo": True},
            ),
            None,
        ),
        (None, BatchError("line 3: not JSON")),
        (None, RateLimitError("no", backend="a", model="m", status=429, code="c", request_id="r", retry_after=1.0)),
        (None, BackendTimeoutError("late", attempts=ATTEMPTS)),
    ],
)
def test_written_lines_fit(output, error):
    line = json.loads(json_line(Result("id", output, error, {"client": "Ann"}, "abc-0")))
    check("output", line)
    assert set(SCHEMA["$defs"]["output"]["required"]) <= line.keys()


@pytest.mark.parametrize(
    "line",
    [
        {"prompt": "a"},
        {"prompt": "a", "id": 5, "params": {"temperature": 1}},
        {"messages": [{"role": "user", "content": "a"}], "id": None},
        {"prompt": "a", "messages": [{"role": "user", "content": "a"}]},
        {"prompt": "a", "other": 1},
        {"prompt": "a", "id": ""},
        {"prompt": "a", "id": 1.5},
        {"messages": []},
        {"prompt": 5},
        {"id": "x"},
        {"prompt": "a", "params": []},
        ["a"],
    ],
)
def test_the_reader_and_the_schema_agree(line):
    reading = Reading("jsonl", rules=LineRules(trusted=True))
    ((read, _),) = read_lines(io.BytesIO(json.dumps(line).encode()), reading).items
    if isinstance(read, BatchItem):
        check("input", line)
    else:
        with pytest.raises(jsonschema.ValidationError):
            check("input", line)
