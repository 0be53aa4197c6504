"""The guard as a whole: what it asks of its entry, one call after another, detectors, and what it lets nobody see."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.exceptions import ConfigError
from complaint_llm.guards.detector import DetectedSpan, DetectorError
from complaint_llm.guards.guard import Guard, GuardRequest
from complaint_llm.guards.presidio import PresidioDetector
from complaint_llm.guards.pseudonyms import Pseudonyms
from complaint_llm.messages import InferenceOutput, Message, Tool, ToolCall


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "names.txt").write_text("Maria Lopez\nTomasz Nowak\n")
    return tmp_path


@pytest.fixture
def guard(folder: Path) -> Pseudonyms:
    return Pseudonyms(names="names.txt", folder=folder)


def texts(guard: Guard, *turns: str, **more: Any) -> list[str]:
    """What would leave of the turns of one call."""
    given = GuardRequest([Message("user", turn) for turn in turns], **more)
    return [message.text for message in guard.for_call().before(given, "remote").messages]


def test_a_guard_that_knows_no_names_must_be_told_so() -> None:
    """Neither list nor detector is an error, unless it is meant."""
    with pytest.raises(ConfigError, match='"names": "none"'):
        Pseudonyms()
    with pytest.raises(ConfigError, match='"names": "none"'):
        Pseudonyms(patterns=["email"])
    assert texts(Pseudonyms(names="none"), "Maria, m@x.org") == ["Maria, [EMAIL_1]"]
    assert texts(Pseudonyms(detector=lambda text: []), "Maria, m@x.org") == ["Maria, [EMAIL_1]"]


def test_each_way_of_writing_has_a_token_that_gives_it_back(guard: Pseudonyms) -> None:
    """So that what comes back is what stood there, to the byte."""
    call = guard.for_call()
    given = "Maria Lopez, MARIA LOPEZ, Maria\nLopez, Maria Lopez"
    sent = call.before(GuardRequest([Message("user", given)]), "remote").messages[0].text
    assert sent == "[NAME_1], [NAME_2], [NAME_3], [NAME_1]"
    assert call.after(InferenceOutput(f"So {sent}.")).content == f"So {given}."


def test_numbers_stay_while_a_conversation_grows(guard: Pseudonyms) -> None:
    """The turns that were sent are sent again as they were, whatever comes after, so a provider's cache holds."""
    draw = random.Random(5)
    said = ["Maria Lopez", "Tomasz", "m@x.org", "[NAME_2]", "LOPEZ", "[name 4]", "617-555-0142", "nothing", "[EMAIL_1]"]
    turns = [" ".join(draw.choices(said, k=4)) for _ in range(30)]
    tools = [Tool("x", "asks Tomasz Nowak")]
    whole = texts(guard, *turns, tools=tools)
    for length in range(1, len(turns)):
        assert texts(guard, *turns[:length], tools=tools) == whole[:length]


def test_what_looks_like_a_token_comes_back_as_itself(guard: Pseudonyms) -> None:
    """Before a name, after it, and in another form of the same request."""
    call = guard.for_call()
    given = ["[NAME_1] is no Lopez", "Maria", "[NAME_2] [name_3] [NAME_4]"]
    for turn in given:
        sent = call.before(GuardRequest([Message("user", turn)]), "remote").messages[0].text
        assert "Lopez" not in sent
        assert "Maria" not in sent
        assert call.after(InferenceOutput(sent)).content == turn


def test_forms_of_one_request_share_their_tokens_and_calls_share_none(guard: Pseudonyms) -> None:
    """A document is shown as text here and as an image there: names are the same in both."""
    call = guard.for_call()
    for turns in (["Maria", "Tomasz"], ["Tomasz", "page 1: Maria"]):
        sent = call.before(GuardRequest([Message("user", turn) for turn in turns]), "remote").messages
        assert {"Maria": "[NAME_1]", "Tomasz": "[NAME_2]"}[turns[0]] == sent[0].text
    assert guard.for_call().after(InferenceOutput("[NAME_1]")).content == "[NAME_1]"


