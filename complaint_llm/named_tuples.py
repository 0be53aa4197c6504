"""``NamedTuple`` as in ``typing``, for what every process makes before its first answer: some ninety classes.

``typing`` compiles each annotation, which is a text under ``from __future__ import annotations``: two thirds of what a
class takes. Here it stays a text, which ``typing.get_type_hints`` reads where somebody asks. No generic ones.
"""

from __future__ import annotations

from collections import namedtuple
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T", bound=Any)


def with_changes(self: T, /, **changes: Any) -> T:
    """The same named tuple but for these fields: what ``_replace`` of the standard library gives, in half the time.

    ``_places`` of its class says where each field stands.
    """
    values, places = list(self), self._places
    try:
        for name, value in changes.items():
            values[places[name]] = value
    except KeyError as unknown:
        raise ValueError(f"{type(self).__name__} has no field {unknown}") from None
    made: T = tuple.__new__(type(self), values)
    return made


if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:

    class _Maker(type):
        """Makes the classes below ``NamedTuple``, which are tuples and know nothing of it."""

        def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(mcs, name, bases, body)
            if len(bases) > 1:
                raise TypeError(f"{name}: a named tuple has no other bases; typing has the generic ones")
            fields = body.pop("__annotations__", {})
            defaults = {field: body.pop(field) for field in fields if field in body}
            if "__new__" in body or "__slots__" in body or "_fields" in body:
                raise TypeError(f"{name}: what makes a tuple is written in a class below it")
            if list(defaults) != list(fields)[len(fields) - len(defaults) :]:
                raise TypeError(f"{name}: a field without a default follows one with a default")
            made = namedtuple(name, fields, defaults=defaults.values(), module=body.pop("__module__"))
            made.__annotations__ = made.__new__.__annotations__ = fields
            places = {field: place for place, field in enumerate(fields)}
            for key, value in {"_places": places, "_replace": with_changes, **body}.items():
                setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Maker):
        """The base of classes whose annotated names are the fields of a tuple."""
