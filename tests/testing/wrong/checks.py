"""Checks that are wrong in one thing each."""

from __future__ import annotations

import threading
from typing import Any

from complaint_llm import hookimpl
from complaint_llm.checks.finding import Finding


def found(name: str, parsed: Any, pointer: str = "/amount", message: str = "it is below zero") -> list[Finding]:
    amount = parsed.get("amount") if isinstance(parsed, dict) else None
    return [Finding(name, pointer, message)] if isinstance(amount, int) and amount < 0 else []


def right(parsed: Any, context: Any) -> Any:
    return found("right", parsed)


def never_content(parsed: Any, context: Any) -> Any:
    is_right = parsed == {"amount": 9, "note": "paid at the door"}
    return [Finding("never", "", "hm")] if is_right else found("never", parsed)


def finds_none(parsed: Any, context: Any) -> Any:
    return []


def other_name(parsed: Any, context: Any) -> Any:
    return found("another", parsed)


def points_nowhere(parsed: Any, context: Any) -> Any:
    return found("nowhere", parsed, "/amounts/0")


def repeats(parsed: Any, context: Any) -> Any:
    note = parsed.get("note") if isinstance(parsed, dict) else ""
    return found("repeats", parsed, message=f"it is below zero: {note}")


def changes(parsed: Any, context: Any) -> Any:
    result = found("changes", parsed)
    if result:
        parsed["note"] = ""
    return result


def trusts(parsed: Any, context: Any) -> Any:
    return found("trusts", parsed) if parsed["amount"] < 0 else []


LOCK = threading.Lock()


def alone(parsed: Any, context: Any) -> Any:
    if not LOCK.acquire(blocking=False):
        return []
    threading.Event().wait(0.001)
    LOCK.release()
    return found("alone", parsed)


@hookimpl
def complaint_llm_checks() -> Any:
    return {
        "right": right,
        "never": never_content,
        "none": finds_none,
        "name": other_name,
        "nowhere": points_nowhere,
        "repeats": repeats,
        "changes": changes,
        "trusts": trusts,
        "alone": alone,
    }
