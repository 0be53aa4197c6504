"""What would leave this machine, printed: ``explain --guard`` and ``batch --preview``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from complaint_llm.client.preview import Preview


def preview_lines(previews: Sequence[Preview]) -> Iterator[str]:
    """Each different form once, with the backends that would be asked it."""
    forms: dict[str, list[Preview]] = {}
    for each in previews:
        if each.skip is not None:
            yield f"{each.backend}: not asked: {each.skip}"
        else:
            data = {**each.as_data(), "backend": None}
            forms.setdefault(json.dumps(data, ensure_ascii=False, default=dict), []).append(each)
    for same in forms.values():
        first = same[0]
        where = "leaves this machine" if first.leaves else "stays on this machine"
        yield f"to {', '.join(each.backend for each in same)} ({where}):"
        yield from _form_lines(first)
        if not first.guards:
            yield "  no guard stands before it"
        for guard in first.guards:
            yield f"  {replaced_line(guard['name'], guard['counts'], tense='would be')}"


def replaced_line(name: str, counts: Mapping[str, int], tense: str = "were") -> str:
    """What a guard replaced, by what found it: "guard pseudonyms: 3 by list, 1 by pattern"; and what it did not."""
    said = ", ".join(f"{count:,} by {source}" for source, count in counts.items())
    listed = f"; names not listed {tense} sent as written" if "list" in counts else ""
    return f"guard {name}: replaced {said or 'what it does not count'}{listed}"


def _form_lines(form: Preview) -> Iterator[str]:
    for message in form.messages:
        data: dict[str, Any] = message.to_dict()
        content = data.pop("content", "")
        role = data.pop("role")
        yield f"  [{role}]" + (f" {json.dumps(data, ensure_ascii=False)}" if data else "")
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        yield from (f"  {line}" for line in text.splitlines())
    for tool in form.tools:
        yield f"  [tool] {json.dumps(tool._asdict(), ensure_ascii=False, default=dict)}"
    if form.schema is not None:
        yield f"  [schema] {json.dumps(form.schema, ensure_ascii=False, default=dict)}"
    if form.params:
        yield f"  [parameters] {json.dumps(dict(form.params), ensure_ascii=False, default=str)}"
