"""The guard ``case_numbers``: docket numbers such as 24-CV-01234 do not leave."""

import re
from collections.abc import Mapping

from complaint_llm import hookimpl
from complaint_llm.guards.guard import Guard, GuardFactory, GuardRequest, TargetKind


class CaseNumbers(Guard):
    """Puts ``[case number]`` in the place of each."""

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        return request.map_text(lambda text: re.sub(r"\b\d{2}-[A-Z]{2}-\d{4,6}\b", "[case number]", text))


@hookimpl
def complaint_llm_guards() -> Mapping[str, GuardFactory]:
    return {"case_numbers": CaseNumbers}
