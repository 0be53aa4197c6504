"""What is checked of one answer, and against which texts. A request carries it; it is immutable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from complaint_llm.checks.check import Check, CheckContext, Finding
from complaint_llm.checks.law import check_no_law
from complaint_llm.checks.numbers import check_numbers
from complaint_llm.checks.quote_search import SearchableText
from complaint_llm.checks.quotes import MARK, check_quotes, find_quotes
from complaint_llm.checks.references import check_references

if TYPE_CHECKING:
    from complaint_llm.messages import InferenceOutput

SCHEMA = "schema"
"""The check that an answer fits its schema. It is made of every answer of a given shape, before all others."""

BUILT_IN: Mapping[str, Check] = MappingProxyType(
    {
        "quotes": check_quotes,
        "references": check_references,
        "numbers_in_quote": check_numbers,
        "no_law_added": check_no_law,
    }
)
"""The checks that the package brings, by name, beside SCHEMA."""

OnFailedCheck = Literal["mark", "error", "next"]

_MOST_TOLD = 40
"""Findings that are told to the model; an answer with more is hardly mended by a longer list."""


class AnswerChecks(NamedTuple):
    """``texts`` are what the model was shown and quotes are looked for in. ``checks`` run by name, in their order.

    ``documents`` are looked in, too; ``searchable`` is false where the model was also shown something without text.
    ``earlier`` is the first answer where this is the second.
    """

    schema: Mapping[str, Any]
    texts: tuple[str, ...]
    checks: tuple[tuple[str, Check], ...] = ()
    on_failed: OnFailedCheck = "mark"
    task: str | None = None
    task_digest: str | None = None
    demonstration: bool = False
    """Whether plain rules may answer where no model is reachable."""
    documents: tuple[SearchableText, ...] = ()
    searchable: bool = True
    earlier: InferenceOutput | None = None

    def examine(self, output: InferenceOutput) -> InferenceOutput:
        """The output with its quotes, with what the checks find, and with the task that it answers."""
        if self.task is not None:
            made_by = {"id": self.task, "digest": self.task_digest}
            output = output._replace(metadata={**output.metadata, "task": made_by})
        if output.parsed is None:
            return output
        value = plain(output.parsed)
        texts = [*map(SearchableText.of, self.texts), *self.documents]
        quotes = find_quotes(value, self.schema, texts, searchable=self.searchable)
        context = CheckContext(self.schema, texts, quotes)
        found: list[Finding] = []
        for name, check in self.checks:
            found += (Finding(name, each.pointer, each.message) for each in check(value, context))
        return output._replace(quotes=quotes, findings=tuple(found))


def plain(parsed: Any) -> Any:
    """A parsed answer as plain JSON values: of an instance of a pydantic class, what it would be written as."""
    dump = getattr(parsed, "model_dump", None)
    return parsed if dump is None else dump(mode="json", by_alias=True)


def marks_quotes(schema: Any) -> bool:
    """Whether a schema marks any string as a quote."""
    if isinstance(schema, Mapping):
        return schema.get(MARK) is True or any(marks_quotes(part) for part in schema.values())
    return isinstance(schema, list) and any(marks_quotes(part) for part in schema)


def correction_prompt(findings: Sequence[Finding]) -> str:
    """What is said to a model of what was found: places and reasons, nothing of the answer's or the client's words."""
    lines = [f"- {each.pointer or '/'}: {each.message}" for each in findings[:_MOST_TOLD]]
    if len(findings) > _MOST_TOLD:
        lines.append(f"- and {len(findings) - _MOST_TOLD} more of these kinds")
    return (
        "Some places of your answer (JSON pointers) do not hold:\n" + "\n".join(lines) + "\n"
        "Give the whole answer again. At these places replace the quote by the right words of the material, or leave "
        "out the entry and what rests on it. Change, add and reorder nothing else."
    )