def test_what_was_replaced_is_counted_by_what_found_it(folder: Path) -> None:
    """Each way of writing once, however often the request is guarded."""
    guard = Pseudonyms(names="names.txt", folder=folder, detector=lambda text: [DetectedSpan(0, 3, "person")])
    call = guard.for_call()
    assert call.counts() == {"list": 0, "pattern": 0, "detector": 0}
    for _ in range(2):
        call.before(GuardRequest([Message("user", "Eve, Maria, MARIA, Maria, m@x.org")]), "remote")
        assert call.counts() == {"list": 2, "pattern": 1, "detector": 1}


def test_json_stays_json_and_says_what_it_said(guard: Pseudonyms) -> None:
    """Results of tools as they come, with escapes, numbers, keys and blanks of their own."""
    value = {
        "Maria Lopez": ["Lo\u00adpez", "x\nMaria\nLopez\ty", 'a "Tomasz" b'],
        "phone": "617-555-0142",
        "n": [1, 2.50],
    }
    for written in (json.dumps(value), json.dumps(value, ensure_ascii=False), json.dumps(value, indent=2)):
        call = guard.for_call()
        message = Message("assistant", written, (ToolCall("1", "x", value, written),))
        sent = call.before(GuardRequest([message]), "remote").messages[0]
        for text in (sent.text, sent.tool_calls[0].arguments_raw):
            assert json.loads(text)["n"] == [1, 2.5]
            assert not any(word in text for word in ("Maria", "Tomasz", "Lo\u00adpez", "u00adpez", "0142"))
        back = call.after(InferenceOutput(sent.text, sent.tool_calls, parsed=json.loads(sent.text)))
        assert json.loads(back.content) == back.parsed == back.tool_calls[0].arguments == value


def test_a_number_in_json_leaves_as_a_string(guard: Pseudonyms) -> None:
    """What is sent is JSON, too."""
    (sent,) = texts(guard, '{"phone": 6175550142, "card": 4111111111111111, "n": 42}')
    assert json.loads(sent) == {"phone": "[PHONE_1]", "card": "[CARD_1]", "n": 42}


def test_json_without_anything_to_hide_is_sent_as_it_is(guard: Pseudonyms) -> None:
    """To the byte, escapes and blanks and all."""
    for text in ('{"a":  "\\u00e9\\/"}', "[1,2 ]", '{"a": "\\ud83d\\ude00 \\ud800"}', "{broken", '["[NAME_1]"]'):
        assert texts(guard, text) == [text]


def test_no_repr_and_no_error_shows_a_name(guard: Pseudonyms) -> None:
    """What is shown ends in a log."""
    call = guard.for_call()
    call.before(GuardRequest([Message("user", "Maria Lopez")]), "remote")
    assert not any(word in repr((guard, call, call.pieces("text"))) for word in ("Maria", "Lopez", "lopez"))
    with pytest.raises(Exception, match=r"pickle|PseudonymsOfCall|local object|NAME") as caught:
        pickle.loads(pickle.dumps(call)).nothing  # noqa: B018
    assert "Maria" not in str(caught.value)


SPANS: list[tuple[Any, str]] = [
    ([DetectedSpan(0, 99, "person")], "0-99"), ([DetectedSpan(-1, 2, "person")], "-1-2"),
    ([DetectedSpan(3, 3, "person")], "3-3"),
    ([DetectedSpan(4, 2, "x")], "4-2"),
    ([DetectedSpan(0.0, 3, "x")], "no integers"), ([DetectedSpan(True, 3, "x")], "no integers"),
    ([DetectedSpan(0, 3, None)], "no text"),
    ([None], "NoneType"),
    ([(0, 3)], "tuple"), ("Eve", "a str"), ([DetectedSpan("0", "3", "x")], "no integers"), ([object()], "object"),
    (None, "raised TypeError"), (7, "raised TypeError"),
]  # fmt: skip


