"""The check ``no_law_added``: an answer names no law, case or legal test that the material does not name.

It looks for words and forms that name law, in every free text of the answer that is no quote and no choice from a
list. It cannot see law that is told in plain words; it says what it saw, not that there is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from complaint_llm.checks.check import CheckContext, Finding

NAME = "no_law_added"

_CAPITAL = r"[A-Z][\w'’.-]*"
_FORMS = (
    r"\b\d+\s+U\.?\s?S\.?\s?C(?:ode|\.)?\b",
    r"\b\d+\s+C\.?\s?F\.?\s?R\.?",
    r"§+\s*\d[\w.-]*",
    r"\b(?:Section|Sec\.|Article|Art\.|Title|Chapter|Rule|Regulation|Reg\.)\s+[\dIVX][\w.()-]*",
    rf"\b(?:(?:{_CAPITAL}|of|and|the|for|in)\s+)*{_CAPITAL}\s+(?:Act|Code|Statutes?|Amendment|Regulations?|Ordinance|Law|Rule)\b",
    rf"\b{_CAPITAL}(?:\s+{_CAPITAL})*\s+v\.?s?\.?\s+{_CAPITAL}",
    r"\b(?:FLSA|FMLA|ADA|ADEA|FDCPA|FCRA|TILA|RESPA|ECOA|FHA|NLRA|ERISA|OSHA|TCPA|UDAP|URLTA|COBRA|HIPAA|GDPR|IDEA|SCRA|TVPA)\b",
    (
        r"\b(?:statutes?\s+of\s+limitations?|limitations?\s+periods?|prescription\s+period|prima\s+facie|burden\s+of\s+proof"
        r"|elements?\s+of\s+(?:a|the)\s+(?:claim|offen[cs]e|tort)|per\s+se\s+(?:violation|illegal)|cause\s+of\s+action"
        r"|likel(?:y|ihood)\s+(?:of|to)\s+(?:succeed|success|prevail)|chances?\s+of\s+success"
        r"|(?:is|was|are|were)\s+(?:illegal|unlawful)|violat(?:es?|ed|ion)\s+(?:of\s+)?(?:the\s+)?(?:law|statute|regulations?|rights))\b"
    ),
)
_LAW = re.compile("|".join(f"(?:{form})" for form in _FORMS))


def check_no_law(parsed: Any, context: CheckContext) -> Sequence[Finding]:
    """A finding for each text that names law which the material does not name."""
    material = [" ".join(text.text.casefold().split()) for text in context.texts]
    findings = []
    for place in context.places(parsed):
        free = isinstance(place.value, str) and not place.annotations.get("x-quote") and "enum" not in place.annotations
        if not free or place.annotations.get("x-ref"):
            continue
        for found in _LAW.finditer(place.value):
            named = " ".join(found[0].casefold().split())
            if not any(named in text for text in material):
                findings.append(
                    Finding(NAME, place.pointer, "it names law that the material does not name: leave it out")
                )
                break
    return findings
