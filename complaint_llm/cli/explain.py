"""``complaint-llm explain``: what would happen to a prompt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.preview import preview_lines
from complaint_llm.cli.streams import read_all
from complaint_llm.cli.table import print_table
from complaint_llm.cli.terminal import write

if TYPE_CHECKING:
    from complaint_llm.client.preview import Preview
    from complaint_llm.routing.explain import Considered, Explanation


@click.command()
@click.argument("prompt")
@click.option("-s", "--system", help="The system prompt.")
@click.option("-b", "--backend", help="Only this backend (its id).")
@click.option("-m", "--model", help="With this model.")
@click.option("--max-tokens", type=click.IntRange(1), help="The longest answer, in tokens.")
@click.option("--privacy", type=click.Choice(["local"]), help="Nothing may leave this machine.")
@click.option("--guard", is_flag=True, help="Show instead what each backend would be asked: exactly what would leave.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def explain(app: App, /, prompt: str, guard: bool, as_json: bool, **given: Any) -> None:
    """Show which backends would be tried for PROMPT ("-" reads standard input), in which order, what each may cost
    at most, and how its limits stand. Nothing is sent. Exit code 1 if none would be asked.

    Example: complaint-llm explain "Extract the legal claims from: ..." --max-tokens 500
    """
    if prompt == "-":
        prompt = read_all()
    params = {key: value for key, value in given.items() if value is not None}
    with app.open_mediator() as mediator:
        if guard:
            _print_previews(mediator.preview(prompt, **params), as_json=as_json)
            return
        explanation = mediator.explain(prompt, **params)
    if as_json:
        write(json.dumps(_data(explanation), ensure_ascii=False, indent=2))
    else:
        _print(explanation)
    if explanation.first is None:
        raise SystemExit(1)


def _print_previews(previews: Sequence[Preview], *, as_json: bool) -> None:
    if as_json:
        write(json.dumps([each.as_data() for each in previews], ensure_ascii=False, indent=2, default=dict))
    else:
        for line in preview_lines(previews):
            write(line)
    if all(each.skip is not None for each in previews):
        raise SystemExit(1)


def _print(explanation: Explanation) -> None:
    write(f"strategy: {explanation.strategy}")
    print_table(("backend", "asked", "prompt", "answer", "at most", ""), map(_row, explanation.candidates))
    for id, reason in explanation.left_out:
        write(f"left out: {id}: {reason}")


def _row(each: Considered) -> tuple[str, ...]:
    estimate = each.estimate
    longest = "?" if estimate.completion_tokens is None else str(estimate.completion_tokens)
    cost = "?" if estimate.cost is None else f"${estimate.cost:.6f}"
    states = each.skip or "; ".join(f"{state.name}: {state.line}" for state in each.states)
    return each.backend, "no" if each.skip else "yes", f"~{estimate.prompt_tokens}", longest, cost, states


def _data(explanation: Explanation) -> dict[str, Any]:
    return {
        "strategy": explanation.strategy,
        "candidates": [
            {
                **each._asdict(),
                "estimate": each.estimate._asdict(),
                "states": [state._asdict() for state in each.states],
            }
            for each in explanation.candidates
        ],
        "left_out": dict(explanation.left_out),
    }
