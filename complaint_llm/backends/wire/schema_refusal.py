"""Whether a provider refused a schema: by status, code and parameter name, never by wording.

Some providers name what is at fault. Of those that only say that something is (a bare 400), a request that carries a
schema is asked once more without it: if that is answered, it was the schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeVar

from complaint_llm.exceptions import BackendError, InvalidRequestError, ResponseFormatError
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.routing.reask import ReAsk

if TYPE_CHECKING:
    import logging

    from complaint_llm.request import Request, ResponseFormat

T = TypeVar("T")
Means = Literal["native", "partly", "json", "none"]
"""What a provider does for a shape: holds the answer to all of it, to a part of it, to being JSON, or nothing."""

_MOST_MODELS = 256
"""Names that are remembered: they come from callers."""

STATUSES: frozenset[int] = frozenset((400, 413, 422))


class SchemaRefusals(NamedTuple):
    """How one provider's wire says it. Places are those of its error bodies, matched by their beginning."""

    codes: frozenset[str] = frozenset()
    """Codes that mean the schema."""
    places: tuple[str, ...] = ()
    """Parameters in which a schema stands."""
    unspecific: frozenset[str] = frozenset()
    """Codes that every bad request has."""

    def may_be_meant(self, error: BackendError) -> bool:
        """Whether ``error`` means the schema, or may."""
        if type(error) is not InvalidRequestError or error.status not in STATUSES:
            return False
        if error.code in self.codes:
            return True
        if error.param is not None:
            return error.param.startswith(self.places)
        return error.code is None or error.code in self.unspecific


class NativeSchemas:
    """How one backend's models are asked for a shape, and which of them refused a schema. Any thread may use it."""

    __slots__ = ("_in_words", "_log", "_means", "_refuses")

    def __init__(
        self, means: Callable[[Request], Means], refuses: Callable[[BackendError], bool], log: logging.Logger
    ) -> None:
        self._means = means
        self._refuses = refuses
        self._log = log
        self._in_words: set[str | None] = set()

    def ask(self, given: Request, bound: Request, send: Callable[[Means], T]) -> T:
        """What ``send`` gives, told what the provider is to do for the shape.

        ``given`` is what the attempt was asked, ``bound`` the same with the backend's own defaults. Raises ReAsk where
        the provider refuses the schema: for the same without it. If that is answered, the model is remembered.
        """
        wanted = bound.response_format
        assert wanted is not None
        means: Means = "none" if not wanted.native or bound.model in self._in_words else self._means(bound)
        try:
            answer = send(means)
        except (ReAsk, ResponseFormatError):
            self._remember_refusal(bound.model, wanted)
            raise
        except BackendError as error:
            if means == "none" or not self._refuses(error):
                raise
            again = given._replace(response_format=wanted._replace(native=False))
            raise ReAsk("schema_refused", again, error) from error
        self._remember_refusal(bound.model, wanted)
        return answer

    def _remember_refusal(self, model: str | None, wanted: ResponseFormat) -> None:
        if wanted.native or model in self._in_words:
            return
        if len(self._in_words) < _MOST_MODELS:
            self._in_words.add(model)
        self._log.warning("%s refuses the schema: from now on it is asked for in words, and checked here", model)
