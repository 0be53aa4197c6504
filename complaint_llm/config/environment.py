"""Environment variables and their references in the strings of a config."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from complaint_llm.config.problems import Place, Problem
from complaint_llm.json_schema.check import UNSET
from complaint_llm.json_schema.problems import NOT_FINITE, not_finite
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.secrets import Secret

_REFERENCE = (
    r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}"
    r"|<(?P<angled>[A-Za-z_][A-Za-z0-9_]*)>|(?P<broken>[{<]))"
)
_SECRET_ENDINGS = ("key", "token", "secret", "password")


class Environment:
    """Variables by name; never printed, for most secrets live here. Immutable."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def get(self, name: str) -> str | None:
        """The value; None if unset or empty."""
        return self._values.get(name) or None

    def first(self, names: tuple[str, ...]) -> str | None:
        """The first of these variables that is set."""
        return next((name for name in names if self.get(name)), None)

    def __repr__(self) -> str:
        return f"<Environment of {len(self._values)} variables>"


def is_secret_name(name: str) -> bool:
    """Whether a variable or parameter of this name holds a secret by convention."""
    return name.casefold().endswith(_SECRET_ENDINGS)


def with_dotenv(environment: Environment, folder: Path) -> Environment | str:
    """The environment over what a ``.env`` in ``folder`` says; a line about it if it cannot be read."""
    file = folder / ".env"
    if not file.is_file():
        return environment
    from dotenv import dotenv_values  # cold start

    try:
        read = dotenv_values(file, encoding="utf-8")
    except UnicodeDecodeError:
        return f"{file}: not UTF-8: save the file as UTF-8"
    except OSError as error:
        return f"{file}: cannot be read: {error.strerror or error}"
    return Environment(_Over(environment, {name: value for name, value in read.items() if value}))


class _Over(Mapping[str, str]):
    """Variables that are set win over those of the file; set but empty counts as unset."""

    __slots__ = ("_over", "_under")

    def __init__(self, over: Environment, under: Mapping[str, str]) -> None:
        self._over = over
        self._under = under

    def __getitem__(self, name: str) -> str:
        return self._over.get(name) or self._under[name]

    def __iter__(self) -> Any:
        return iter(self._under)

    def __len__(self) -> int:
        return len(self._under)

    def __repr__(self) -> str:
        return f"<{len(self._under)} variables of a file>"


class Filled(NamedTuple):
    """A tree whose references are replaced, and what was seen on the way (paths from where the walk began)."""

    value: Any
    unset: tuple[tuple[Place, str], ...]
    by_reference: Mapping[Place, str]
    """Strings that are one whole reference, and the variable."""
    by_secret: Mapping[Place, str]
    """Strings that are secrets because of this variable."""
    problems: tuple[Problem, ...]

    @classmethod
    def of(cls, value: Any) -> Filled:
        """A tree in which a dollar sign is no reference."""
        return cls(value, unset=(), by_reference={}, by_secret={}, problems=tuple(not_finite(value)))

    @property
    def unknown(self) -> frozenset[Place]:
        """Where UNSET stands: nothing more can be said of these."""
        return frozenset((*(path for path, _ in self.unset), *(problem.path for problem in self.problems)))

    def below(self, place: Place) -> Filled:
        """The tree at a place of this one, with its paths from there."""
        value = self.value
        for step in place:
            value = value[step]
        size = len(place)
        return self.move(lambda path: path[size:] if path[:size] == place else None)._replace(value=value)

    def without(self, places: Iterable[Place]) -> Filled:
        """What was seen outside of these places; the tree itself stays as it is."""
        left_out = tuple(places)
        if not left_out:
            return self
        return self.move(lambda path: None if any(path[: len(place)] == place for place in left_out) else path)

    def over(self, under: Filled) -> Filled:
        """A mapping with the keys of another where it has none of its own."""
        if not under.value:
            return self
        beneath = under.without((key,) for key in self.value)
        return Filled(
            {**under.value, **self.value},
            unset=beneath.unset + self.unset,
            by_reference={**beneath.by_reference, **self.by_reference},
            by_secret={**beneath.by_secret, **self.by_secret},
            problems=beneath.problems + self.problems,
        )

    def move(self, move: Callable[[Place], Place | None]) -> Filled:
        """What was seen at other paths: those that ``move`` gives for them, or nowhere where it gives None."""
        return Filled(
            self.value,
            unset=tuple((new, name) for path, name in self.unset if (new := move(path)) is not None),
            by_reference={new: name for path, name in self.by_reference.items() if (new := move(path)) is not None},
            by_secret={new: name for path, name in self.by_secret.items() if (new := move(path)) is not None},
            problems=tuple(
                problem._replace(path=new) for problem in self.problems if (new := move(problem.path)) is not None
            ),
        )


def fill(tree: Any, environment: Environment) -> Filled:
    """Replace ``$NAME``, ``${NAME}``, ``$<NAME>``, ``${NAME:-default}`` and ``$$`` in every string of a tree."""
    walk = _Walk(environment)
    value = walk.visit(tree, ())
    return Filled(
        value,
        unset=tuple(walk.unset),
        by_reference=walk.by_reference,
        by_secret=walk.by_secret,
        problems=tuple(walk.problems),
    )


class _Walk:
    __slots__ = ("_environment", "by_reference", "by_secret", "problems", "unset")

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.unset: list[tuple[Place, str]] = []
        self.by_reference: dict[Place, str] = {}
        self.by_secret: dict[Place, str] = {}
        self.problems: list[Problem] = []

    def visit(self, value: Any, path: Place) -> Any:
        if isinstance(value, str):
            return self._text(value, path) if "$" in value else value
        if isinstance(value, dict):
            return {key: self.visit(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.visit(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, float) and not math.isfinite(value):
            self.problems.append(Problem(path, NOT_FINITE))
            return UNSET
        return value

    def _text(self, text: str, path: Place) -> Any:
        broken: list[str] = []
        unset: list[str] = []

        def value_of(match: re.Match[str]) -> str:
            if match["dollar"]:
                return "$"
            if match["broken"]:
                broken.append(match["broken"])
                return ""
            name = match["bare"] or match["braced"] or match["angled"]
            value = self._environment.get(name)
            if value is None:
                if match["default"] is not None:
                    return match["default"]
                unset.append(name)
                return ""
            if is_secret_name(name):
                self.by_secret[path] = name
            return value

        filled = Secret(re.sub(_REFERENCE, value_of, text))
        if broken:
            close = "}" if broken[0] == "{" else ">"
            self.problems.append(
                Problem(path, f"${broken[0]} begins no reference: write ${broken[0]}NAME{close}, or $$ for a $")
            )
            return UNSET
        if unset:
            self.unset.extend((path, name) for name in unset)
            return UNSET
        reference = re.fullmatch(_REFERENCE, text)
        if reference is not None and not reference["dollar"]:
            self.by_reference[path] = reference["bare"] or reference["braced"] or reference["angled"]
        return Secret(filled.reveal(), self.by_reference.get(path)) if path in self.by_secret else filled.reveal()


def process_environment() -> Mapping[str, str]:
    """The variables of this process."""
    return os.environ
