"""Kinds of values that several commands take."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from complaint_llm.json_schema.keys import defined_keys
from complaint_llm.request import GenerationKeys

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Finite(click.FloatRange):
    """A number within bounds; "nan" and "inf" are within none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no number that can be used.", param, ctx)
        return number


class OutputFile(click.Path):
    """Where a file is to be written: its name is free, or that of a file, in a folder that is there.

    A result is moved into its place when it is whole: a device or a pipe that stands there would be gone.
    """

    def __init__(self, *, allow_dash: bool = False) -> None:
        super().__init__(dir_okay=False, allow_dash=allow_dash)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        given = str(super().convert(value, param, ctx))
        if given == "-" and self.allow_dash:
            return given
        path = Path(given)
        folder = os.path.realpath(path.parent)
        # /dev/stdout may lead to a file, and yet nothing can be moved there.
        if given[-1:] in ("", "/") or _is_special(path) or folder == "/dev" or folder.startswith("/proc/"):
            dash = ', or "-" for standard output' if self.allow_dash else ""
            self.fail(f"{given!r} is no file: give the name of one{dash}.", param, ctx)
        if not Path(folder).is_dir():
            self.fail(f"there is no folder {str(path.parent)!r}: make it first.", param, ctx)
        return given


def _is_special(path: Path) -> bool:
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False  # nothing there, or nothing that can be seen: who writes will say it


SECONDS = Finite(0, min_open=True)


def generation_option(name: str) -> Callable[[_Command], _Command]:
    """The option for one of ``request.GenerationKeys``, with the bounds and the meaning that are defined there."""
    rules = defined_keys(GenerationKeys)[name].schema
    kind = click.IntRange if rules["type"] == "integer" else Finite
    bounded = kind(min=rules.get("minimum"), max=rules.get("maximum"))
    return click.option(f"--{name.replace('_', '-')}", type=bounded, help=rules["description"])
