"""``complaint-llm generate``: one prompt, one answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.attached_files import file_parts, with_parts
from complaint_llm.cli.call_options import call_options, call_params, usage_line
from complaint_llm.cli.live_answer import LiveAnswer, say_findings, streams_by_itself, whom
from complaint_llm.cli.options import SECONDS, generation_option
from complaint_llm.cli.sign_of_life import SignOfLife
from complaint_llm.cli.streams import read_piped
from complaint_llm.cli.terminal import tell, write
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import InferenceOutput


@click.command()
@click.argument("prompt", required=False)
@call_options
@generation_option("max_tokens")
@generation_option("temperature")
@click.option("--timeout", type=SECONDS, help="Seconds for the whole call.")
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Print the answer as it comes. On a terminal that is so by itself, but for --json, --schema and --task.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole output as JSON.")
@click.pass_obj
def generate(app: App, /, prompt: str | None, stream: bool | None, as_json: bool, usage: bool, **given: Any) -> None:
    """Ask PROMPT and print the answer. What is piped in comes first, then an empty line, then PROMPT; either is enough.

    Example: complaint-llm generate "Extract the legal claims from: ..." --max-tokens 500

    Example: complaint-llm generate --task claims < intake.txt

    Example: complaint-llm generate "When does the lease end?" -f lease.pdf --pages 1-3
    """
    text = join_input(read_piped(wanted=prompt == "-"), "" if prompt in (None, "-") else prompt or "")
    answer = LiveAnswer()
    try:
        with SignOfLife("getting ready") as sign:
            parts = file_parts(given["files"], given["pages"])
            if not text.strip() and not parts and not given["evidence"]:
                raise click.UsageError("the prompt is empty: nothing was asked")
            params = call_params(given)
            for name in ("max_tokens", "temperature", "timeout"):
                if given[name] is not None:
                    params[name] = given[name]
            if stream is None:
                stream = streams_by_itself(given)
            with app.open_mediator() as mediator, _not_sent(bool(parts)):
                sign.say(f"asking {whom(mediator, params)}")
                asked = with_parts(text, parts)
                if stream and not as_json:
                    output = answer.show(mediator, asked, params, sign)
                else:
                    output = mediator.infer(asked, **params)
                    sign.erase()
                    write(json.dumps(as_data(output), ensure_ascii=False, indent=2) if as_json else output.content)
    except KeyboardInterrupt:
        tell(answer.line_of_interruption())
        raise
    if output is not None:
        say_findings(output)
        if usage:
            tell(usage_line(output))


@contextmanager
def _not_sent(with_files: bool) -> Iterator[None]:
    """What keeps files from being sent is an error of usage: nothing was asked."""
    try:
        yield
    except InvalidRequestError as error:
        if with_files and error.sent is False:
            raise NotSentError(str(error)) from error
        raise


class NotSentError(click.ClickException):
    """The files that were given cannot be sent; nothing was."""

    exit_code = 2


def join_input(piped: str, argument: str) -> str:
    """What was piped in, an empty line, the argument; one alone as it is."""
    return "\n\n".join(part for part in (piped.rstrip("\n"), argument) if part.strip())


def as_data(output: InferenceOutput) -> dict[str, Any]:
    """An output as JSON data."""
    data = output._asdict()
    data["token_usage"] = output.token_usage._asdict()
    data["attempts"] = [attempt._asdict() for attempt in output.attempts]
    data["tool_calls"] = [call._asdict() for call in output.tool_calls]
    data["quotes"] = [quote._asdict() for quote in output.quotes]
    data["findings"] = [finding._asdict() for finding in output.findings]
    data["metadata"] = dict(output.metadata)
    del data["extra"]
    return data
