"""The command group: options that all commands share, and the one place where errors become lines and exit codes.

Exit codes: 0 done, 1 some or all of the job failed, 2 usage or config, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from complaint_llm import __version__
from complaint_llm.exceptions import ComplaintLLMError, ConfigError

if TYPE_CHECKING:
    from complaint_llm.batch import Ask, ExecutorFactory
    from complaint_llm.config import Config
    from complaint_llm.evidence import EvidenceStore
    from complaint_llm.mediator import Mediator

COMMANDS: Mapping[str, tuple[str, str]] = {
    "generate": ("complaint_llm.cli.generate:generate", "Ask one prompt and print the answer."),
    "batch": ("complaint_llm.cli.batch:batch", "Ask many prompts from a file; resumes where it stopped."),
    "embed": ("complaint_llm.cli.embed:embed", "Print the vectors of texts."),
    "check": ("complaint_llm.cli.check:check", "Show which backends are ready and why others are not."),
    "explain": ("complaint_llm.cli.explain:explain", "Show what would be asked, at what price; sends nothing."),
    "plugins": ("complaint_llm.cli.plugins:plugins", "List plugins and the backend types that they offer."),
    "schema": ("complaint_llm.cli.schema:schema", "Print the JSON Schema of config files."),
    "evidence": ("complaint_llm.cli.evidence:evidence", "Store, find, verify, export and import evidence."),
    "verify": ("complaint_llm.cli.verify:verify", "Show where an answer came from, each step verified."),
}
"""Command names, where they live, and their line in the overview (so that the overview imports none of them)."""


class App:
    """What the commands get as ``ctx.obj``: which config to read, and how to open it."""

    def __init__(self, config_path: Path | None, debug: bool) -> None:
        self.config_path = config_path
        self.debug = debug

    def load_config(self) -> Config:
        """The config that ``-c``, the environment or the working directory names. Raises ConfigError."""
        from complaint_llm.config import load_config

        config = load_config(self.config_path)
        if not self.debug:
            logging.getLogger("complaint_llm").setLevel(config.log.get("level", "WARNING"))
        return config

    def open_mediator(self) -> Mediator:
        """A Mediator over that config; the command closes it."""
        from complaint_llm.mediator import Mediator

        return Mediator.from_loaded(self.load_config())

    def open_store(self) -> EvidenceStore:
        """The store of evidence that the config names, or that of the working directory without a config."""
        from complaint_llm.config import load_config
        from complaint_llm.config.source import find
        from complaint_llm.mediator import evidence_store

        try:
            path = find(self.config_path, os.environ.get("COMPLAINT_LLM_CONFIG"))
        except ConfigError:
            if self.config_path is not None:
                raise
            return evidence_store(Path(), {})
        config = load_config(path)
        return evidence_store(config.path.parent, config.evidence, config.mediator.get("privacy"), config.host)

    def batch_executors(self, url: str) -> Mapping[str, ExecutorFactory]:
        """The executors that plugins offer, by URL scheme, to open ``url`` with.

        Raises ConfigError where nothing may leave this machine and the URL may lead away from it.
        """
        if self.load_config().mediator.get("privacy") == "local" and not url.startswith("dask://local"):
            raise ConfigError(f'MEDIATOR "privacy" is "local", and {url} may be another machine: use dask://local/N')
        executors: dict[str, ExecutorFactory] = self.load_config().host.offered("complaint_llm_batch_executors")
        return executors

    def ask_factory(self) -> Callable[[], Ask]:
        """What another process opens its own Mediator with: the config as it was written, secrets unresolved."""
        from functools import partial

        from complaint_llm.batch_asks import ConfigText, asks_of

        return partial(asks_of, ConfigText.read(self.load_config().path))


class _Commands(click.Group):
    """Imports a command when it is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(COMMANDS)}"
            ctx.fail(f"no command {name!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    help="The config file. Otherwise $COMPLAINT_LLM_CONFIG, then config.json, config.yaml or config.yml here.",
)
@click.option("--debug", is_flag=True, help="Log at DEBUG and show tracebacks. Secrets stay hidden.")
@click.version_option(__version__, prog_name="complaint-llm")
@click.pass_context
def cli(ctx: click.Context, config: Path | None, debug: bool) -> None:
    """Language models behind one config file: fallback, limits, batches that lose nothing.

    Example: complaint-llm -c config.json generate "Extract the legal claims from: ..."
    """
    ctx.obj = App(config, debug)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("complaint_llm")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)


def main() -> None:
    """Run the command line and exit with its code."""
    debug = "--debug" in sys.argv[1:]
    try:
        code = cli.main(prog_name="complaint-llm", standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except KeyboardInterrupt:
        code = 130
    except click.ClickException as error:
        error.show()
        code = 2
    except BrokenPipeError:
        # The reader of our output went away: nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except ComplaintLLMError as error:
        if debug:
            logging.getLogger("complaint_llm").debug("the error above in full", exc_info=True)
        lines = error.problems if isinstance(error, ConfigError) else (str(error),)
        for line in lines:
            click.echo(line, err=True)
        code = 2 if isinstance(error, ConfigError) else 1
    sys.exit(code if isinstance(code, int) else 0)
