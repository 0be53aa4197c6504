"""Claude through the Claude Code program."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from complaint_llm_plugins.backends.claude_cli import wire

from complaint_llm.backends import CommandBackend, CommandLine, Failure, ProgramResult, Request, Secret
from complaint_llm.backends.wire import as_prompt
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import InferenceOutput

FLAGS = (
    *("-p", "--output-format", "json", "--tools", "", "--strict-mcp-config"),
    *("--no-session-persistence", "--disable-slash-commands"),
)


class ClaudeCLIBackend(CommandBackend):
    """Claude Code without its tools.

    With a key (``api_key``, else ``ANTHROPIC_API_KEY``) it runs with settings of its own that are deleted afterwards;
    without one it uses the login in the user's home, customisations off.
    """

    type: ClassVar[str] = "claude_cli"
    handling_data: ClassVar[Mapping[str, Any] | Path] = Path(__file__).with_name("handling.json")
    options_schema: ClassVar[Mapping[str, Any] | Path | None] = Path(__file__).with_name("options.schema.json")
    default_command: ClassVar[str] = "claude"
    install: ClassVar[str] = "npm install -g @anthropic-ai/claude-code"
    key_variables: ClassVar[tuple[str, ...]] = ("ANTHROPIC_API_KEY",)
    kept: ClassVar[tuple[str, ...]] = ("ANTHROPIC_BASE_URL", "CLAUDE_CONFIG_DIR")
    parameters: ClassVar[frozenset[str]] = frozenset(("max_tokens", "reasoning_effort"))

    def command_line(self, request: Request, folder: Path) -> CommandLine:
        system = "\n\n".join(message.text for message in request.messages if message.role == "system")
        rest = tuple(message for message in request.messages if message.role != "system")
        if not rest:
            raise InvalidRequestError("a prompt needs a message besides the system's", sent=False)
        prompt = as_prompt(rest)
        if prompt.lstrip().startswith("/"):
            # Its own commands begin so, and it would answer them without asking a model.
            prompt = f"user: {prompt}"
        args = ["--safe-mode" if self.api_key is None else "--bare", *FLAGS]
        if system:
            # A file: arguments are limited in length, and other users of the machine can see them.
            path = folder / "system.txt"
            path.write_text(system, encoding="utf-8")
            args += ["--system-prompt-file", str(path)]
        if request.model is not None:
            args += ["--model", request.model]
        effort = request.params.get("reasoning_effort")
        if effort is not None:
            args += ["--effort", effort]
        return CommandLine((*args, *self.args), prompt, self._environment(request, folder))

    @property
    def at_own_provider(self) -> bool:
        # The variable leads the program to another address as the key does.
        return super().at_own_provider and not os.environ.get("ANTHROPIC_BASE_URL")

    def _environment(self, request: Request, folder: Path) -> dict[str, str | Secret]:
        found: dict[str, str | Secret] = {
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            # An @path in a prompt would be answered with that file's content, tools or not.
            "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",
            # Retries are the attempt loop's, which knows the deadline and the other backends.
            "CLAUDE_CODE_MAX_RETRIES": "0",
        }
        if self.api_key is not None:
            found |= {"ANTHROPIC_API_KEY": self.api_key, "CLAUDE_CONFIG_DIR": str(folder / "home")}
        if self.options.base_url is not None:
            found["ANTHROPIC_BASE_URL"] = self.options.base_url
        if "max_tokens" in request.params:
            found["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(request.params["max_tokens"])
        return found

    def read_answer(self, result: ProgramResult, folder: Path, request: Request) -> InferenceOutput | Failure | None:
        event = wire.load(result.stdout)
        output = None if event is None else wire.decode(event)
        if isinstance(output, InferenceOutput) and not self._pays_by_key():
            return output._replace(cost=None)
        return output

    def _pays_by_key(self) -> bool:
        """Whether the price that the program tells is the one to pay: a login is not billed by the token, another
        address has its own prices, and those of the config go before all."""
        elsewhere = self.options.base_url or os.environ.get("ANTHROPIC_BASE_URL")
        return self.api_key is not None and not elsewhere and self.options.pricing is None
