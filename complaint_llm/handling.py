"""What a provider does with what it is sent, and what a config, a task or a call requires of that.

Handling is data: per type with a source and a date, per account by the entry's own ``handling``. What is not known is
not good enough for a requirement. docs/privacy.md says it in full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from complaint_llm.named_tuples import NamedTuple
from complaint_llm.shell_patterns import fits

_EMPTY: Mapping[str, Any] = MappingProxyType({})
_REGION = {"type": "string", "pattern": r"^[a-z][a-z-]{1,19}$(?!\n)", "patternErrorMessage": "a code such as us or eu"}
_REGIONS = {"type": "array", "items": _REGION, "minItems": 1, "uniqueItems": True}
_MOST_DAYS = 36500
_DAYS = {"type": "number", "minimum": 0, "maximum": _MOST_DAYS}

HANDLING_KEYS: Mapping[str, Any] = {
    "trains": {"type": "boolean", "description": "Whether models are trained with what is sent."},
    "retention_days": {**_DAYS, "description": "The most days that prompts or answers are kept; 0: not at all."},
    "region": {
        "anyOf": [_REGION, _REGIONS],
        "description": "Where it is processed and kept, all places: us, eu, or the code of a country.",
    },
    "zero_retention": {"type": "boolean", "description": "Whether nothing is kept once the answer is given."},
    "source": {"type": "string", "minLength": 1, "description": "What says so: the page or the contract, in words."},
    "as_of": {
        "type": "string",
        "pattern": r"^\d{4}-\d{2}-\d{2}$(?!\n)",
        "patternErrorMessage": "a day such as 2026-11-28",
        "description": "The day on which that was read.",
    },
}
"""Rules of JSON Schema for what is said of a provider, by key."""

REQUIREMENT_KEYS: Mapping[str, Any] = {
    "trains": {"const": False, "description": "`false`: no model is trained with what is sent."},
    "retention_days": {**_DAYS, "description": "The most days that anything may be kept."},
    "region": {"anyOf": [_REGION, _REGIONS], "description": "Where it may be processed and kept."},
    "zero_retention": {"const": True, "description": "`true`: nothing is kept once the answer is given."},
}
"""Rules of JSON Schema for what is required, by key."""

# ISO 3166 codes of the members of the European Union: a place in one of them is in "eu".
_IN_EU = frozenset(
    (
        *("at", "be", "bg", "hr", "cy", "cz", "dk", "ee", "fi", "fr", "de", "gr", "hu", "ie"),
        *("it", "lv", "lt", "lu", "mt", "nl", "pl", "pt", "ro", "sk", "si", "es", "se"),
    )
)


class Handling(NamedTuple):
    """What is known of one provider. None: unknown. ``region`` are all places where it is processed and kept."""

    trains: bool | None = None
    retention_days: float | None = None
    region: tuple[str, ...] | None = None
    zero_retention: bool | None = None
    source: str = ""
    as_of: str = ""

    def line(self) -> str:
        """In a line, for people: what is known, and what says so."""
        known = [f"{name} {_in_words(value)}" for name, value in zip(_FIELDS, self, strict=False)]
        return f"{', '.join(known)} ({self.says_so})"

    @property
    def says_so(self) -> str:
        """What the values rest on, in words."""
        if not self.source:
            return "no source"
        return f"{self.source}, {self.as_of}" if self.as_of else self.source


UNKNOWN = Handling()
STAYS_HERE = Handling(
    trains=False, retention_days=0, region=("local",), zero_retention=True, source="nothing leaves this machine"
)
"""That of a backend which sends nothing beyond this machine: there is no provider."""
SAID_IN_CONFIG = "said in config"
_FIELDS = ("trains", "retention_days", "region", "zero_retention")


class Requirements(NamedTuple):
    """What is required of whoever is asked; None where nothing is. ``region``: all places must be among these."""

    trains: bool | None = None
    retention_days: float | None = None
    region: tuple[str, ...] | None = None
    zero_retention: bool | None = None

    @property
    def fields(self) -> frozenset[str]:
        """The names of what is required."""
        return frozenset(name for name, value in zip(_FIELDS, self, strict=True) if value is not None)

    def with_others(self, others: Requirements | None) -> Requirements:
        """The strictest of both: each holds."""
        if others is None or others == self:
            return self
        return Requirements(
            trains=self.trains if others.trains is None else others.trains,
            retention_days=_least(self.retention_days, others.retention_days),
            region=_common(self.region, others.region),
            zero_retention=self.zero_retention if others.zero_retention is None else others.zero_retention,
        )

    def unmet_by(self, handling: Handling) -> str | None:
        """Why a provider that handles data like this must not be asked, in a phrase; None where it may be."""
        faults = [fault for name in _FIELDS if (fault := self._fault(name, handling)) is not None]
        return f"requires: {'; '.join(faults)} ({handling.says_so})" if faults else None

    def _fault(self, name: str, handling: Handling) -> str | None:
        wanted, known = getattr(self, name), getattr(handling, name)
        if wanted is None:
            return None
        asked = _wanted_words(name, wanted)
        if known is None:
            return f"{name} is unknown, {asked} is required"
        if _is_met(name, wanted, known):
            return None
        return f"{name} is {_in_words(known)}, {asked} is required"


def read_requirements(given: Any) -> Requirements:
    """Requirements from a mapping (or such, as they are). Raises ValueError, in words that begin with the key."""
    if isinstance(given, Requirements):
        return given
    if not isinstance(given, Mapping):
        raise ValueError(f"is a mapping of {', '.join(_FIELDS)}, not {type(given).__name__}")
    for name, value in given.items():
        if name not in _FIELDS:
            raise ValueError(f"has no {name!r:.40}; there are: {', '.join(_FIELDS)}")
        fault = _requirement_fault(name, value)
        if value is not None and fault is not None:
            raise ValueError(f"{name} is {fault}, not {value!r:.60}")
    region = given.get("region")
    return Requirements(
        trains=given.get("trains"),
        retention_days=given.get("retention_days"),
        region=None if region is None else _places(region),
        zero_retention=given.get("zero_retention"),
    )


def strictest(*levels: Any) -> Requirements | None:
    """What holds where several levels (mappings or Requirements, None for nothing) all hold. Raises ValueError."""
    found: Requirements | None = None
    for level in levels:
        if level is not None:
            requirements = read_requirements(level)
            found = requirements if found is None else found.with_others(requirements)
    return found if found is not None and found.fields else None


class Switch(NamedTuple):
    """What a provider does where the request asks for it: ``body`` is laid over the request if one of ``fields`` is
    required, and ``gives`` is what then holds."""

    fields: frozenset[str]
    body: Mapping[str, Any]
    gives: Mapping[str, Any] = _EMPTY


class TypeHandling(NamedTuple):
    """What is known of a type's provider: at its own addresses (``hosts``, patterns as of a shell; without any, at the
    type's usual one), and by which switches of a request it changes."""

    values: Mapping[str, Any] = _EMPTY
    hosts: tuple[str, ...] = ()
    switches: tuple[Switch, ...] = ()

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> TypeHandling:
        """From a type's data (``handling.json``, or ``handling`` of a declared type).

        Raises ValueError for data that is not of this shape.
        """
        fault = data_fault(data)
        if fault is not None:
            raise ValueError(fault)
        hosts = tuple(data.get("hosts", ()))
        switches = tuple(
            Switch(frozenset(each["for"]), each["body"], each.get("gives", _EMPTY)) for each in data.get("switches", ())
        )
        return cls({name: data[name] for name in HANDLING_KEYS if name in data}, hosts, switches)

    def holds_at(self, host: str | None) -> bool:
        """Whether it says anything of this address."""
        return not self.hosts or (host is not None and any(fits(host.lower(), each) for each in self.hosts))

    def switched_on(self, requires: Requirements | None) -> Sequence[Switch]:
        """The switches that requests are sent with under these requirements."""
        wanted = frozenset[str]() if requires is None else requires.fields
        return [switch for switch in self.switches if switch.fields & wanted]


