"""Runs the checks of an answer inside its attempt: the model is told once what does not hold, then it stands as it is.

A second answer counts if it is the first one mended and no worse; else the first is kept. ``metadata["reasked"]`` says
which. Whether findings are a failure is the task's matter: ``"next"`` fails this attempt, ``"error"`` the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_llm.checks.answer_checks import AnswerChecks, correction_prompt, plain
from complaint_llm.checks.mending import only_mended
from complaint_llm.exceptions import CheckFailedError
from complaint_llm.messages import InferenceOutput, Message
from complaint_llm.routing.reask import ReAsk

if TYPE_CHECKING:
    from complaint_llm.request import Request


def check_answer(given: Request, output: InferenceOutput) -> InferenceOutput:
    """The output with quotes and findings. ``given`` is what the attempt was asked.

    Raises ReAsk where something was found and the model was not told yet, CheckFailedError where the next backend is to
    be asked.
    """
    checks = given.checks
    if checks is None or output.parsed is None:
        return output if checks is None else checks.examine(output)
    output = checks.examine(output)
    if checks.earlier is not None:
        output = _better(checks, checks.earlier, output)
    elif output.findings and output.finish_reason in (None, "stop") and not output.metadata.get("demo"):
        turns = (Message("assistant", output.content), Message("user", correction_prompt(output.findings)))
        again = given._replace(messages=(*given.messages, *turns), checks=checks._replace(earlier=output))
        raise ReAsk("checks", again, failure(output), output)
    if output.findings and checks.on_failed == "next":
        raise failure(output)
    return output


def settle_checks(request: Request, output: InferenceOutput) -> InferenceOutput:
    """The answer of a whole call. One that was kept from an earlier call is checked again.

    Raises CheckFailedError where findings are a failure.
    """
    checks = request.checks
    if checks is None:
        return output
    if output.metadata.get("cached") and request.forms is None:
        output = checks.examine(output)
    if output.findings and checks.on_failed != "mark":
        raise failure(output)
    return output


def failure(output: InferenceOutput) -> CheckFailedError:
    """The error that says what was found: checks and places, none of the answer's words."""
    first = output.findings[0]
    more = f" and {len(output.findings) - 1} more" if len(output.findings) > 1 else ""
    return CheckFailedError(
        f"the check {first.check} found at {first.pointer or '/'}: {first.message}{more}",
        findings=output.findings,
        backend=output.backend or None,
        model=output.model or None,
        attempts=output.attempts,
    )


def _better(checks: AnswerChecks, first: InferenceOutput, second: InferenceOutput) -> InferenceOutput:
    mended = only_mended(plain(first.parsed), plain(second.parsed), checks.schema, first.findings)
    taken = mended and len(second.findings) <= len(first.findings)
    kept = second if taken else first._replace(token_usage=second.token_usage, cost=second.cost)
    return kept._replace(metadata={**kept.metadata, "reasked": "mended" if taken else "first_kept"})
