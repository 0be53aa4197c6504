"""Models of GitHub Copilot through the Copilot program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from complaint_llm_plugins.backends.copilot_cli import wire

from complaint_llm.backends import CommandBackend, CommandLine, Failure, ProgramResult, Request, Secret
from complaint_llm.backends.wire import as_prompt
from complaint_llm.messages import InferenceOutput

FLAGS = (
    *("-s", "--output-format", "json", "--stream", "off", "--no-color", "--log-level", "none"),
    # The names of the tools that there are: an empty list would mean all of them.
    *("--available-tools", "none"),
    *("--no-ask-user", "--no-custom-instructions", "--disable-builtin-mcps", "--no-auto-update", "--no-remote"),
    "--disable-client-telemetry",
)


class CopilotCLIBackend(CommandBackend):
    """Copilot without its tools, in a home of its own: it would keep every conversation in the user's.

    So it needs a token: ``api_key``, else ``COPILOT_GITHUB_TOKEN``, ``GH_TOKEN`` or ``GITHUB_TOKEN``. With ``base_url``
    it asks the OpenAI-compatible API there, with ``api_key`` as that API's key, and nothing of GitHub.
    """

    type: ClassVar[str] = "copilot_cli"
    handling_data: ClassVar[Mapping[str, Any] | Path] = Path(__file__).with_name("handling.json")
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")
    default_command: ClassVar[str] = "copilot"
    install: ClassVar[str] = "npm install -g @github/copilot"
    key_variables: ClassVar[tuple[str, ...]] = ("COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN")
    needs_key: ClassVar[bool] = True
    kept: ClassVar[tuple[str, ...]] = ("GH_HOST", "COPILOT_GH_HOST")
    parameters: ClassVar[frozenset[str]] = frozenset(("reasoning_effort",))

    def command_line(self, request: Request, folder: Path) -> CommandLine:
        args = [*FLAGS, "--usage-output-file", str(folder / "usage.json")]
        if request.model is not None:
            args += ["--model", request.model]
        if "reasoning_effort" in request.params:
            args += ["--reasoning-effort", request.params["reasoning_effort"]]
        return CommandLine((*args, *self.args), as_prompt(request.messages), self._environment(request, folder))

    def _environment(self, request: Request, folder: Path) -> dict[str, str | Secret]:
        assert self.api_key is not None
        found: dict[str, str | Secret] = {"COPILOT_HOME": str(folder / "home"), "COPILOT_AUTO_UPDATE": "false"}
        if self.options.base_url is None:
            return {**found, "COPILOT_GITHUB_TOKEN": self.api_key}
        found |= {
            "COPILOT_OFFLINE": "true",
            "COPILOT_PROVIDER_BASE_URL": self.options.base_url,
            "COPILOT_PROVIDER_API_KEY": self.api_key,
        }
        if request.model is not None:
            found["COPILOT_MODEL"] = request.model
        return found

    def read_answer(self, result: ProgramResult, folder: Path, request: Request) -> InferenceOutput | Failure | None:
        usage = folder / "usage.json"
        return wire.decode(result.stdout, usage.read_bytes() if usage.exists() else b"")