def provider_handling(
    of_type: TypeHandling, entry: Mapping[str, Any], requires: Requirements | None = None, *, here: bool = False
) -> Handling:
    """What holds for one backend: what its entry says, else what its type's data says, with the switches that
    ``requires`` sends; ``here``: nothing that it is asked leaves this machine."""
    if here:
        known = STAYS_HERE
    else:
        values = dict(of_type.values)
        for switch in of_type.switched_on(requires):
            values |= switch.gives
        known = _handling(values)
    if not entry:
        return known
    stated = {name: value for name, value in entry.items() if value is not None}
    if stated.get("retention_days"):
        stated["zero_retention"] = False  # what is kept for days is kept, whatever else is said
    elif stated.get("zero_retention"):
        stated["retention_days"] = 0
    own = {name: stated[name] for name in _FIELDS if name in stated}
    rest = [name for name in _FIELDS if name not in own and getattr(known, name) is not None]
    source = stated.get("source")
    source = f"{SAID_IN_CONFIG}: {source}" if source else SAID_IN_CONFIG
    if stated.get("as_of"):
        source += f", {stated['as_of']}"
    if rest and known.source:
        source += f"; {' and '.join(rest)}: {known.says_so}"
    return _handling({**known._asdict(), **own, "source": source, "as_of": ""})


