"""What every guard must do, as a pytest class: subclass it and name the plugin.

>>> class TestMine(GuardConformance):
...     plugin = "my_package.plugin"
...     hides = ("4711-0815",)
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, get_args

from complaint_llm.exceptions import ConfigError
from complaint_llm.guards.guard import (
    Content,
    Guard,
    GuardedCall,
    GuardRefusal,
    GuardRequest,
    Need,
    PieceRestorer,
    TargetKind,
)
from complaint_llm.messages import InferenceOutput, Message, Tool, ToolCall
from complaint_llm.testing.expectations import error_of, expect_error, in_threads
from complaint_llm.testing.offer_conformance import OfferConformance
from complaint_llm.testing.steady_clock import running_clock

KINDS: Sequence[TargetKind] = ("local", "remote")
MOST_SECONDS = 2.0
"""For a call of 100,000 characters: a guard has five seconds, on a busy machine too."""


class GuardConformance(OfferConformance):
    """The suite. ``hides`` are texts that must not leave, each as a client writes it; ``restores`` says that the answer
    gets them back; ``refuses`` is a text that the guard lets not go."""

    hook = "complaint_llm_guards"
    hides: ClassVar[Sequence[str]] = ()
    restores: ClassVar[bool] = False
    refuses: ClassVar[str | None] = None

    def guard(self) -> Guard:
        """A guard of its own, made from ``keys``."""
        made: Guard = self.offer()(**self.keys)
        return made

    def ordinary_text(self) -> str:
        """A text with everything that is to be hidden."""
        return "The rent is due. " + " and ".join(self.hides)

    def test_it_says_what_it_is(self) -> None:
        """A Guard with a version, which asks for what there is and declares content that there is."""
        guard = self.guard()
        assert isinstance(guard, Guard), f"{type(guard).__name__} is no Guard"
        assert isinstance(guard.version, str), "version is no text"
        assert guard.version, "version is empty"
        assert guard.needs <= set(get_args(Need)), f"needs: {set(guard.needs) - set(get_args(Need))} is unknown"
        assert guard.accepts <= set(get_args(Content)), "accepts: unknown content"

    def test_an_unknown_key_is_refused(self) -> None:
        """A key of the entry that is mistyped must not be a guard that does less."""
        error = error_of(lambda: self.offer()(**{**self.keys, "no_such_key": 1}))
        assert isinstance(error, (TypeError, ConfigError)), f"{type(error).__name__} where a ConfigError belongs"

    def test_before_gives_a_request(self) -> None:
        """Of every form, for both kinds of targets, and also for an empty one."""
        for request in (GuardRequest(), *_requests(self.ordinary_text())):
            for kind in KINDS:
                assert isinstance(self.guard().for_call().before(request, kind), GuardRequest)

    def test_it_leaves_what_it_was_given(self) -> None:
        """It gives a changed request: the caller's own lists and mappings are the caller's."""
        request = _all_places(self.ordinary_text())
        same = copy.deepcopy(request)
        self.guard().for_call().before(request, "remote")
        assert request == same, "before() changed what it was given"

    def test_what_it_hides_is_hidden_everywhere(self) -> None:
        """In turns, system texts, results and arguments of tools, descriptions of tools and of the answer's shape."""
        for hidden in self.hides:
            for request in _requests(f"It is {hidden}, they said."):
                sent = self.guard().for_call().before(request, "remote")
                assert hidden not in repr(sent), f"{hidden!r} leaves in {_place_of(hidden, sent)}"

    def test_what_it_hides_comes_back(self) -> None:
        """With ``restores``: an answer that repeats what was sent says what the client wrote."""
        if not self.restores:
            return
        text = self.ordinary_text()
        call = self.guard().for_call()
        sent = call.before(_request(text), "remote").messages[-1].text
        assert call.after(InferenceOutput(sent)).content == text

    def test_a_stream_says_what_the_answer_says(self) -> None:
        """However the text is cut, its pieces joined are what ``after`` gives for the everywhere."""
        guard, text = self.guard(), self.ordinary_text()
        for size in (1, 2, 5, len(text)):
            call = guard.for_call()
            sent = call.before(_request(text), "remote").messages[-1].text
            restorer = call.pieces("text")
            pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
            streamed = sent if restorer is None else _join_pieces(restorer, pieces)
            assert streamed == call.after(InferenceOutput(sent)).content, f"in pieces of {size}"

    def test_it_counts_without_words(self) -> None:
        """Counts go into records: whole numbers under words of its own."""
        call = self.guard().for_call()
        call.before(_request(self.ordinary_text()), "remote")
        counts: Mapping[Any, Any] = call.counts()
        assert isinstance(counts, Mapping)
        assert all(isinstance(name, str) and type(count) is int for name, count in counts.items()), "no whole numbers"
        assert not [hidden for hidden in self.hides if hidden in repr(dict(counts))], "counts hold a client's words"

    def test_it_refuses_without_words(self) -> None:
        """A refusal is a GuardRefusal whose sentence does not repeat what was refused."""
        refused = self.refuses
        if refused is None:
            return
        refusal = expect_error(
            GuardRefusal, lambda: self.guard().for_call().before(_request(f"Read this: {refused}."), "remote")
        )
        assert str(refusal).strip(), "a refusal says why"
        assert refused not in str(refusal), "the refusal repeats what was refused"

    def test_many_calls_may_be_under_way(self) -> None:
        """Sixteen threads, each with a call of its own: each sends what it would send alone, and no call sees another's
        text."""
        guard = self.guard()
        texts = [f"case {number}: {self.ordinary_text()}" for number in range(64)]

        def send(number: int) -> tuple[str, str]:
            call = guard.for_call()
            text = call.before(_request(texts[number]), "remote").messages[-1].text
            return text, call.after(InferenceOutput(text)).content

        found = in_threads(send, len(texts))
        for number, (text, answer) in enumerate(found):
            alone = self.guard().for_call()
            expected = alone.before(_request(texts[number]), "remote").messages[-1].text
            assert (text, answer) == (expected, alone.after(InferenceOutput(expected)).content)

    def test_it_keeps_its_time(self) -> None:
        """A call of 100,000 characters is done in two seconds."""
        call, request = self.guard().for_call(), _request((self.ordinary_text() + "\n") * 6000)
        request = _request(request.messages[-1].text[:100_000])
        with running_clock() as clock:
            call.before(request, "remote")
            took = clock()
        assert took < MOST_SECONDS, f"it took {took:.1f} s"

    def test_closing_twice_is_closing_once(self) -> None:
        """The program that owns it may not know that it was closed."""
        guard = self.guard()
        guard.close()
        guard.close()


