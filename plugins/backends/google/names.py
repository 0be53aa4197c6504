"""Model names as resources and as paths of the Gemini API."""

from __future__ import annotations

from urllib.parse import quote


def resource_name(model: str) -> str:
    """``models/x`` of ``x``; names that say their collection (``tunedModels/x``) stay."""
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def model_path(model: str, method: str) -> str:
    """The path of a method of the model, the name quoted so that it cannot leave its place."""
    collection, _, name = resource_name(model).partition("/")
    return f"/v1beta/{collection}/{quote(name, safe='')}:{method}"
