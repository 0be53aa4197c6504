"""The shape that the structured answer of the loopback server has: nested classes, an option, a described reference."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Party(BaseModel):
    name: str
    since: int | None = None


class Claim(BaseModel):
    heading: str = Field(description="a heading for sorting")
    facts: list[str]
    party: Party = Field(description="who it is brought against")


class Claims(BaseModel):
    summary: str
    claims: list[Claim]
