"""What every check of answers must do, as a pytest class: subclass it, name the plugin and give two answers.

>>> class TestMine(CheckConformance):
...     plugin = "my_package.plugin"
...     right = {"amount": 900}
...     wrong = {"amount": -1}
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from complaint_llm.checks.check import Check, CheckContext
from complaint_llm.checks.finding import Finding
from complaint_llm.checks.quote_search import SearchableText
from complaint_llm.request import EMPTY
from complaint_llm.testing.expectations import in_threads
from complaint_llm.testing.offer_conformance import OfferConformance

LONG = 12
"""Characters from which on a text of the answer is a client's words, where a finding repeats it."""


class CheckConformance(OfferConformance):
    """The suite. ``right`` is an answer without findings, ``wrong`` one with at least one; ``schema`` is that of the
    answers, ``text`` what the model was shown."""

    hook = "complaint_llm_checks"
    right: ClassVar[Any]
    wrong: ClassVar[Any]
    schema: ClassVar[Mapping[str, Any]] = EMPTY
    text: ClassVar[str] = "The rent of 900 dollars is due on the first."

    def findings(self, parsed: Any) -> Sequence[Finding]:
        """What the check says of an answer."""
        # Of a copy: a check that changes what it is given must not change what the others look at.
        return self.findings_in(copy.deepcopy(parsed))

    def findings_in(self, parsed: Any) -> Sequence[Finding]:
        """The same, of this very object."""
        check: Check = self.offer()
        found = check(parsed, CheckContext(self.schema, (SearchableText.of(self.text),), ()))
        assert isinstance(found, (list, tuple)), f"it gives a {type(found).__name__}, no list of findings"
        return found

    def test_a_right_answer_has_no_findings(self) -> None:
        """Else every answer is asked for again."""
        assert not self.findings(self.right)

    def test_a_wrong_answer_has_findings(self) -> None:
        """Each a Finding, with a sentence."""
        found = self.findings(self.wrong)
        assert found, "it finds nothing in the wrong answer"
        assert all(isinstance(each, Finding) for each in found), "it gives what is no Finding"
        assert all(each.message.strip() for each in found), "a finding says nothing"

    def test_findings_bear_its_name(self) -> None:
        """Readers and tables know a finding by the check that made it."""
        assert {each.check for each in self.findings(self.wrong)} <= {self.offer_name()}

    def test_findings_point_into_the_answer(self) -> None:
        """By a JSON pointer to a value that is there."""
        for each in self.findings(self.wrong):
            assert _leads_somewhere(self.wrong, each.pointer), f"{each.pointer!r} leads to nothing"

    def test_findings_hold_no_words_of_the_client(self) -> None:
        """They go into logs and records."""
        texts = [text for text in (*_texts(self.wrong), self.text) if len(text) >= LONG]
        for each in self.findings(self.wrong):
            assert not [text for text in texts if text in each.message], "a finding repeats a text"

    def test_it_changes_nothing(self) -> None:
        """What is handed out is what the model said."""
        for answer in (self.right, self.wrong):
            given = copy.deepcopy(answer)
            self.findings_in(given)
            assert given == answer, "it changed the answer"

    def test_an_answer_of_another_shape_is_no_error(self) -> None:
        """A check looks at answers of any schema: what is not there has no findings."""
        nested = {"a": {"b": [1, "c"]}}
        answers: tuple[Any, ...] = (None, True, 0, "", "text", [], {}, [None], {"": None}, [[{}]], nested)
        for answer in answers:
            try:
                self.findings(answer)
            except AssertionError:
                raise
            except Exception as error:
                raise AssertionError(f"{answer!r} makes it raise {type(error).__name__}: {error}") from error

    def test_many_threads_may_use_it(self) -> None:
        """Sixteen at once find what one finds."""
        alone = [list(self.findings(self.right)), list(self.findings(self.wrong))]
        answers = (self.right, self.wrong)
        found = in_threads(lambda number: list(self.findings(answers[number % 2])))
        assert found == [alone[number % 2] for number in range(len(found))]


def _leads_somewhere(value: Any, pointer: str) -> bool:
    if pointer and not pointer.startswith("/"):
        return False
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return False
    return True


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return []