def _request(text: str) -> GuardRequest:
    return GuardRequest(messages=(Message("user", text),))


def _all_places(text: str) -> GuardRequest:
    schema = {"type": "object", "properties": {"a": {"type": "string", "description": text}}}
    call = ToolCall("call_1", "search", {"q": {"of": [text]}})
    return GuardRequest(
        messages=(
            Message("system", text),
            Message("user", text),
            Message("assistant", text, tool_calls=(call,)),
            Message("tool", text, tool_call_id="call_1"),
        ),
        tools=(Tool("search", text, schema),),
        schema=schema,
        parameters={"stop": [text]},
    )


def _requests(text: str) -> Iterator[GuardRequest]:
    """The text in one place, and in all."""
    everywhere = _all_places(text)
    for message in everywhere.messages:
        yield GuardRequest(messages=(message,))
    yield GuardRequest(tools=everywhere.tools)
    yield GuardRequest(schema=everywhere.schema)
    yield GuardRequest(parameters=everywhere.parameters)
    yield everywhere


def _place_of(hidden: str, sent: GuardRequest) -> str:
    places: dict[str, Any] = sent._asdict()
    return ", ".join(name for name, value in places.items() if hidden in repr(value))


def _join_pieces(restorer: PieceRestorer, pieces: Sequence[str]) -> str:
    return "".join(restorer.feed(piece) for piece in pieces) + restorer.flush()


__all__ = ["GuardConformance", "GuardedCall"]
