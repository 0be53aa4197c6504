"""Results as JSON lines: one format, whether they come from a running batch or from its journal."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.batch.codec import encode_error
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from complaint_llm.batch.journal import Recorded
    from complaint_llm.messages import InferenceOutput


def output_line(id_: str | None, output: InferenceOutput | None, error: Exception | Mapping[str, Any] | None) -> str:
    """One line, without its line break; see schemas/batch-line.schema.json."""
    if output is None:
        described = _described(error) if isinstance(error, Exception) else dict(error or {})
        attempts = described.pop("attempts", [])
        line = _line(id_, attempts=[_attempt(*attempt) for attempt in attempts], error=described)
        line["backend"], line["model"] = described.get("backend"), described.get("model")
    else:
        line = _line(
            id_,
            text=output.content,
            finish_reason=output.finish_reason,
            backend=output.backend,
            model=output.model,
            usage=output.token_usage._asdict(),
            cost=output.cost,
            attempts=[_attempt(*attempt) for attempt in output.attempts],
            provenance=output.provenance,
            demo=bool(output.metadata.get("demo")),
        )
        if output.tool_calls:
            line["tool_calls"] = [
                {"id": call.id, "name": call.name, "arguments": call.arguments_raw} for call in output.tool_calls
            ]
    line["seconds"] = round(sum(attempt["seconds"] for attempt in line["attempts"]), 6)
    try:
        text = json.dumps(line, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except ValueError:  # NaN from a backend, or half a surrogate pair in an answer: both are said in plain ASCII JSON
        text = json.dumps(_finite(line), allow_nan=False)
    # JSON may hold these three raw; readers that split lines as Python does would break there.
    return text.replace("\x85", "\\u0085").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def recorded_line(recorded: Recorded) -> str:
    """The line of an item that a journal holds."""
    return output_line(recorded.id, recorded.output, recorded.error)


def write_whole(path: Path, lines: Iterable[str]) -> None:
    """Write ``path`` so that it is either as before or complete, whatever happens meanwhile. Raises BatchError."""
    target = Path(os.path.realpath(path))  # where a link leads: the link stays
    part = target.with_name(f".{target.name}.part")
    try:
        if target.exists() and not target.is_file():
            raise BatchError(f"{path}: is no file, and was left as it is; the journal has the results")
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for line in lines:
                file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BatchError(f"{path}: cannot be written: {error.strerror}; the journal has the results") from error


def _line(id_: str | None, **fields: Any) -> dict[str, Any]:
    line: dict[str, Any] = {"id": id_}
    names = ("text", "finish_reason", "backend", "model", "usage", "cost", "seconds", "attempts", "provenance")
    line.update((name, fields.get(name)) for name in names)
    line["demo"] = fields.get("demo", False)
    line["error"] = fields.get("error")
    return line


def _attempt(backend: str, error: str | None, seconds: float, maybe_received: bool, sent: bool) -> dict[str, Any]:
    return {
        "backend": backend,
        "error": error,
        "seconds": round(seconds, 6),
        "maybe_received": maybe_received,
        "sent": sent,
    }


def _described(error: Exception) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(encode_error(error))
    return described


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