@pytest.mark.parametrize(("spans", "says"), SPANS)
def test_a_detector_that_says_what_cannot_be_ends_the_call(spans: Any, says: str) -> None:
    """Nothing is sent half guarded."""
    guard = Pseudonyms(detector=lambda text: spans)
    with pytest.raises(DetectorError, match=says):
        texts(guard, "Eve Maria Tomasz")


@pytest.mark.parametrize("error", [ValueError("Eve"), RuntimeError("Eve"), MemoryError(), KeyError("Eve"),
    StopIteration(), OSError("Eve"), AssertionError("Eve"), UnicodeError("Eve"), EOFError(),
    RecursionError()])  # fmt: skip
def test_a_detector_that_raises_ends_the_call_without_the_words(error: Exception) -> None:
    """In the first text, or in a later one."""

    def detect(text: str) -> Sequence[DetectedSpan]:
        if "Eve" in text:
            raise error
        return []

    with pytest.raises(DetectorError, match=f"^the detector raised {type(error).__name__}$"):
        texts(Pseudonyms(detector=detect), "nobody", "Eve")


def test_a_detector_sees_each_text_and_its_spans_are_replaced() -> None:
    """Turns, descriptions and JSON, where it sees letters in the place of their escapes."""
    seen: list[str] = []

    def detect(text: str) -> Sequence[DetectedSpan]:
        seen.append(text)
        return [DetectedSpan(at, at + 5, "PERSON") for at in range(len(text)) if text.startswith("Zoë B", at)]

    guard = Pseudonyms(detector=detect)
    request = GuardRequest(
        [Message("user", "I am Zoë B."), Message("tool", json.dumps({"who": "Zoë B"}), tool_call_id="1")],
        tools=[Tool("x", "of Zoë B")],
    )
    sent = guard.for_call().before(request, "remote")
    assert [message.text for message in sent.messages] == ["I am [NAME_1].", '{"who": "[NAME_1]"}']
    assert sent.tools[0].description == "of [NAME_1]"
    assert '{"who": "Zoë B"}' in seen


def test_spans_across_values_of_json_hide_each_part() -> None:
    """A detector need not know what JSON is."""
    guard = Pseudonyms(detector=lambda text: [DetectedSpan(2, len(text) - 2, "all")])
    (sent,) = texts(guard, '{"a": "Eve\\n\\u00e9", "b": 12, "c": null}')
    assert json.loads(sent).keys().isdisjoint({"a", "b", "c"})
    assert not any(word in sent for word in ("Eve", "12"))


@pytest.mark.parametrize(
    ("detector", "says"),
    [("spacy", "none called 'spacy'; there are office, presidio"), ({"name": "x"}, "give the name of one"),
    (7, "give the name of one"), ({"type": "office", "size": 3}, "unexpected keyword"), ({"type": 1},
    "give the name of one"), ("broken", "none called")],
)  # fmt: skip
def test_a_detector_that_is_none_is_an_error_of_the_config(detector: Any, says: str) -> None:
    """In words that say what there is."""
    with pytest.raises(ConfigError, match=says):
        Pseudonyms(detector=detector, detectors={"office": lambda words=(): lambda text: []})


def test_a_detector_of_a_plugin_is_made_from_its_entry() -> None:
    """By the name under which the plugin offers it, with the other keys of the entry."""

    def office(word: str) -> Any:
        return lambda text: [DetectedSpan(text.index(word), text.index(word) + len(word), "person")]

    guard = Pseudonyms(detector={"type": "office", "word": "Eve"}, detectors={"office": office})
    assert texts(guard, "I am Eve") == ["I am [NAME_1]"]
    assert guard.keeps_time is False


def test_only_what_bounds_its_own_time_runs_in_the_thread_of_the_caller(guard: Pseudonyms) -> None:
    """A detector and an own pattern are somebody else's."""
    assert guard.keeps_time is True
    assert Pseudonyms(names="none", patterns=[{"name": "x", "pattern": "x"}]).keeps_time is False


