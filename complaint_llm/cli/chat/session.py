"""A conversation that is under way: what is asked next, how it is answered, and where it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.chats import ChatFile, ChatTurn, Conversation, TurnUsage
from complaint_llm.cli.call_options import usage_line
from complaint_llm.cli.live_answer import LiveAnswer, say_findings, whom
from complaint_llm.cli.sign_of_life import SignOfLife
from complaint_llm.cli.terminal import tell, write
from complaint_llm.exceptions import ComplaintLLMError, ContextLengthError
from complaint_llm.messages import InferenceOutput, Message, TextPart

if TYPE_CHECKING:
    from complaint_llm.mediator import Mediator
    from complaint_llm.messages import Part


class ChatSession:
    """One conversation on this command line.

    ``params`` are those of every call, beside the conversation's settings. ``file`` is where it is kept, None where it
    is not. ``parts`` go with the next prompt and stay in its turn. ``wrote`` are the files that ``/save`` made.
    """

    def __init__(
        self,
        mediator: Mediator,
        conversation: Conversation,
        params: Mapping[str, Any],
        *,
        file: ChatFile | None = None,
        parts: Sequence[Part] = (),
        streams: bool = False,
        usage: bool = False,
    ) -> None:
        self.mediator = mediator
        self.conversation = conversation
        self.parts: tuple[Part, ...] = tuple(parts)
        self.wrote: set[Path] = set()
        self._params = params
        self._file = file
        self._streams = streams
        self._usage = usage

    def params(self) -> dict[str, Any]:
        """The parameters of the next call."""
        return {**self._params, **self.conversation.settings.params()}

    def check(self, **changed: Any) -> None:
        """Raise what the next call would raise for its parameters, were they ``changed``. Sends nothing."""
        params = {name: value for name, value in {**self.params(), **changed}.items() if value is not None}
        self.mediator.explain("x", **params)

    def ask(self, text: str) -> bool:
        """Ask the next prompt, and show and keep the answer. False where there is none: then all is as before.

        Raises KeyboardInterrupt where the user stopped it; what had come is kept, and marked as cut.
        """
        question = Message("user", (*self.parts, *((TextPart(text),) if text else ())) if self.parts else text)
        answer = LiveAnswer()
        try:
            output = self._answer(answer, [*self.conversation.messages(), question])
        except KeyboardInterrupt:
            self._keep_cut(question, answer)
            raise
        except ComplaintLLMError as error:
            tell(str(error))
            if isinstance(error, ContextLengthError) and self.conversation.turns:
                tell("/undo takes a turn back, /clear begins anew")
            if self.parts:
                tell("the files of that prompt go with the next one")
            return False
        self._take(ChatTurn(question, output.message(), TurnUsage.of(output)))
        say_findings(output)
        if self._usage:
            tell(usage_line(output))
        return True

    def change(self, **settings: Any) -> None:
        """Other settings from the next turn on."""
        self.conversation = self.conversation.with_settings(**settings)

    def take_back(self) -> ChatTurn:
        """Forget the last turn, also where it is kept. Raises IndexError where there is none."""
        last = self.conversation.turns[-1]
        self.conversation = self.conversation.without_last()
        self._write(lambda file: file.replace(self.conversation))
        return last

    def begin_anew(self) -> None:
        """An empty conversation under the same settings. The one of before stays where it is kept."""
        self.conversation = Conversation(self.conversation.settings)
        self.parts = ()
        if self._file is not None:
            self._file = ChatFile.new(self._file.path.parent)

    def where_kept(self) -> Path | None:
        """The file in which it is or will be kept."""
        return None if self._file is None else self._file.path

    def _answer(self, answer: LiveAnswer, messages: Sequence[Message]) -> InferenceOutput:
        params = self.params()
        with SignOfLife(f"asking {whom(self.mediator, params)}") as sign:
            if self._streams:
                return answer.show(self.mediator, messages, params, sign)
            output = self.mediator.infer(messages, **params)
            sign.erase()
            write(output.content)
            return output

    def _keep_cut(self, question: Message, answer: LiveAnswer) -> None:
        tell(answer.line_of_interruption())
        if answer.text:
            self._take(ChatTurn(question, Message("assistant", answer.text), cut=True))

    def _take(self, turn: ChatTurn) -> None:
        self.conversation = self.conversation.with_turn(turn)
        self.parts = ()
        self._write(lambda file: file.add(self.conversation))

    def _write(self, change: Callable[[ChatFile], bool]) -> None:
        if self._file is None:
            return
        fault = f"{self._file.path} was changed or deleted by another program"
        try:
            if change(self._file):
                return
        except OSError as error:
            fault = f"{error.filename or self._file.path}: {error.strerror or error}"
        tell(f"{fault}: this conversation is no longer kept")
        self._file = None
