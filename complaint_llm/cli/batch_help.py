"""What ``complaint-llm batch --help`` shows first, and how its options are grouped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EXAMPLES: Sequence[str] = (
    "complaint-llm batch intakes/ --task claims -o claims.csv",
    "complaint-llm batch narratives.csv --task claims -o claims.jsonl",
    'complaint-llm batch narratives.csv -o answers.csv --prompt-template "Summarise: {narrative}"',
)

GROUPS: Mapping[str, Sequence[str]] = {
    "What is asked": ("task", "system", "model", "backend", "param", "schema", "max_workers", "timeout", "executor"),
    "Input": ("form", "prompt_template", "encoding", "delimiter", "files_below", "trust_lines", "limit"),
    "Output": ("output", "raw_csv", "table", "demo", "usage", "as_json"),
    "Again and resume": ("fresh", "only_failed", "keep", "accept_changes", "in_doubt", "force", "salvage"),
    "Money": ("dry_run", "max_cost"),
    "Privacy": ("privacy",),
}