class ScriptedAnalyzer:
    """Answers as ``presidio_analyzer.AnalyzerEngine.analyze`` does."""

    class Result:
        def __init__(self, start: int, end: int, entity_type: str, score: float) -> None:
            self.start, self.end, self.entity_type, self.score = start, end, entity_type, score

    def analyze(self, text: str, language: str, entities: list[str], score_threshold: float) -> list[Result]:
        at = text.find("Eve")
        found = [self.Result(at, at + 3, "PERSON", 0.85)] if at >= 0 and "PERSON" in entities else []
        return [each for each in found if each.score >= score_threshold and language == "en"]


def test_presidio_is_a_detector() -> None:
    """By the shape of its analyzer; here a scripted one stands in its place."""
    found = {"I am Eve": "I am [NAME_1]", "Nobody": "Nobody"}
    for text, expected in found.items():
        assert texts(Pseudonyms(detector=PresidioDetector(analyzer=ScriptedAnalyzer())), text) == [expected]
    strict = PresidioDetector(analyzer=ScriptedAnalyzer(), threshold=0.9)
    assert texts(Pseudonyms(detector=strict), "I am Eve") == ["I am Eve"]


def test_presidio_without_its_extra_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the config is read, not at the first call."""
    monkeypatch.setitem(__import__("sys").modules, "presidio_analyzer", None)
    with pytest.raises(ConfigError, match=r"pip install 'complaint-llm\[presidio\]'"):
        Pseudonyms(detector="presidio")


@pytest.mark.parametrize(
    ("text", "start", "end", "expected"),
    [
        ("Maria Lopez Garcia left", 6, 18, "[NAME_1] left"),
        ("the Maria Lopez left", 0, 9, "[NAME_1] [NAME_2] left"),
        ("Maria Lopez left", 2, 7, "[NAME_1] left"),
        ("Maria Lopez left", 0, 16, "[NAME_1]"),
        ("Maria, 617-555-0142", 4, 9, "[NAME_1], [PHONE_1]"),
        ("to m@x.org now", 0, 5, "[EMAIL_1] now"),
        ("Maria Tomasz", 3, 8, "[NAME_1] [NAME_2]"),
        ("Marianne Tomasz", 5, 11, "Maria[NAME_1]"),
        ("617-555-0142 x", 10, 14, "[PHONE_1]"),
        ("Maria Tomasz", 5, 6, "[NAME_1][NAME_2][NAME_3]"),
        ("Maria Lopez, Maria Lopez", 0, 1, "[NAME_1], [NAME_1]"),
        ("Lopez, maria@x.org", 0, 1, "[NAME_1]"),
        ("[NAME_1] Lopez", 3, 12, "[NA[NAME_2]"),
    ],
)
def test_what_overlaps_is_hidden_to_its_ends(folder: Path, text: str, start: int, end: int, expected: str) -> None:
    """Of what a list, a pattern and a detector find in one place, no letter is left."""
    guard = Pseudonyms(names="names.txt", folder=folder, detector=lambda given: [DetectedSpan(start, end, "person")])
    call = guard.for_call()
    sent = call.before(GuardRequest([Message("user", text)]), "remote").messages[0].text
    assert sent == expected
    assert call.after(InferenceOutput(sent)).content == text


def test_the_analyzer_of_presidio_answers_as_the_detector_asks() -> None:
    """The library itself, with a list of its own in the place of a model that would have to be fetched."""
    presidio = pytest.importorskip("presidio_analyzer", reason="needs presidio-analyzer")
    spacy = pytest.importorskip("spacy", reason="needs spaCy")
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    engine = SpacyNlpEngine()
    engine.nlp = {"en": spacy.blank("en")}
    people = presidio.PatternRecognizer(supported_entity="PERSON", deny_list=["Eve Adams"])
    registry = presidio.RecognizerRegistry(recognizers=[people], supported_languages=["en"])
    analyzer = presidio.AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
    guard = Pseudonyms(detector=PresidioDetector(analyzer=analyzer))
    assert texts(guard, "I am Eve Adams, and so on.") == ["I am [NAME_1], and so on."]
