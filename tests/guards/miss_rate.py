"""How many names in the 24 example intakes leave as written: with no list, with the clients', with everybody's.

    python -m tests.guards.miss_rate

``data/intake_names.csv`` is made by hand: each name as an office would list it, and each way in which an intake has it.
"""

from __future__ import annotations

import csv
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from complaint_llm.guards.guard import GuardRequest
from complaint_llm.guards.pseudonyms import Pseudonyms
from complaint_llm.messages import Message

INTAKES = Path(__file__).resolve().parents[2] / "examples" / "intakes"
NAMES = Path(__file__).parent / "data" / "intake_names.csv"


class Missed(NamedTuple):
    """Of ``mentions`` of names in all intakes, those that would be sent as written."""

    mentions: int
    missed: tuple[str, ...]


def rows() -> list[dict[str, str]]:
    """The names and how they are mentioned."""
    with NAMES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def miss_rate(roles: frozenset[str]) -> Missed:
    """With a list of the names of these roles ("client", "other")."""
    listed = [row for row in rows() if row["role"] in roles]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "names.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["name", "kind"], *([row["listed"], row["kind"]] for row in listed)])
        guard = Pseudonyms(names=str(path) if listed else "none")
    total, missed = 0, []
    for intake in sorted(INTAKES.glob("*.txt")):
        text = intake.read_text(encoding="utf-8")
        ways = [way for row in rows() if row["file"] == intake.stem for way in row["mentions"].split(";")]
        found = re.compile("|".join(rf"\b{re.escape(way)}\b" for way in sorted(ways, key=len, reverse=True)))
        mentions = found.findall(text)
        assert set(mentions) == set(ways), f"{intake.stem}: {set(ways) - set(mentions)} is not in it"
        sent = guard.for_call().before(GuardRequest([Message("user", text)]), "remote").messages[0].text
        total += len(mentions)
        # What of a mention is left: all of it, or a word of it.
        words = re.findall(r"\w+", sent)
        for mention in mentions:
            left = [
                word for word in re.findall(r"\w{3,}", mention) if word in words and word not in ("Street", "Avenue")
            ]
            missed += [f"{intake.stem}: {mention}"] if left else []
    return Missed(total, tuple(missed))


def main() -> None:
    """Print the figures."""
    for words, roles in (("no list", ()), ("the clients' names", ("client",)), ("all names", ("client", "other"))):
        found = miss_rate(frozenset(roles))
        print(f"{words}: {len(found.missed)} of {found.mentions} mentions sent as written")
        if roles == ("client", "other"):
            print("\n".join(found.missed))


if __name__ == "__main__":
    main()
