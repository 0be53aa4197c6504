"""``complaint-llm generate``: one prompt, one answer."""

from __future__ import annotations

import json
from typing import Any

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.options import SECONDS, Finite
from complaint_llm.cli.streams import read_all
from complaint_llm.cli.terminal import write
from complaint_llm.messages import InferenceOutput


@click.command()
@click.argument("prompt")
@click.option("-s", "--system", help="The system prompt.")
@click.option("-b", "--backend", help="Ask only this backend (its id).")
@click.option("-m", "--model", help="Ask for this model.")
@click.option("--max-tokens", type=click.IntRange(1), help="The longest answer, in tokens.")
@click.option("--temperature", type=Finite(0, 2), help="Sampling temperature.")
@click.option("--timeout", type=SECONDS, help="Seconds for the whole call.")
@click.option("--stream", is_flag=True, help="Print the answer as it comes.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole output as JSON.")
@click.pass_obj
def generate(app: App, /, prompt: str, stream: bool, as_json: bool, **given: Any) -> None:
    """Ask PROMPT ("-" reads it from standard input) and print the answer.

    Example: complaint-llm generate "Extract the legal claims from: ..." --max-tokens 500
    """
    if prompt == "-":
        prompt = read_all()
    if not prompt.strip():
        raise click.UsageError("the prompt is empty: nothing was asked")
    params = {key: value for key, value in given.items() if value is not None}
    with app.open_mediator() as mediator:
        if stream and not as_json:
            for piece in mediator.stream_generate(prompt, **params):
                write(piece, end="")
            write()
            return
        output = mediator.infer(prompt, **params)
    write(json.dumps(as_data(output), ensure_ascii=False, indent=2) if as_json else output.content)


def as_data(output: InferenceOutput) -> dict[str, Any]:
    """An output as JSON data."""
    data = output._asdict()
    data["token_usage"] = output.token_usage._asdict()
    data["attempts"] = [attempt._asdict() for attempt in output.attempts]
    data["tool_calls"] = [call._asdict() for call in output.tool_calls]
    data["metadata"] = dict(output.metadata)
    del data["extra"]
    return data
