"""OpenAI models through the Codex program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from complaint_llm_plugins.backends.codex import wire

from complaint_llm.backends import CommandBackend, CommandLine, Failure, ProgramResult, Request, Secret
from complaint_llm.backends.wire import as_prompt
from complaint_llm.exceptions import AuthenticationError
from complaint_llm.messages import InferenceOutput

FLAGS = (
    *("exec", "--json", "--ephemeral", "--skip-git-repo-check", "--ignore-user-config", "--ignore-rules"),
    *("--color", "never", "--sandbox", "read-only"),
)

SETTINGS: Mapping[str, Any] = {
    "analytics.enabled": False,
    "check_for_update_on_startup": False,
    "project_doc_max_bytes": 0,
    "web_search": "disabled",
    **{
        f"features.{name}": False
        for name in (
            *("shell_tool", "unified_exec", "view_image", "goals", "multi_agent", "image_generation", "apps"),
            *("plugins", "hooks", "tool_suggest", "browser_use", "computer_use"),
        )
    },
}
"""No tools, nothing sent home. A feature that a version does not know is ignored by it."""


class CodexBackend(CommandBackend):
    """Codex without its tools.

    With a key (``api_key``, else ``CODEX_API_KEY``) it runs with a home of its own that is deleted afterwards; without
    one it uses the login in the user's home. ``base_url`` is an address that speaks the Responses API; it needs a key.
    """

    type: ClassVar[str] = "codex"
    handling_data: ClassVar[Mapping[str, Any] | Path] = Path(__file__).with_name("handling.json")
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")
    default_command: ClassVar[str] = "codex"
    install: ClassVar[str] = "npm install -g @openai/codex"
    key_variables: ClassVar[tuple[str, ...]] = ("CODEX_API_KEY",)
    kept: ClassVar[tuple[str, ...]] = ("CODEX_HOME",)
    parameters: ClassVar[frozenset[str]] = frozenset(("reasoning_effort",))

    def command_line(self, request: Request, folder: Path) -> CommandLine:
        settings = dict(SETTINGS)
        if self.options.base_url is not None:
            if self.api_key is None:
                raise AuthenticationError("no key: base_url needs api_key or CODEX_API_KEY", sent=False)
            settings |= {
                "model_provider": "configured",
                "model_providers.configured": {
                    "name": "configured",
                    "base_url": self.options.base_url,
                    "env_key": "CODEX_API_KEY",
                    "wire_api": "responses",
                    # Retries are the attempt loop's, which knows the deadline and the other backends.
                    "request_max_retries": 0,
                    "stream_max_retries": 0,
                },
            }
        if "reasoning_effort" in request.params:
            settings["model_reasoning_effort"] = request.params["reasoning_effort"]
        args = [*FLAGS]
        if request.model is not None:
            args += ["--model", request.model]
        for name, value in settings.items():
            args += ["-c", f"{name}={_toml(value)}"]
        environment: dict[str, str | Secret] = {}
        if self.api_key is not None:
            home = folder / "home"
            home.mkdir()
            environment = {"CODEX_API_KEY": self.api_key, "CODEX_HOME": str(home)}
        return CommandLine((*args, *self.args, "-"), as_prompt(request.messages), environment)

    def read_answer(self, result: ProgramResult, folder: Path, request: Request) -> InferenceOutput | Failure | None:
        return wire.decode(result.stdout)

    def price_provider(self) -> str | None:
        """OpenAI, where a key of it pays: a login is not billed by the token, another address has its own prices."""
        return "openai" if self.api_key is not None and self.options.base_url is None else None


def _toml(value: Any) -> str:
    """A value as Codex reads it after ``-c``: TOML, whose texts, numbers and booleans are those of JSON."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + "}"
    return json.dumps(value)
