"""What a line that begins with a slash does in a chat."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import click

from complaint_llm.chats import TurnUsage
from complaint_llm.cli.attached_files import file_parts
from complaint_llm.cli.chat.session import ChatSession
from complaint_llm.cli.chat.transcript import content_text, save
from complaint_llm.cli.terminal import tell, tell_wrapped
from complaint_llm.cli.token_words import in_and_out
from complaint_llm.exceptions import ComplaintLLMError

NONE = "-"
"""An argument that takes a setting away."""


class LeaveChat(Exception):  # noqa: N818 - no error
    """The user wants to leave."""


class ChatCommand(NamedTuple):
    """``act`` is given the session and what stands behind the name; it returns a prompt to ask, or None."""

    argument: str
    meaning: str
    act: Callable[[ChatSession, str], str | None]


def obey(session: ChatSession, line: str) -> str | None:
    """Do what a line says. Returns a prompt to ask, or None. Raises LeaveChat."""
    name, _, argument = line.partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        near = get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else "/help lists them"
        tell(f"no command {name}; {hint} (a prompt that begins with a slash: put a space before it)")
        return None
    try:
        return command.act(session, argument.strip())
    except click.ClickException as error:
        tell(error.format_message())
    except ComplaintLLMError as error:
        tell(str(error))
    except OSError as error:
        tell(f"{error.filename or name}: {error.strerror or error}")
    return None


def _help(session: ChatSession, argument: str) -> None:
    widest = max(len(f"{name} {command.argument}") for name, command in COMMANDS.items())
    for name, command in COMMANDS.items():
        tell_wrapped(f"{f'{name} {command.argument}':<{widest}}  {command.meaning}", widest + 2)
    tell_wrapped('A line with """ begins a text of several lines, and another one ends it; what is pasted is one text.')
    tell_wrapped("Ctrl-C stops an answer, Ctrl-D at the beginning of a line leaves.")


def _backend(session: ChatSession, id: str) -> None:
    if not id:
        params = {name: value for name, value in session.params().items() if name != "backend"}
        for each in session.mediator.explain("x", **params).candidates:
            chosen = "*" if each.backend == session.conversation.settings.backend else " "
            tell(f"{chosen} {each.backend}{f': {each.skip}' if each.skip else ''}")
        return
    wanted = None if id == NONE else id
    session.check(backend=wanted, model=None)
    former = session.conversation.settings.model
    session.change(backend=wanted, model=None)
    rest = "" if former is None else f"; the model is its own again, not {former}"
    tell(f"the config's order again{rest}" if wanted is None else f"asking {wanted} from now on{rest}")


def _model(session: ChatSession, name: str) -> None:
    if not name:
        tell(session.conversation.settings.model or "each backend's own model")
        return
    wanted = None if name == NONE else name
    session.check(model=wanted)
    session.change(model=wanted)
    tell(f"asking {'each backend for its own model' if wanted is None else f'for {wanted}'} from now on")


def _system(session: ChatSession, text: str) -> None:
    if not text:
        tell(session.conversation.settings.system or "there is no system prompt")
        return
    session.change(system=None if text == NONE else text)
    tell("no system prompt from now on" if text == NONE else "the system prompt is another one from now on")


def _file(session: ChatSession, argument: str) -> None:
    if argument:
        path, pages = _path_and_pages(argument)
        session.parts += file_parts((path,), pages)
    for part in session.parts:
        tell(f"goes with the next prompt: {getattr(part, 'name', None) or 'an image'}")
    if not session.parts:
        tell("no file goes with the next prompt")


def _path_and_pages(argument: str) -> tuple[str, str | None]:
    """The path as it stands, or in the quotes and backslashes of a shell, with pages behind it."""
    plain = Path(argument).expanduser()
    if plain.exists():
        return str(plain), None
    try:
        path, *rest = shlex.split(argument)
    except ValueError:
        return argument, None
    path = str(Path(path).expanduser())
    return (path, rest[0] if rest else None) if len(rest) < 2 and Path(path).exists() else (argument, None)


def _save(session: ChatSession, argument: str) -> None:
    if not argument:
        raise click.UsageError("/save PATH: give the name of a file")
    path = Path(argument).expanduser()
    if path.exists() and path.resolve() not in session.wrote:
        raise click.UsageError(f"{path} is there already: give another name")
    save(session.conversation, path, again=path.resolve() in session.wrote)
    session.wrote.add(path.resolve())
    tell(f"saved {session.conversation.length_in_words} to {path}")


def _usage(session: ChatSession, argument: str) -> None:
    by: dict[tuple[str, str], list[TurnUsage]] = {}
    for turn in session.conversation.turns:
        if turn.usage is not None:
            by.setdefault((turn.usage.backend, turn.usage.model), []).append(turn.usage)
    for (backend, model), answers in by.items():
        costs = [each.cost for each in answers]
        known = sum(cost for cost in costs if cost is not None)
        unknown = sum(cost is None for cost in costs)
        price = f"${known:.6f}" + (f" and {unknown} of unknown price" if unknown else "")
        if unknown == len(costs):
            price = "price unknown"
        complete = all(each.prompt_tokens and each.completion_tokens for each in answers)
        tokens = (sum(each.prompt_tokens for each in answers), sum(each.completion_tokens for each in answers))
        who = f"{backend} ({model})" if model else backend
        count = f"{len(answers)} answer{'' if len(answers) == 1 else 's'}"
        tell(f"{who}: {count}, {in_and_out(*tokens, complete=complete)}, {price}")
    cut = sum(turn.cut for turn in session.conversation.turns)
    if cut:
        tell(f"{cut} cut off: what they cost was not said")
    if not session.conversation.turns:
        tell("nothing was answered yet")


def _undo(session: ChatSession, argument: str) -> None:
    try:
        turn = session.take_back()
    except IndexError:
        tell("there is no turn to take back")
        return
    words = " ".join(content_text(turn.question).split())
    tell(f"taken back: {words if len(words) <= 60 else f'{words[:57]}...'}")


def _clear(session: ChatSession, argument: str) -> None:
    session.begin_anew()
    tell("a new conversation, under the same settings")


def _edit(session: ChatSession, argument: str) -> str | None:
    text = click.edit(argument or None)
    if text is None or not text.strip():
        tell("nothing was written: nothing is asked")
        return None
    return text.strip("\n")


def _quit(session: ChatSession, argument: str) -> None:
    raise LeaveChat


COMMANDS: Mapping[str, ChatCommand] = {
    "/help": ChatCommand("", "this list", _help),
    "/backend": ChatCommand(
        "[ID]", "ask this backend from now on; - the config's order; alone: what there is", _backend
    ),
    "/model": ChatCommand("[NAME]", "ask for this model; - each backend's own", _model),
    "/system": ChatCommand("[TEXT]", "another system prompt; - none", _system),
    "/file": ChatCommand("PATH [PAGES]", "a document or image for the next prompt; it stays in that turn", _file),
    "/edit": ChatCommand("[TEXT]", "write the next prompt in $EDITOR", _edit),
    "/undo": ChatCommand("", "take the last turn back", _undo),
    "/clear": ChatCommand("", "begin a new conversation", _clear),
    "/usage": ChatCommand("", "tokens and price so far", _usage),
    "/save": ChatCommand("PATH", "write the conversation to a file: Markdown, or messages as .json", _save),
    "/quit": ChatCommand("", "leave (Ctrl-D too)", _quit),
}
"""Names and what they do, in the order of ``/help``."""