def with_switches(
    body: Mapping[str, Any], of_type: TypeHandling, requires: Requirements | None
) -> Mapping[str, Any]:
    """What is laid over a request, with the switches that ``requires`` asks for above everything else in it."""
    switches = of_type.switched_on(requires)
    if not switches:
        return body
    merged = dict(body)
    for switch in switches:
        _lay_over(merged, switch.body)
    return merged


def data_fault(data: Any) -> str | None:
    """What is wrong with a type's data, in words; None for nothing."""
    if not isinstance(data, Mapping):
        return f"handling is a mapping, not {type(data).__name__}"
    for name, value in data.items():
        if name in HANDLING_KEYS:
            fault = _value_fault(name, value)
            if fault is not None:
                return f"handling: {name} is {fault}, not {value!r:.60}"
        elif name == "hosts":
            if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) and each for each in value):
                return "handling: hosts is a list of names of hosts"
        elif name == "switches":
            if not isinstance(value, (list, tuple)) or not all(map(_is_switch, value)):
                return "handling: switches is a list of mappings with for (names), body and perhaps gives"
        else:
            return f"handling has no {name!r:.40}; there are: {', '.join((*HANDLING_KEYS, 'hosts', 'switches'))}"
    if data.get("zero_retention") and data.get("retention_days"):
        return f"handling: zero_retention is true, retention_days {data['retention_days']:g}: one of them is wrong"
    if any(name in data for name in _FIELDS) and not (data.get("source") and data.get("as_of")):
        return "handling: what is said needs its source and as_of, the day on which that was read"
    return None


def _is_switch(given: Any) -> bool:
    if not isinstance(given, Mapping) or given.keys() - {"for", "body", "gives"}:
        return False
    fields, gives = given.get("for"), given.get("gives", _EMPTY)
    named = isinstance(fields, (list, tuple)) and bool(fields) and all(each in _FIELDS for each in fields)
    return named and isinstance(given.get("body"), Mapping) and isinstance(gives, Mapping) and set(gives) <= {*_FIELDS}


def _value_fault(name: str, value: Any) -> str | None:
    """What a value of a handling is to be, where this one is not."""
    if name in ("trains", "zero_retention"):
        return None if isinstance(value, bool) else "true or false"
    if name == "retention_days":
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _MOST_DAYS
        return None if number else "a number of days from 0 on"
    if name == "region":
        places = (value,) if isinstance(value, str) else value
        named = isinstance(places, (list, tuple)) and bool(places) and all(map(_is_place, places))
        return None if named else 'a code such as "us" or "eu", or a list of such'
    return None if isinstance(value, str) and value else "a text"


def _requirement_fault(name: str, value: Any) -> str | None:
    if name == "trains":
        return None if value is False else "false, or left out"
    if name == "zero_retention":
        return None if value is True else "true, or left out"
    return _value_fault(name, value)


def _is_place(value: Any) -> bool:
    return isinstance(value, str) and 2 <= len(value) <= 20 and value.isascii() and value.replace("-", "").islower()


def _handling(values: Mapping[str, Any]) -> Handling:
    region = values.get("region")
    return Handling(**{**values, "region": None if region is None else _places(region)})


def _places(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _least(one: float | None, other: float | None) -> float | None:
    return min((each for each in (one, other) if each is not None), default=None)


def _common(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The places that both allow; a member of the European Union is a place in it."""
    if one is None or other is None:
        return other if one is None else one
    within = [place for place in one if _is_inside(place, other)]
    return tuple(dict.fromkeys((*within, *(place for place in other if _is_inside(place, one)))))


def _is_inside(place: str, places: Sequence[str]) -> bool:
    return place in places or ("eu" in places and place in _IN_EU)


def _is_met(name: str, wanted: Any, known: Any) -> bool:
    if name == "retention_days":
        return bool(known <= wanted)
    if name == "region":
        return all(place == "local" or _is_inside(place, wanted) for place in known)
    return bool(known is wanted)


def _wanted_words(name: str, wanted: Any) -> str:
    if name == "retention_days":
        return f"at most {wanted:g}"
    if name == "region":
        return " or ".join(wanted) if wanted else "a place that all levels allow (there is none)"
    return _in_words(wanted)


def _in_words(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, (int, float)) else " and ".join(value)


def _lay_over(body: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        had = body.get(key)
        if isinstance(had, Mapping) and isinstance(value, Mapping):
            merged = dict(had)
            _lay_over(merged, value)
            body[key] = merged
        else:
            body[key] = value
