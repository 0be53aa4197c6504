"""Every text of a request and of an answer, changed by a function; names of tools, ids and signed state stay."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from complaint_llm import bounded_json
from complaint_llm.message_shapes import arguments_text
from complaint_llm.messages import Citation, InferenceOutput, Message, TextPart, Tool, ToolCall

TextChange = Callable[[str], str]

# Keys of a JSON Schema whose values are a machine's words, or names of properties.
_STRUCTURE = frozenset(
    (
        *("type", "format", "$ref", "$id", "$schema", "$anchor", "$dynamicRef", "$dynamicAnchor", "required"),
        *("dependentRequired", "pattern", "contentEncoding", "contentMediaType"),
    )
)
_BY_NAME = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"))


def map_message(message: Message, change: TextChange, in_json: TextChange) -> Message:
    """A turn with each of its texts changed; ``in_json`` changes a text that is JSON."""
    content: Any = message.content
    if isinstance(content, str):
        content = change(content)
    else:
        content = tuple(
            part._replace(text=change(part.text)) if isinstance(part, TextPart) else part for part in content
        )
    # The name of a tool's answer is the tool's.
    name = message.name if message.name is None or message.role == "tool" else change(message.name)
    calls = tuple(_call(call, in_json) for call in message.tool_calls)
    return message._replace(content=content, name=name, tool_calls=calls)


def map_tool(tool: Tool, change: TextChange) -> Tool:
    """A tool with its description and the words of its schema changed."""
    return Tool(tool.name, change(tool.description), map_schema(tool.parameters, change))


def map_schema(schema: Any, change: TextChange) -> Any:
    """A JSON Schema with its words changed; names of properties and what a machine reads stay."""
    if not isinstance(schema, Mapping):
        return [map_schema(each, change) for each in schema] if isinstance(schema, (list, tuple)) else schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _STRUCTURE:
            found[key] = value
        elif key in _BY_NAME and isinstance(value, Mapping):
            found[key] = {name: map_schema(each, change) for name, each in value.items()}
        elif isinstance(value, str) or key in ("enum", "const", "default", "examples", "example"):
            found[key] = map_values(value, change)
        else:
            found[key] = map_schema(value, change)
    return found


def change_in_json(change: TextChange) -> TextChange:
    """Changes a text that is JSON: each string and each number of it by itself. What is no JSON is changed whole."""

    def change_values(text: str) -> str:
        try:
            value = bounded_json.loads(text)
        except ValueError:
            return change(text)
        found = _json_values(value, change)
        return text if found == value else json.dumps(found, ensure_ascii=False)

    return change_values


def map_output(output: InferenceOutput, change_text: TextChange, change_json: TextChange) -> InferenceOutput:
    """The answer with each of its texts changed: ``change_json`` changes what is JSON (arguments of tools, the content
    of an answer that was parsed), ``change_text`` all else.

    Positions of citations move with the content. A pydantic object is made anew, and validated. Quotes, findings,
    ``extra`` and ``metadata`` but for its commentary stay. Raises ValueError if what was parsed does not fit its class.
    """
    change_content = change_text if output.parsed is None else change_json
    metadata = output.metadata
    commentary = metadata.get("commentary")
    if isinstance(commentary, str):
        metadata = {**metadata, "commentary": change_text(commentary)}
    return output._replace(
        content=change_content(output.content),
        reasoning=None if output.reasoning is None else change_text(output.reasoning),
        tool_calls=tuple(_call(call, change_json) for call in output.tool_calls),
        parsed=_map_parsed(output.parsed, change_text),
        citations=tuple(_citation(each, output.content, change_text, change_content) for each in output.citations),
        metadata=metadata,
    )


def map_values(value: Any, change: TextChange) -> Any:
    """A value of JSON with each of its strings changed, keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key) if isinstance(key, str) else key: map_values(each, change) for key, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_values(each, change) for each in value))
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)([map_values(each, change) for each in value])
    return value


def _call(call: ToolCall, in_json: TextChange) -> ToolCall:
    if call.arguments is None:
        return call._replace(arguments_raw=in_json(call.arguments_raw))
    given = arguments_text(call.arguments, call.arguments_raw)
    found = in_json(given)
    if found == given:
        return call
    arguments = bounded_json.loads(found)
    return call._replace(arguments=arguments, arguments_raw=found if call.arguments_raw else "")


def _json_values(value: Any, change: TextChange) -> Any:
    if isinstance(value, dict):
        return {change(key): _json_values(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [_json_values(each, change) for each in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        written = json.dumps(value)
        found = change(written)
        return value if found == written else found
    return change(value) if isinstance(value, str) else value


def _map_parsed(value: Any, change: TextChange) -> Any:
    if not hasattr(type(value), "model_validate"):
        return map_values(value, change)
    try:
        return _model(value, change)
    except ValueError:
        raise ValueError(f"the restored answer is no {type(value).__name__} any more") from None


def _model(model: Any, change: TextChange) -> Any:
    """An object of a pydantic class with its texts changed, made anew by its class."""
    fields = type(model).model_fields
    given = {
        name: getattr(model, name) for name in (*(model.model_fields_set & fields.keys()), *(model.model_extra or ()))
    }
    found = {name: _field(value, change) for name, value in given.items()}
    if found == given:
        return model
    if getattr(type(model), "__pydantic_root_model__", False):
        return type(model).model_validate(found["root"])
    return type(model).model_validate({_key(fields.get(name), name): value for name, value in found.items()})


def _field(value: Any, change: TextChange) -> Any:
    if hasattr(type(value), "model_validate"):
        return _model(value, change)
    if isinstance(value, Mapping):
        return {_field(key, change): _field(each, change) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and not hasattr(value, "_fields"):
        return type(value)([_field(each, change) for each in value])
    return map_values(value, change) if type(value) is str or hasattr(value, "_fields") else value


def _key(field: Any, name: str) -> str:
    """The key under which a class takes a field."""
    alias = getattr(field, "validation_alias", None)
    return alias if isinstance(alias, str) else name


def _citation(citation: Citation, content: str, change_text: TextChange, change_content: TextChange) -> Citation:
    words = None if citation.cited_text is None else change_text(citation.cited_text)
    title = None if citation.title is None else change_text(citation.title)
    start = None if citation.start is None else len(change_content(content[: citation.start]))
    end = None if citation.end is None else len(change_content(content[: citation.end]))
    return citation._replace(cited_text=words, title=title, start=start, end=end)
