"""Parameters that shape an answer, each defined here alone: its type, its rules and its meaning.

The annotations are values, not texts: ``json_schema.keys`` reads them at every start.
"""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from complaint_llm.json_schema.keys import config_key


class SamplingKeys(TypedDict, total=False):
    """Parameters that shape an answer, but for ``temperature``, by their neutral names.

    A call takes them, and a backend of a config all but ``logprobs``.
    """

    max_tokens: Annotated[
        int | None, config_key("The longest answer, in tokens.", aliases=("max_output_tokens",), basic=True, minimum=1)
    ]
    top_p: Annotated[float | None, config_key("Nucleus sampling.", minimum=0, maximum=1)]
    top_k: Annotated[int | None, config_key("Sample from the k likeliest tokens.", minimum=1)]
    stop: Annotated[
        str | Sequence[str] | None,
        config_key(
            "A text, or several, at which the answer ends.",
            anyOf=[
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
            ],
        ),
    ]
    seed: Annotated[int | None, config_key("Seed for repeatable sampling, where the provider has one.")]
    frequency_penalty: Annotated[float | None, config_key("Penalty for frequent tokens.", minimum=-2, maximum=2)]
    presence_penalty: Annotated[
        float | None, config_key("Penalty for tokens that already appeared.", minimum=-2, maximum=2)
    ]
    reasoning_effort: Annotated[
        str | None,
        config_key(
            "How much a reasoning model thinks: none, minimal, low, medium, high, ... as the provider has them.",
            minLength=1,
        ),
    ]
    thinking_budget: Annotated[int | None, config_key("Tokens that a reasoning model may think.", minimum=0)]
    logprobs: bool | None


class GenerationKeys(SamplingKeys, total=False):
    """All parameters that shape an answer."""

    temperature: Annotated[
        float | None, config_key("Sampling temperature. None is preset.", basic=True, minimum=0, maximum=2)
    ]


GENERATION_KEYS: frozenset[str] = frozenset(GenerationKeys.__annotations__)
"""Parameters that shape an answer, by their neutral names."""
