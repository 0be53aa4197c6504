"""``complaint-llm chat``: turns of a conversation, on a terminal or from lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from complaint_llm.chats import CHATS_PATH, ChatFile, ChatFileError, ChatSettings, Conversation, chat_files, matters_of
from complaint_llm.cli.answer_options import answer_options, answer_params, streams
from complaint_llm.cli.app import App
from complaint_llm.cli.attached_files import file_parts
from complaint_llm.cli.chat.commands import COMMANDS, LeaveChat, obey
from complaint_llm.cli.chat.prompts import TerminalPrompts, command_completion
from complaint_llm.cli.chat.session import ChatSession
from complaint_llm.cli.live_answer import whom
from complaint_llm.cli.sign_of_life import SignOfLife
from complaint_llm.cli.streams import read_lines
from complaint_llm.cli.terminal import tell, tell_wrapped
from complaint_llm.handling import strictest
from complaint_llm.messages import Document

_LEAVING = ("exit", "quit", "/exit")
"""Lines by which users of other chats leave."""


@click.command()
@answer_options
@click.option("--continue", "go_on", is_flag=True, help="Go on with the last conversation, or the last of --matter.")
@click.option(
    "--save/--no-save",
    default=None,
    help="Keep the conversation beside the config, for --continue. On a terminal that is so by itself.",
)
@click.pass_obj
def chat(app: App, /, go_on: bool, save: bool | None, usage: bool, **given: Any) -> None:
    """Hold a conversation: each answer knows what was said before. /help lists what else can be said.

    Files of -f and --evidence go with the first prompt. Ctrl-C stops an answer, Ctrl-D leaves. Without a terminal each
    line of standard input is a prompt, whatever it begins with; exit code 1 if one was not answered.

    Example: complaint-llm chat -s "You help a tenants' union." --matter 2026-0417

    Example: complaint-llm chat --continue

    Example: complaint-llm chat --no-save < questions.txt > answers.txt
    """
    terminal = sys.stdin.isatty()
    with SignOfLife("getting ready"):
        params = answer_params(given)
        parts = file_parts(given["files"], given["pages"])
        parts += tuple(Document(cid=cid) for cid in params.pop("evidence", ()))
        settings = ChatSettings(**{name: params.pop(name, None) for name in ChatSettings._fields})
        folder = app.load_config().path.parent / CHATS_PATH
        conversation, file = _going_on(folder, settings) if go_on else (Conversation(settings), ChatFile.new(folder))
        if conversation.settings.matter is None and app.load_config().mediator.get("matter_required"):
            raise click.UsageError('--matter is missing: the config says "matter_required"')
        keeps = (terminal or go_on) if save is None else save
        mediator = app.open_mediator()
    with mediator:
        session = ChatSession(
            mediator,
            conversation,
            params,
            file=file if keeps else None,
            parts=parts,
            streams=streams(given),
            usage=usage,
        )
        session.check()
        if go_on:
            tell_wrapped(_line_of_going_on(file.path, conversation))
        if terminal:
            _converse(session)
        elif not _answer_lines(session):
            raise click.exceptions.Exit(1)


def _converse(session: ChatSession) -> None:
    """Until the user leaves."""

    def backends() -> list[str]:
        return list(dict.fromkeys(leaf.id for leaf in session.mediator.as_member().leaves()))

    prompts = TerminalPrompts(command_completion(list(COMMANDS), backends))
    kept = session.where_kept()
    who = whom(session.mediator, session.params())
    tell_wrapped(f"chat with {who}; /help lists what else can be said, Ctrl-D leaves")
    tell_wrapped("this conversation is not kept" if kept is None else f"kept in {kept.parent} (--no-save: not)")
    while True:
        try:
            text = prompts.read()
            if text is None:
                tell("")
                return
            # A pasted text may begin with anything: only a single line is a command.
            if text.startswith("/") and "\n" not in text and text not in _LEAVING:
                asked = obey(session, text)
            elif text.strip() in _LEAVING:
                return
            else:
                asked = text.strip()
            if asked:
                _ask(session, asked)
        except LeaveChat:
            return
        except KeyboardInterrupt:
            tell("\nCtrl-D or /quit leaves")


def _ask(session: ChatSession, text: str) -> None:
    try:
        session.ask(text)
    except KeyboardInterrupt:
        return  # it said what was received; the chat goes on


def _answer_lines(session: ChatSession) -> bool:
    """Answer each line; whether all were answered."""
    answered = [session.ask(line) for line in read_lines() if line.strip()]
    return all(answered)


def _going_on(folder: Path, settings: ChatSettings) -> tuple[Conversation, ChatFile]:
    """The last conversation (of the matter that is named) under its own settings, and under those of now above them.

    What must not leave then must not leave now. Raises UsageError.
    """
    try:
        for path in chat_files(folder):
            if settings.matter is None or settings.matter in matters_of(path):
                file = ChatFile(path)
                conversation = file.read()
                return conversation._replace(settings=_merge(conversation.settings, settings)), file
    except (ChatFileError, OSError) as error:
        raise click.UsageError(f"--continue: {error}") from error
    of = "" if settings.matter is None else f" of matter {settings.matter}"
    raise click.UsageError(f"--continue: no conversation{of} is kept in {folder}")


def _merge(kept: ChatSettings, given: ChatSettings) -> ChatSettings:
    if given.backend is not None and given.backend != kept.backend:
        kept = kept._replace(model=None)  # it was the other backend's
    try:
        required = strictest(kept.requires, given.requires)
    except ValueError as error:
        raise click.UsageError(f"requires {error}") from error
    requires: Mapping[str, Any] | None = None
    if required is not None:
        requires = {name: value for name, value in required._asdict().items() if value is not None}
    return kept._replace(**given.params())._replace(requires=requires)


def _line_of_going_on(path: Path, conversation: Conversation) -> str:
    when = datetime.fromtimestamp(path.stat().st_mtime).astimezone().strftime("%d %B %Y %H:%M")
    settings = conversation.settings
    matter = "without a matter" if settings.matter is None else f"matter {settings.matter}"
    private = "; nothing of it may leave this machine" if settings.privacy == "local" else ""
    last = conversation.turns[-1].question.text if conversation.turns else ""
    words = " ".join(last.split())
    shown = f"; last asked: {words if len(words) <= 50 else f'{words[:47]}...'}" if words else ""
    return f"going on with the conversation of {when}, {matter}, {conversation.length_in_words}{private}{shown}"
