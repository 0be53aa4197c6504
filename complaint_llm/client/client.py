"""The public methods of everything that answers: the Mediator, a composed backend, a backend that is used alone."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

from complaint_llm.messages import EmbeddingOutput, InferenceOutput, ModelInfo, Prompt, ToolLike

if TYPE_CHECKING:
    from types import TracebackType

    from complaint_llm.batch import Ask
    from complaint_llm.client.calls import Calls
    from complaint_llm.client.group import Member
    from complaint_llm.client.parameters import (
        BatchParameters,
        CallParameters,
        EmbeddingParameters,
        GenerateParameters,
        InferParameters,
    )
    from complaint_llm.client.streams import LiveStream, TextStream

T = TypeVar("T")


class Client(ABC):
    """What users call. Any thread may call any method.

    All of them raise the backend's own error (a BackendError) if one backend was tried, AllBackendsFailedError if
    several were; TypeError for an unknown parameter and InvalidRequestError for a wrong value, before anything is sent.
    ``client.parameters`` has the parameters with their meanings.
    """

    @property
    @abstractmethod
    def id(self) -> str:
        """The name by which configs, attempts and errors call it."""

    @abstractmethod
    def _client(self) -> Calls:
        """The calls of this client, the same object each time."""

    def as_member(self) -> Member:
        """This client as what a group is made of."""
        return self._client().member

    def generate(self, prompt: Prompt, **params: Unpack[GenerateParameters]) -> str:
        """The text of the answer to ``prompt``, a text or messages.

        >>> mediator.generate("Name one tenant's right.", max_tokens=200)  # doctest: +SKIP
        """
        return self.infer(prompt, **params).content

    def __call__(self, prompt: Prompt, **params: Unpack[GenerateParameters]) -> str:
        """The same as ``generate``."""
        return self.generate(prompt, **params)

    @overload
    def infer(
        self,
        messages: Prompt,
        tools: Sequence[ToolLike] = (),
        temperature: float | None = None,
        *,
        response_format: type[T],
        **params: Unpack[CallParameters],
    ) -> InferenceOutput[T]: ...
    @overload
    def infer(
        self,
        messages: Prompt,
        tools: Sequence[ToolLike] = (),
        temperature: float | None = None,
        **params: Unpack[InferParameters],
    ) -> InferenceOutput: ...
    def infer(
        self,
        messages: Prompt,
        tools: Sequence[ToolLike] = (),
        temperature: float | None = None,
        **params: Unpack[InferParameters],
    ) -> InferenceOutput[Any]:
        """The whole answer. With a pydantic class as ``response_format``, ``parsed`` is an instance of it.

        >>> output = mediator.infer(letter, response_format=Claims)  # doctest: +SKIP
        >>> output.parsed, output.cost, output.backend  # doctest: +SKIP
        """
        return self._client().infer(messages, tools, temperature, params)

    def infer_stream(
        self,
        messages: Prompt,
        tools: Sequence[ToolLike] = (),
        temperature: float | None = None,
        **params: Unpack[InferParameters],
    ) -> LiveStream:
        """The answer as typed events, ending with ``Done``; on failure ``StreamError`` and then the error is raised.

        >>> with mediator.infer_stream(letter) as events:  # doctest: +SKIP
        ...     texts = [event.text for event in events if isinstance(event, TextDelta)]
        """
        return self._client().stream(messages, tools, temperature, params)

    def stream_generate(self, prompt: Prompt, **params: Unpack[GenerateParameters]) -> TextStream:
        """The pieces of the answer's text. Closing or abandoning the iterator frees the connection.

        >>> for piece in mediator.stream_generate("Explain a notice to quit."):  # doctest: +SKIP
        ...     print(piece, end="")
        """
        from complaint_llm.client.streams import TextStream  # cold start: streams

        return TextStream(self.infer_stream(prompt, **params))

    generate_stream = stream_generate

    @overload
    def embed(  # type: ignore[overload-overlap]  # a text is a sequence of texts, too
        self, text: str, **params: Unpack[EmbeddingParameters]
    ) -> list[float]: ...
    @overload
    def embed(self, text: Sequence[str], **params: Unpack[EmbeddingParameters]) -> list[list[float]]: ...
    def embed(
        self, text: str | Sequence[str], **params: Unpack[EmbeddingParameters]
    ) -> list[float] | list[list[float]]:
        """The vector of a text, or the vectors of many in their order; see ``embeddings``."""
        vectors = [list(vector) for vector in self.embeddings(text, **params).vectors]
        return vectors[0] if isinstance(text, str) else vectors

    def embeddings(self, texts: str | Sequence[str], **params: Unpack[EmbeddingParameters]) -> EmbeddingOutput:
        """The vectors of a text or of many in their order, with the model that made them, its backend, usage and cost.

        All are of one model: the one of the first declared backend that has any (``embedding_model``, else ``model``
        where that is known to embed), whether or not it can be reached; another one is chosen by ``model`` or
        ``backend``.
        """
        given = (texts,) if isinstance(texts, str) else tuple(texts)
        return self._client().embed(given, params) if given else EmbeddingOutput(())

    @overload
    def batch_generate(
        self,
        prompts: Iterable[Prompt],
        max_workers: int | None = None,
        *,
        batch_size: int | None = None,
        timeout: float | None = None,
        on_error: Literal["raise"] = "raise",
        **params: Unpack[BatchParameters],
    ) -> list[str]: ...
    @overload
    def batch_generate(
        self,
        prompts: Iterable[Prompt],
        max_workers: int | None = None,
        *,
        batch_size: int | None = None,
        timeout: float | None = None,
        on_error: Literal["return"],
        **params: Unpack[BatchParameters],
    ) -> list[str | Exception]: ...
    def batch_generate(
        self,
        prompts: Iterable[Prompt],
        max_workers: int | None = None,
        *,
        batch_size: int | None = None,
        timeout: float | None = None,
        on_error: Literal["raise", "return"] = "raise",
        **params: Unpack[BatchParameters],
    ) -> list[str] | list[str | Exception]:
        """The texts in the order of the prompts, asked by ``max_workers`` threads (``batch_size`` is a synonym).

        ``timeout`` is per prompt, in seconds. Every prompt runs; then failures raise BatchError with ``.results`` and
        ``.errors``, or with ``on_error="return"`` the exceptions stand in their places.
        """
        # cold start: batches
        from complaint_llm.batch import batch_generate

        if isinstance(prompts, str):
            raise TypeError("prompts is one text: give a list of texts")
        if max_workers is not None and batch_size is not None:
            raise TypeError("max_workers and batch_size mean the same: give one of them")
        given = batch_size if max_workers is None else max_workers
        return batch_generate(
            self._asker(params, timeout),
            prompts,
            max_workers=self._client().workers if given is None else given,
            on_error=on_error,
        )

    def model_info(self) -> ModelInfo:
        """What is known of the model that answers first. Prices are None where unknown."""
        return self._client().member.model_info()

    def supports_function_calling(self) -> bool:
        """Whether tools can be given."""
        return self._client().member.supports_function_calling()

    def supports_streaming(self) -> bool:
        """Whether answers arrive piece by piece rather than whole."""
        return self._client().member.supports_streaming()

    def close(self) -> None:
        """Cancel what is in flight (its callers get an error that says so) and free every connection. Idempotent."""
        self._client().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        try:
            self.close()
        except Exception as fault:
            if error is None:
                raise
            # The error under way says more, and may carry answers: this one goes with it.
            error.add_note(f"besides, {self.id} could not be closed: {fault}")
            logging.getLogger(f"complaint_llm.backend.{self.id}").error("%s could not be closed: %s", self.id, fault)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id!r}>"

    def _asker(self, params: Mapping[str, Any], timeout: float | None) -> Ask:
        return self._client().asker(params if timeout is None else {**params, "timeout": timeout})
