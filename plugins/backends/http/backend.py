"""An API that is described in the config: where the prompt goes in a JSON body, and where the answer stands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from complaint_llm_plugins.backends.http.template import UNSET, BodyTemplate, resolve

from complaint_llm.backends import GENERATION_KEYS, AnswerLimits, HTTPBackend, WireRequest
from complaint_llm.backends.wire import UNSUPPORTED, UnsupportedParameters, as_prompt, as_turns, plain_answer
from complaint_llm.exceptions import ConfigError, ResponseFormatError

if TYPE_CHECKING:
    from complaint_llm.backends import Request
    from complaint_llm.messages import InferenceOutput

_PLACEHOLDERS = GENERATION_KEYS | {"prompt", "messages", "model", "params"}
_POINTER = re.compile(r"(/([^~/]|~[01])*)*")


class TemplateBackend(HTTPBackend):
    """Fills ``body`` and reads the answer at the JSON pointer ``text``.

    A parameter that the template has no place for is unsupported, see ``unsupported_parameters``.
    """

    type: ClassVar[str] = "http"
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")

    def __init__(self, *, body: Any, text: str, endpoint: str = "", **keys: Any) -> None:
        super().__init__(**keys)
        try:
            self._template = BodyTemplate(body, _PLACEHOLDERS)
            self._path = BodyTemplate(endpoint, frozenset(("model",)))
        except ValueError as cause:
            raise ConfigError(f"{self.id}: {cause}") from cause
        if not _POINTER.fullmatch(text):
            raise ConfigError(f"{self.id}: text is a JSON pointer such as /choices/0/text, not {text!r}")
        if not self._template.names & {"prompt", "messages"}:
            raise ConfigError(f"{self.id}: the body has neither {{prompt}} nor {{messages}}")
        self._written = body
        self._pointer = text
        self._unsupported = UnsupportedParameters(self.options.unsupported_parameters, self.log)

    def fixed_content(self) -> Mapping[str, Any]:
        return {**super().fixed_content(), "body": self._written}

    def answer_limits(self, model: str) -> AnswerLimits:
        return AnswerLimits(
            sends_maximum=bool(self._template.names & {"max_tokens", "params"}),
            overhead=len(json.dumps(self._written, ensure_ascii=False).encode("utf-8")),
        )

    def encode(self, request: Request) -> WireRequest:
        refused = self._unsupported_names(request)
        if refused:
            self._unsupported.check(refused, self.id)
        values: dict[str, Any] = {**request.params, "prompt": as_prompt(request.messages)}
        if request.model is not None:
            values["model"] = request.model
        if request.params:
            values["params"] = dict(request.params)
        if "messages" in self._template.names:
            values["messages"] = as_turns(request.messages)
        path = self._path.fill({"model": quote(request.model, safe="")} if request.model is not None else {})
        body = self._template.fill(values)
        return WireRequest(path, body)

    def decode(self, payload: Any, request: Request) -> InferenceOutput:
        found = resolve(payload, self._pointer)
        if not isinstance(found, str):
            what = "nothing" if found is UNSET else "no text"
            raise ResponseFormatError(f"the answer has {what} at {self._pointer}")
        refused = self._unsupported_names(request)
        return plain_answer(found, metadata={UNSUPPORTED: list(refused)} if refused else {})

    def _unsupported_names(self, request: Request) -> tuple[str, ...]:
        names = self._template.names
        if not request.params or "params" in names:
            return ()
        return tuple(name for name in request.params if name not in names)
