"""Each text of a request and of an answer is changed, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel

from complaint_llm.guards.guard import GuardRequest
from complaint_llm.guards.texts import map_output
from complaint_llm.messages import Citation, Document, ImagePart, InferenceOutput, Message, TextPart, Tool, ToolCall

WORDS = "Maria Lopez"


def hide(text: str) -> str:
    return text.replace(WORDS, "[NAME_1]").replace("6175550142", "[PHONE_1]")


def restore(text: str) -> str:
    return text.replace("[NAME_1]", 'Maria "Mia"\nLopez')


def restore_json(text: str) -> str:
    return text.replace("[NAME_1]", json.dumps('Maria "Mia"\nLopez')[1:-1])


RESTORED = 'Maria "Mia"\nLopez'


def messages(*given: Message) -> list[Message]:
    return list(GuardRequest(given).map_text(hide).messages)


def test_texts_of_turns_are_changed_and_images_files_and_state_are_not() -> None:
    """A turn's text, its parts, its speaker; not what a provider signed, an id, a tool's name."""
    image, file, state = ImagePart(url="https://x/Maria Lopez"), Document(data=b"Maria Lopez"), {"signature": WORDS}
    given = Message("user", (TextPart(f"I am {WORDS}"), image, file), name=WORDS, extra=state)
    tool = Message("tool", f"{WORDS} lives", tool_call_id=WORDS, name=WORDS)
    changed, result, system = messages(given, tool, Message("system", WORDS))
    assert changed.content == (TextPart("I am [NAME_1]"), image, file)
    assert (changed.name, changed.extra) == ("[NAME_1]", state)
    assert (result.content, result.name, result.tool_call_id) == ("[NAME_1] lives", WORDS, WORDS)
    assert system.content == "[NAME_1]"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('{"who": "Maria Lopez"}', {"who": "[NAME_1]"}),
        ('{"who": "Maria\\u0020Lopez", "n": 1}', {"who": "[NAME_1]", "n": 1}),
        ('{"a": {"b": ["x", "Maria Lopez", null, true]}}', {"a": {"b": ["x", "[NAME_1]", None, True]}}),
        ('{"Maria Lopez": 1}', {"[NAME_1]": 1}),
        ('{"phone": 6175550142}', {"phone": "[PHONE_1]"}),
        ('{"x": 1.5, "y": -3, "z": "6175550142"}', {"x": 1.5, "y": -3, "z": "[PHONE_1]"}),
        ('{"q": "say \\"Maria Lopez\\""}', {"q": 'say "[NAME_1]"'}),
        ("{}", {}),
        ('{"é": "ü"}', {"é": "ü"}),
        ('[{"who": "Maria Lopez"}]', None),
        ("Maria Lopez, no JSON", None),
    ],
)
def test_arguments_of_tools_are_changed_inside_their_json(raw: str, expected: Any) -> None:
    """Each string by itself, a number that must not leave as a string; what is no JSON is a text."""
    call = ToolCall("1", "look_up", json.loads(raw) if expected is not None else None, raw)
    (changed,) = messages(Message("assistant", "", (call,)))[0].tool_calls
    assert changed.arguments == expected
    assert WORDS not in changed.arguments_text
    if expected is not None:
        assert json.loads(changed.arguments_text) == expected


def test_arguments_that_were_changed_since_they_came_are_what_is_sent() -> None:
    """The text that came is not looked at any more."""
    call = ToolCall("1", "look_up", {"who": WORDS}, '{"who": "somebody"}')
    (changed,) = messages(Message("assistant", "", (call,)))[0].tool_calls
    assert json.loads(changed.arguments_text) == {"who": "[NAME_1]"}


SCHEMA = {
    "$id": "Maria Lopez",
    "type": "object",
    "title": "Of Maria Lopez",
    "description": "Maria Lopez",
    "required": ["Maria Lopez"],
    "properties": {
        "Maria Lopez": {"type": "string", "description": "what Maria Lopez said", "pattern": "Maria Lopez"},
        "description": {"enum": ["Maria Lopez", 3], "default": "Maria Lopez", "examples": [["Maria Lopez"]]},
        "one": {"anyOf": [{"const": "Maria Lopez"}, {"$ref": "#/$defs/Maria Lopez"}]},
    },
    "$defs": {"Maria Lopez": {"items": {"title": "Maria Lopez"}}},
}


def test_the_words_of_schemas_are_changed_and_the_names_of_properties_stay() -> None:
    """Descriptions, titles, enums, constants, defaults, examples: of a tool's parameters and of the answer's shape."""
    tool = Tool("Maria Lopez", "asks Maria Lopez", SCHEMA)
    changed = GuardRequest(tools=[tool], schema=SCHEMA, parameters={"stop": ["Maria Lopez", "x"]}).map_text(hide)
    for schema in (changed.schema, changed.tools[0].parameters):
        assert schema is not None
        assert schema["properties"] == {
            "Maria Lopez": {"type": "string", "description": "what [NAME_1] said", "pattern": "Maria Lopez"},
            "description": {"enum": ["[NAME_1]", 3], "default": "[NAME_1]", "examples": [["[NAME_1]"]]},
            "one": {"anyOf": [{"const": "[NAME_1]"}, {"$ref": "#/$defs/Maria Lopez"}]},
        }
        assert schema["$defs"] == {"Maria Lopez": {"items": {"title": "[NAME_1]"}}}
        assert (schema["title"], schema["required"], schema["$id"]) == ("Of [NAME_1]", ["Maria Lopez"], "Maria Lopez")
    assert (changed.tools[0].name, changed.tools[0].description) == ("Maria Lopez", "asks [NAME_1]")
    assert changed.parameters == {"stop": ["[NAME_1]", "x"]}
    assert "[NAME_1]" not in json.dumps(SCHEMA)


def answer(content: str = "[NAME_1]", **more: Any) -> InferenceOutput[Any]:
    return map_output(InferenceOutput(content, **more), restore, restore_json)


def test_texts_of_an_answer_are_restored_and_signed_state_is_not() -> None:
    """Content, reasoning, commentary, arguments of tools, in their JSON."""
    call = ToolCall("1", "look_up", {"who": "[NAME_1]"}, '{"who": "[NAME_1]"}')
    found = answer(
        reasoning="is [NAME_1]?",
        tool_calls=(call,),
        extra={"s": "[NAME_1]"},
        metadata={"commentary": "[NAME_1]", "n": 1},
    )
    assert (found.content, found.reasoning) == (RESTORED, f"is {RESTORED}?")
    assert found.tool_calls[0].arguments == json.loads(found.tool_calls[0].arguments_raw) == {"who": RESTORED}
    assert (found.extra, found.metadata) == ({"s": "[NAME_1]"}, {"commentary": RESTORED, "n": 1})


def test_content_that_was_parsed_is_json_after_it_is_restored() -> None:
    """What stands in the content is what stands in the parsed value."""
    found = answer('{"who": "[NAME_1]", "[NAME_1]": [1]}', parsed={"who": "[NAME_1]", "[NAME_1]": [1]})
    assert json.loads(found.content) == found.parsed == {"who": RESTORED, RESTORED: [1]}


class Party(BaseModel):
    model_config = ConfigDict(extra="forbid")
    who: str = Field(alias="Who")
    age: int = 0
    note: str | None = None


class Claims(BaseModel):
    parties: list[Party]
    by_name: dict[str, Party] = {}
    pair: tuple[str, int] = ("", 0)


class Strict(BaseModel):
    who: str = Field(max_length=12)


def test_an_object_of_a_pydantic_class_is_made_anew_by_its_class() -> None:
    """With aliases, nested objects and what was not set; one in which there is nothing to restore is itself."""
    party = Party.model_validate({"Who": "[NAME_1]", "age": 3})
    claims = Claims(parties=[party], by_name={"[NAME_1]": party}, pair=("[NAME_1]", 2))
    found = answer(parsed=claims).parsed
    assert isinstance(found, Claims)
    assert (found.parties[0].who, found.by_name[RESTORED].age, found.pair) == (RESTORED, 3, (RESTORED, 2))
    assert found.parties[0].model_fields_set == {"who", "age"}
    assert answer(parsed=RootModel[list[str]](["[NAME_1]"])).parsed.root == [RESTORED]
    same = Party.model_validate({"Who": "x"})
    assert answer(parsed=same).parsed is same


def test_an_object_that_no_longer_fits_its_class_is_an_error_without_the_words() -> None:
    """The name is longer than what the class allows."""
    with pytest.raises(ValueError, match="no Strict any more") as caught:
        answer(parsed=Strict(who="[NAME_1]"))
    assert "Mia" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("before", ["", "a ", "[NAME_1] ", "[NAME_1] and [NAME_1], "])
@pytest.mark.parametrize("cited", ["x", "[NAME_1]", "so [NAME_1] said", "[NAME_1][NAME_1]"])
def test_places_of_citations_move_with_the_content(before: str, cited: str) -> None:
    """A slice of the restored content is what was cited, restored."""
    content = f"{before}{cited} and [NAME_1]."
    citation = Citation(cited_text=cited, start=len(before), end=len(before) + len(cited), page=3, url="u/[NAME_1]")
    found = answer(content, citations=(citation, Citation(title="[NAME_1]")))
    moved, other = found.citations
    assert found.content[moved.start : moved.end] == moved.cited_text == restore(cited)
    assert (moved.page, moved.url, other.start, other.title) == (3, "u/[NAME_1]", None, RESTORED)
