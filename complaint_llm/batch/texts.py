"""A list of texts in, a list of texts out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from complaint_llm.batch.runner import run_batch
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from complaint_llm.batch.input.items import Ask, ItemLike


def batch_generate(
    ask: Ask, prompts: Iterable[ItemLike], *, max_workers: int = 8, on_error: Literal["raise", "return"] = "raise"
) -> list[Any]:
    """The answers' texts in the order of the prompts.

    With ``on_error="return"`` the exception stands in the place of a text that failed. With ``"raise"`` everything
    still runs, then BatchError is raised: ``.results`` has the texts, None where one failed, ``.errors`` the exceptions
    by index.

    >>> batch_generate(ask, ["Summarise: ...", "Translate: ..."], max_workers=2)  # doctest: +SKIP
    ['...', '...']
    """
    if on_error not in ("raise", "return"):
        raise ValueError(f"on_error is {on_error!r}; it is 'raise' or 'return'")
    texts: list[Any] = []
    errors: dict[int, Exception] = {}
    with run_batch(ask, prompts, max_workers=max_workers, ordered=True, digest=_no_digest) as results:
        for result in results:
            texts.append(result.output.content if result.output is not None else None)
            if result.error is not None:
                errors[result.index] = result.error
    if errors and on_error == "raise":
        index, first = next(iter(errors.items()))
        reason = str(first).partition("\n")[0]
        message = f"{len(errors)} of {len(texts)} prompts failed; the first is number {index}: {reason}"
        raise BatchError(message, results=texts, errors=errors) from first
    for index, error in errors.items():
        texts[index] = error
    return texts


def _no_digest(item: object) -> str:
    """No journal and no keys: digests would be work for nothing."""
    return ""
