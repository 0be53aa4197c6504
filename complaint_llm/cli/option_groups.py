"""A command whose help shows its options in groups, and its examples first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click


class GroupedCommand(click.Command):
    """``groups`` has the names of options by the title under which help shows them; the rest comes last."""

    def __init__(self, *args: Any, groups: Mapping[str, Sequence[str]], examples: Sequence[str], **keys: Any) -> None:
        super().__init__(*args, **keys)
        self.groups = groups
        self.examples = examples

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, then the text."""
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(" " * formatter.current_indent + example + "\n")
        super().format_help_text(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, each under its group's title."""
        left = {
            name: record
            for each in self.get_params(ctx)
            if (record := each.get_help_record(ctx))
            for name in [each.name]
        }
        for title, names in self.groups.items():
            records = [left.pop(name) for name in names if name in left]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        if left:
            with formatter.section("Other"):
                formatter.write_dl([*left.values()])
