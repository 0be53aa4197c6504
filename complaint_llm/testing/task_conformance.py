"""What every task of a plugin must be, as a pytest class: subclass it and name the plugin.

>>> class TestMine(TaskConformance):
...     plugin = "my_package.plugin"
...     answer = {"amount": 900}
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from complaint_llm.checks.answer_checks import SCHEMA
from complaint_llm.client.requests import built_in_checks
from complaint_llm.request import EMPTY
from complaint_llm.tasks.load import load_task
from complaint_llm.tasks.names import BUILT_IN
from complaint_llm.tasks.task import Task
from complaint_llm.testing.offer_conformance import OfferConformance


class TaskConformance(OfferConformance):
    """The suite. ``answer`` is one that fits the schema, ``misfit`` one that does not; ``fields`` are those of an item
    that the templates name."""

    hook = "complaint_llm_tasks"
    answer: ClassVar[Any] = None
    misfit: ClassVar[Any] = None
    fields: ClassVar[Mapping[str, str]] = EMPTY
    text: ClassVar[str] = "The rent of {amount} dollars is due {{soon}}."

    def task(self) -> Task:
        """The task, with the package's own to extend. Raises TaskError."""
        id, said = self.offer_name(), self.offer()
        if isinstance(said, Mapping):
            return load_task(id, {id: said})
        path = Path(said)
        return load_task(id, {id: json.loads(path.read_bytes())}, path.parent)

    def known_checks(self) -> Collection[str]:
        """The names of checks that the package has, and those that the plugin brings."""
        own: Mapping[str, Any] | None = getattr(import_module(self.plugin), "complaint_llm_checks", dict)()
        return {SCHEMA, *built_in_checks(), *(own or ())}

    def test_it_can_be_loaded(self) -> None:
        """Its file is there; ``extends``, lists, placeholders and the schema's file are right."""
        self.task()

    def test_its_id_is_its_own(self) -> None:
        """The tasks of the package keep their ids: one that changes them extends them under another."""
        assert self.offer_name() not in BUILT_IN, f"{self.offer_name()!r} is a task of the package"

    def test_it_has_a_title(self) -> None:
        """Pages and lists show it."""
        assert (self.task().title or "").strip(), "no title"

    def test_the_text_is_in_the_prompt_as_it_is(self) -> None:
        """Once, with its braces; and never in the system text, where it could give orders."""
        system, prompt = self.task().messages(self.text, id="1", fields=self.fields)
        assert self.text in prompt, "the item's text is not in the prompt: write {input}"
        assert self.text not in (system or ""), "the item's text is in the system text"

    def test_the_text_stands_between_marks(self) -> None:
        """Whoever wrote the text does not know the mark that ends it."""
        task = self.task()
        one = task.messages(self.text, id="1", fields=self.fields)[1].replace(self.text, "")
        other = task.messages("another", id="1", fields=self.fields)[1].replace("another", "")
        assert one != other, "no mark of the item's own: write {nonce} before and after {input}"

    def test_its_checks_are_known(self) -> None:
        """By the package or by the plugin."""
        unknown = [name for name in self.task().checks if name not in self.known_checks()]
        assert not unknown, f"no check {unknown[0]!r}"

    def test_its_schema_is_one(self) -> None:
        """JSON Schema 2020-12, of an object."""
        from jsonschema.validators import Draft202012Validator  # cold start

        schema = self.task().schema
        if schema is not None:
            Draft202012Validator.check_schema(dict(schema))
            assert schema.get("type") == "object", "an answer is an object"

    def test_its_schema_takes_right_answers_alone(self) -> None:
        """What ``answer`` and ``misfit`` say."""
        from jsonschema.validators import Draft202012Validator  # cold start

        schema = self.task().schema
        if schema is None:
            return
        check = Draft202012Validator(dict(schema))
        if self.answer is not None:
            assert check.is_valid(self.answer), next(check.iter_errors(self.answer)).message
        if self.misfit is not None:
            assert not check.is_valid(self.misfit), "the schema takes the misfit"
