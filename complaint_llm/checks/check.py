"""What a check is: a function over a parsed answer that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from complaint_llm.checks.finding import Finding as Finding
from complaint_llm.checks.quote import Quote
from complaint_llm.checks.quote_search import SearchableText
from complaint_llm.json_schema.annotations import AnnotatedValue, annotated_values


class CheckContext(NamedTuple):
    """What a check may know beside the parsed answer."""

    schema: Mapping[str, Any]
    texts: Sequence[SearchableText]
    """What the model was shown: user text and shown sources, never system text, templates or earlier answers."""
    quotes: Sequence[Quote]
    """Every string that the schema marks ``"x-quote": true``, looked up."""

    def places(self, parsed: Any) -> Sequence[AnnotatedValue]:
        """Every value of the answer with what the schema says of it."""
        return tuple(annotated_values(parsed, self.schema))


Check = Callable[[Any, CheckContext], Sequence[Finding]]
"""``check(parsed, context)`` gives its findings, none where all is well. It changes nothing."""
