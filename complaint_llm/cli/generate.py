"""``complaint-llm generate``: one prompt, one answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from complaint_llm.cli.answer_options import answer_options, answer_params, streams
from complaint_llm.cli.app import App
from complaint_llm.cli.attached_files import file_parts, with_parts
from complaint_llm.cli.call_options import usage_line
from complaint_llm.cli.code_blocks import code_blocks
from complaint_llm.cli.live_answer import LiveAnswer, say_findings, whom
from complaint_llm.cli.sign_of_life import SignOfLife
from complaint_llm.cli.streams import read_piped
from complaint_llm.cli.terminal import tell, write
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import InferenceOutput


@click.command()
@click.argument("prompt", required=False)
@answer_options
@click.option("-x", "--extract", is_flag=True, help="Print the first fenced code block of the answer, and no more.")
@click.option("--xl", "--extract-last", "extract_last", is_flag=True, help="The last one.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole output as JSON.")
@click.pass_obj
def generate(
    app: App,
    /,
    prompt: str | None,
    extract: bool,
    extract_last: bool,
    as_json: bool,
    usage: bool,
    **given: Any,
) -> None:
    """Ask PROMPT and print the answer. What is piped in comes first, then an empty line, then PROMPT; either is enough.

    Example: complaint-llm generate "Extract the legal claims from: ..." --max-tokens 500

    Example: complaint-llm generate --task claims < intake.txt

    Example: complaint-llm generate "When does the lease end?" -f lease.pdf --pages 1-3

    Example: complaint-llm generate "A shell script that renames scans by date" -x > rename.sh
    """
    part = "first" if extract else "last" if extract_last else None
    _check_shown(extract and extract_last, part is not None, as_json, given["stream"])
    text = join_input(read_piped(wanted=prompt == "-"), "" if prompt in (None, "-") else prompt or "")
    answer = LiveAnswer()
    try:
        with SignOfLife("getting ready") as sign:
            parts = file_parts(given["files"], given["pages"])
            if not text.strip() and not parts and not given["evidence"]:
                raise click.UsageError("the prompt is empty: nothing was asked")
            params = answer_params(given)
            with app.open_mediator() as mediator, _not_sent(bool(parts)):
                sign.say(f"asking {whom(mediator, params)}")
                asked = with_parts(text, parts)
                if streams(given) and not as_json and part is None:
                    output = answer.show(mediator, asked, params, sign)
                else:
                    output = mediator.infer(asked, **params)
                    sign.erase()
                    if as_json:
                        write(json.dumps(as_data(output), ensure_ascii=False, indent=2))
                    elif part is None:
                        write(output.content)
                    else:
                        _write_block(output.content, part)
    except KeyboardInterrupt:
        tell(answer.line_of_interruption())
        raise
    if output is not None:
        say_findings(output)
        if usage:
            tell(usage_line(output))


def _check_shown(both: bool, block: bool, as_json: bool, stream: bool | None) -> None:
    """Raises UsageError for two ways of printing one answer."""
    if both:
        raise click.UsageError("-x prints the first code block, --xl the last: give one of them")
    if block and as_json:
        raise click.UsageError("-x and --xl print text, --json data: give one of them")
    if block and stream:
        raise click.UsageError("-x and --xl print a part of the whole answer, --stream each piece: give one of them")


def _write_block(text: str, place: str) -> None:
    """The first or the last code block; where there is none, the text, and a line that says so."""
    blocks = list(code_blocks(text))
    if blocks:
        write(blocks[0] if place == "first" else blocks[-1], end="")
    else:
        write(text)
        tell("no fenced code block in the answer: all of it was printed")


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
