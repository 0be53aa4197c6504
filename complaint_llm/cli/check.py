"""``complaint-llm check``: what of the config would work, before a night depends on it."""

from __future__ import annotations

import json

import click

from complaint_llm.cli.app import App
from complaint_llm.cli.table import print_table
from complaint_llm.cli.terminal import tell, write


@click.command()
@click.option(
    "--connect",
    is_flag=True,
    help="Also prove it: contact each backend, look for its model, try guards and plugins. No prompt is sent.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def check(app: App, connect: bool, as_json: bool) -> None:
    """Show each backend: ready, left out and why, broken, or (with --connect) unreachable; models that end; and what
    could leave this machine: the host, what a server would fetch from elsewhere, and (with --json) what is known of how
    each provider handles data. What MEDIATOR "requires" leaves out is named with the reason and its source.

    With --connect each backend is reached, all at once and within 10 seconds: in how many milliseconds, whether its
    model is in the server's list (else the names nearest to it), at what price. Guards, plugins and the tasks that they
    offer are tried, too.

    A guard, an observer, a strategy or a store of evidence that cannot be made is a line on standard error, and hides
    nothing of the rest; so is a ledger, a cache, a budget or a folder of evidence or models that could not be written
    where the config has it. Nothing is made there.

    Exit code 1 if a backend, a guard, a plugin or a kept file is broken or unreachable, 2 if the config is wrong.

    Example: complaint-llm check --connect
    """
    # cold start: a shell that completes options needs none of this
    from complaint_llm.cli.check_parts import PartFault, part_faults
    from complaint_llm.cli.checked_backends import check_backends, left_out_backends
    from complaint_llm.cli.evidence_shown import evidence_lines
    from complaint_llm.config.precautions import precautions
    from complaint_llm.exceptions import ComplaintLLMError

    for line in app.passed_over():
        tell(line)
    config = app.load_config()
    faults, evidence = part_faults(config, connect), []
    try:
        with app.open_backends() as mediator:
            findings = check_backends(mediator, connect)
            evidence = evidence_lines(mediator)
    except ComplaintLLMError as fault:
        findings, faults = left_out_backends(config), [*PartFault.each_of(fault), *faults]
    if as_json:
        write(json.dumps([finding.as_json() for finding in findings], ensure_ascii=False, indent=2))
    else:
        print_table(("backend", "type", "model", "state", "goes to", ""), [finding.as_row() for finding in findings])
    for line in (*evidence, *(fault.line for fault in faults)):
        tell(line)
    for line in precautions(config):
        tell(f"WARNING {line}")
    codes = [fault.code for fault in faults]
    codes += [1 for finding in findings if finding.state in ("broken", "unreachable")]
    if codes:
        raise SystemExit(max(codes))
