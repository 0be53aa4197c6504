"""Offers the services whose whole description is a YAML file in this folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from complaint_llm import hookimpl
from complaint_llm.backends import BackendType, declared_types


@hookimpl
def complaint_llm_backend_types() -> Iterable[BackendType]:
    return declared_types(Path(__file__).parent)
