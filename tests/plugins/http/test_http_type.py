"""The http type: an API that the config describes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from complaint_llm_plugins.backends.http.backend import TemplateBackend
from complaint_llm_plugins.backends.http.template import UNSET, BodyTemplate, resolve
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends.wire.parameters import UNSUPPORTED
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import ConfigError, InvalidRequestError, ResponseFormatError
from complaint_llm.request import Request, as_messages


def backend(body: Any, **keys: Any) -> TemplateBackend:
    return TemplateBackend(**{"base_url": "http://127.0.0.1:1", "text": "/answer", "body": body, **keys})


def request(prompt: Any = "hi", **fields: Any) -> Request:
    return Request(as_messages(prompt), Deadline(5), CancelToken(), **fields)


def test_placeholders_become_values_of_their_own_type() -> None:
    template = {
        "q": "{prompt}",
        "n": "{max_tokens}",
        "t": "{temperature}",
        "all": "{params}",
        "m": ["{model}", 7, None],
    }
    wire = backend(template).encode(request(model="m1", params={"max_tokens": 9, "stop": ["a"]}))
    assert wire.body == {"q": "hi", "n": 9, "all": {"max_tokens": 9, "stop": ["a"]}, "m": ["m1", 7, None]}


def test_a_text_around_a_placeholder_stays_text_and_braces_are_doubled() -> None:
    wire = backend({"q": "Q: {prompt} {{x}} {max_tokens}"}).encode(request(params={"max_tokens": 9}))
    assert wire.body == {"q": "Q: hi {x} 9"}


def test_messages_keep_their_roles() -> None:
    wire = backend({"chat": "{messages}", "flat": "{prompt}"}).encode(
        request("hi", model="m")._replace(messages=as_messages("hi", "Be brief."))
    )
    assert wire.body == {
        "chat": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        "flat": "system: Be brief.\n\nuser: hi",
    }


@given(st.text())
def test_a_prompt_can_never_become_structure(prompt: str) -> None:
    wire = backend({"a": {"b": "{prompt}", "c": "x {prompt}"}}).encode(request(prompt))
    assert wire.body == {"a": {"b": prompt, "c": f"x {prompt}"}}
    assert json.loads(json.dumps(wire.body)) == wire.body


def test_a_text_that_needs_an_unset_value_is_refused_before_sending() -> None:
    with pytest.raises(InvalidRequestError, match="max_tokens") as caught:
        backend({"q": "{prompt} in {max_tokens} words"}).encode(request())
    assert caught.value.sent is False


def test_a_parameter_without_a_place_in_the_template_is_unsupported() -> None:
    asked = request(params={"temperature": 0.1, "top_k": 3})
    lenient = backend({"q": "{prompt}", "t": "{temperature}"}, unsupported_parameters="drop")
    assert lenient.encode(asked).body == {"q": "hi", "t": 0.1}
    assert lenient.decode({"answer": "a"}, asked).metadata == {UNSUPPORTED: ["top_k"]}
    strict = backend({"q": "{prompt}", "t": "{temperature}"}, unsupported_parameters="error")
    with pytest.raises(InvalidRequestError, match="top_k"):
        strict.encode(asked)


def test_the_model_in_the_endpoint_cannot_leave_its_place() -> None:
    wire = backend({"q": "{prompt}"}, endpoint="/m/{model}/generate").encode(request(model="../x?y"))
    assert wire.path == "/m/..%2Fx%3Fy/generate"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"body": {"q": "{prompt}", "x": ["{temprature}"]}}, r"/x/0: no placeholder \{temprature\}"),
        ({"body": {"q": "{prompt} {"}}, "/q: a single {"),
        ({"body": {"q": "fixed"}}, "neither"),
        ({"body": {"q": "{prompt}"}, "text": "answer"}, "JSON pointer"),
        ({"body": {"q": "{prompt}"}, "text": "/a~2"}, "JSON pointer"),
        ({"body": {"q": "{prompt}"}, "endpoint": "/{prompt}"}, "no placeholder"),
    ],
)
def test_a_description_that_cannot_work_is_a_config_error_naming_the_place(keys: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        backend(**keys)


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("", {"a/b": {"~": ["x", {"": "y"}]}, "0": "z"}),
        ("/a~1b/~0/0", "x"),
        ("/a~1b/~0/1/", "y"),
        ("/0", "z"),
        ("/a~1b/~0/01", UNSET),
        ("/a~1b/~0/-", UNSET),
        ("/a~1b/~0/2", UNSET),
        ("/a~1b/~0/99999999999999999999", UNSET),
        ("/a~1b/~0/²", UNSET),
        ("/nothing", UNSET),
        ("/0/0", UNSET),
    ],
)
def test_a_json_pointer_leads_to_its_value_or_nowhere(pointer: str, found: Any) -> None:
    assert resolve({"a/b": {"~": ["x", {"": "y"}]}, "0": "z"}, pointer) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(JSON, st.sampled_from(["/answer", "/answer/0", "/0/text", ""]))
def test_any_answer_is_a_text_or_a_format_error(payload: Any, pointer: str) -> None:
    for body in (payload, {"answer": payload}):
        try:
            output = backend({"q": "{prompt}"}, text=pointer).decode(body, request())
        except ResponseFormatError as error:
            assert pointer in str(error)  # noqa: PT017
        else:
            assert isinstance(output.content, str)


@given(JSON)
def test_any_template_is_filled_or_refused_by_its_place(template: Any) -> None:
    try:
        filled = BodyTemplate(template, frozenset(("prompt",))).fill({"prompt": "x"})
    except ValueError as error:
        assert str(error).startswith("/")  # noqa: PT017
    else:
        json.dumps(None if filled is UNSET else filled)
