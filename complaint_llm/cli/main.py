"""The command group: options that all commands share, and the one place where errors become lines and exit codes.

Exit codes: 0 done, 1 some or all of the job failed, 2 usage or config, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from complaint_llm import __version__
from complaint_llm.cli import streams
from complaint_llm.cli.app import App
from complaint_llm.cli.help_format import HelpFormatter
from complaint_llm.cli.terminal import StderrHandler, tell, tell_error
from complaint_llm.exceptions import ComplaintLLMError, ConfigError, PluginError
from complaint_llm.harmless import HarmlessFormatter

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS: Mapping[str, tuple[str, str]] = {
    "init": ("complaint_llm.cli.init.command:init", "Make a config here: asks a few questions, or takes options."),
    "generate": ("complaint_llm.cli.generate:generate", "Ask one prompt and print the answer."),
    "chat": ("complaint_llm.cli.chat.command:chat", "Hold a conversation; --continue goes on with the last one."),
    "batch": (
        "complaint_llm.cli.batch.command:batch",
        "Ask many prompts from a file or folder; resumes where it stopped.",
    ),
    "embed": ("complaint_llm.cli.embed:embed", "Print the vectors of texts."),
    "check": ("complaint_llm.cli.check:check", "Show which backends are ready and why others are not."),
    "models": ("complaint_llm.cli.models:models", "List the models that the backends offer, with price and end."),
    "explain": ("complaint_llm.cli.explain:explain", "Show what would be asked, at what price; sends nothing."),
    "config": ("complaint_llm.cli.config:config", "Show or change the config file, keeping what is in it."),
    "plugins": ("complaint_llm.cli.plugins:plugins", "List plugins and the backend types that they offer."),
    "schema": ("complaint_llm.cli.schema:schema", "Print the JSON Schema of config files."),
    "evidence": ("complaint_llm.cli.evidence:evidence", "Store, find, verify, export and import evidence."),
    "report": ("complaint_llm.cli.report:report", "Write a page of what a batch made, or of what calls cost."),
    "logs": ("complaint_llm.cli.logs:logs", "Show the calls of the ledger, the newest first."),
    "forget": ("complaint_llm.cli.forget:forget", "List where something of a matter is kept; --yes deletes it."),
    "new-plugin": (
        "complaint_llm.cli.new_plugin:new_plugin",
        "Make a package for a plugin of your own, with tests.",
    ),
    "completion": (
        "complaint_llm.cli.completion.command:completion",
        "Let bash, zsh or fish complete what you type.",
    ),
    "verify": ("complaint_llm.cli.verify:verify", "Show where an answer came from, each step verified."),
}
"""Command names, where they live, and their line in the overview (so that the overview imports none of them)."""


_COMPLETE = "_COMPLAINT_LLM_COMPLETE"
"""Set where a shell asks what could be completed."""


def _choose_config(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.ensure_object(App).config_path = value


def _choose_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(App).debug = True
        logging.getLogger("complaint_llm").setLevel(logging.DEBUG)


SHARED: tuple[click.Parameter, ...] = (
    click.Option(
        ["-c", "--config"],
        type=click.Path(path_type=Path),
        expose_value=False,
        is_eager=True,  # the overview tells the commands of its plugins
        callback=_choose_config,
        help="The config file. Otherwise $COMPLAINT_LLM_CONFIG, then complaint-llm.json, .yaml or .yml here, then "
        "config.json, .yaml or .yml.",
    ),
    click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=_choose_debug,
        help="Log at DEBUG and show tracebacks. Secrets stay hidden.",
    ),
)
"""Options of the program that are understood after a command too; of two configs the later one counts."""


def _with_shared(command: click.Command) -> click.Command:
    if SHARED[0] not in command.params:
        command.params.extend(SHARED)
        for below in getattr(command, "commands", {}).values():
            _with_shared(below)
    return command


class _Commands(click.Group):
    """Imports a command when it is called, not before. Those of plugins come after the built-in ones."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names of commands, without importing the built-in ones, and the options."""
        from complaint_llm.cli.completion.names import command_names  # cold start

        named = command_names(ctx.ensure_object(App), COMMANDS, incomplete)
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            from complaint_llm.cli.plugin_commands import find_command  # cold start

            found = find_command(ctx.ensure_object(App), name).command
            return None if found is None else _with_shared(found)
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        if _COMPLETE in os.environ:
            from complaint_llm.cli.completion.values import add_completion  # cold start

            ctx.ensure_object(App)  # what is offered depends on the config
            add_completion(command, (name,))
        return _with_shared(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches  # cold start: plugins' commands

            # cold start: plugins' commands
            from complaint_llm.cli.plugin_commands import find_command

            command, others, word = find_command(ctx.ensure_object(App), name)
            if command is not None:
                return name, _with_shared(command), args[1:]
            known = [*COMMANDS, *others]
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known)}"
            ctx.fail(f"no command {name!r}{hint}{word}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, ComplaintLLMError, OSError):
            raise
        except Exception as fault:
            name = ctx.invoked_subcommand
            if name is None or name in COMMANDS:
                raise  # a fault of ours
            from complaint_llm.cli.plugin_commands import first_line  # cold start

            said = f"the plugin's command {name!r} failed: {type(fault).__name__}: {first_line(fault)}"
            raise PluginError(said) from fault

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from complaint_llm.cli.plugin_commands import find_commands  # cold start

        found = find_commands(ctx.ensure_object(App), COMMANDS)
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])
        lines = [(name, command.get_short_help_str(80)) for name, command in found.commands.items()]
        lines += [(name, f"cannot be used: {fault}") for name, fault in found.faults.items()]
        if lines:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(lines)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="complaint-llm")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Language models behind one config file: fallback, limits, batches that lose nothing.

    Example: complaint-llm -c config.json generate "Extract the legal claims from: ..."
    """
    app = ctx.ensure_object(App)
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        ctx.color = False
    handler = StderrHandler()
    # What is raised ends as the command's own error line, or as that of an item.
    handler.addFilter(lambda record: app.debug or not getattr(record, "raised", False))
    handler.setFormatter(HarmlessFormatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("complaint_llm")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if app.debug else logging.WARNING)


_with_shared(cli)


def main() -> None:
    """Run the command line and exit with its code."""
    debug = "--debug" in sys.argv[1:]
    streams.prepare()
    click.Context.formatter_class = HelpFormatter
    if _COMPLETE in os.environ:
        from complaint_llm.cli.completion.shells import answer_shells  # cold start

        answer_shells()
    try:
        code = cli.main(prog_name="complaint-llm", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort:
        code = 130
    except KeyboardInterrupt:
        code = 130
    except click.ClickException as error:
        tell_error(error)
        code = 2
    except BrokenPipeError:
        # The reader of our output went away: nothing more can be said there.
        streams.give_up_output()
        code = 1
    except ComplaintLLMError as error:
        code = 2 if isinstance(error, ConfigError) else 1
        _report(error, error.problems if isinstance(error, ConfigError) else (str(error),), debug)
    except OSError as error:
        # Files are named by those who open them; what is left is a stream: a full disk behind ">", a closed "<&-".
        _report(error, (f"{error.filename or 'standard input or output'}: {error.strerror or error}",), debug)
        streams.give_up_output()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _report(error: Exception, lines: Sequence[str], debug: bool) -> None:
    if debug:
        logging.getLogger("complaint_llm").debug("the error above in full", exc_info=error)
    for line in lines:
        tell(line)
