"""How the workers of a batch elsewhere ask: each process opens a Mediator of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_llm.batch.remote import ConfigText as ConfigText
from complaint_llm.batch.remote import OwnAsk
from complaint_llm.mediator import Mediator

if TYPE_CHECKING:
    from complaint_llm.batch import Ask


def asks_of(config: ConfigText) -> Ask:
    """The function that asks one prompt, over a Mediator of its own; its ``close`` closes that."""
    return OwnAsk(Mediator.from_config(config.place()))
