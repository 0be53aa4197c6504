"""Pydantic classes as people write them, for tests of what leaves as a schema."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Annotated, Any, Literal, Optional

from pydantic import BaseModel, Field


class Kind(enum.Enum):
    WAGE = "wage"
    RENT = "rent"


class Party(BaseModel):
    """Who."""

    name: str = Field(min_length=1, max_length=80)
    role: Literal["tenant", "landlord"] = "tenant"


class DescribedReference(BaseModel):
    landlord: Party = Field(description="the other side")
    tenant: Party = Field(title="Our side", description="the client", examples=[{"name": "A"}])


class Defaults(BaseModel):
    party: Party = Party(name="unknown")
    kind: Kind = Field(default=Kind.WAGE, description="what it is about")
    notes: list[str] = Field(default_factory=list)


class Optionals(BaseModel):
    party: Optional[Party] = Field(None, description="if named")  # noqa: UP045 - as people write it
    amount: float | None = None
    kind: Kind | None = None


class Bounds(BaseModel):
    amount: float = Field(gt=0, le=1e6, multiple_of=0.01)
    docket: str = Field(pattern=r"^[A-Z]{2}-\d+$")
    filed: dt.date
    at: dt.datetime | None = None
    pages: Annotated[list[int], Field(min_length=1, max_length=9)]
    tags: set[str]


class Comment(BaseModel):
    text: str
    replies: list[Comment] = []


class Thread(BaseModel):
    first: Comment = Field(description="the first one")


class Quoted(BaseModel):
    quote: str = Field(json_schema_extra={"x-quote": True, "x-source": {"type": "prompt"}})
    party: Party = Field(json_schema_extra={"x-quote": False})


class Union(BaseModel):
    value: int | str | list[bool] | Party


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=0)


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Discriminated(BaseModel):
    animal: Cat | Dog = Field(discriminator="kind", description="which")


class Nested(BaseModel):
    matters: list[DescribedReference]
    by_kind: list[Optionals] = Field(description="one for each kind")


class Free(BaseModel):
    by_name: dict[str, Party]
    anything: Any = None


class Tuple(BaseModel):
    span: tuple[int, int]


class Constant(BaseModel):
    version: Literal[1]
    on: Literal[True] = True


MODELS: tuple[type[BaseModel], ...] = (
    *(DescribedReference, Defaults, Optionals, Bounds, Comment, Thread, Quoted, Union, Discriminated, Nested),
    *(Free, Tuple, Constant),
)
