"""A backend that is a program: the prompt on its standard input, the answer in what it writes.

Authors write ``command_line`` and ``read_answer``. Each call gets a process of its own, in an empty folder that is
deleted afterwards, with a minimal environment; the process group is killed at the deadline or when the call is
cancelled. POSIX only.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from complaint_llm.backends.base import Backend
from complaint_llm.backends.process import MAX_ERRORS, ProgramResult, run_program
from complaint_llm.backends.usual_key import usual_key
from complaint_llm.backends.wire.error_bodies import without_secrets
from complaint_llm.backends.wire.parameters import UNSUPPORTED, UnsupportedParameters
from complaint_llm.backends.wire.status_table import WireError, make_error
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import AuthenticationError, BackendError, ConfigError, InvalidRequestError
from complaint_llm.request import EMPTY
from complaint_llm.secrets import Redactor, Secret
from complaint_llm.transport.failures import without_frames

if TYPE_CHECKING:
    from complaint_llm.messages import InferenceOutput
    from complaint_llm.request import EmbeddingRequest, Request
    from complaint_llm.routing.policies.bound import Bound

KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
    *("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
)
"""The variables of this process that a program sees, besides its type's own: where it is, where the network is."""

REFUSED_BY_PROGRAMS = frozenset(
    ("location", "embedding_model", "extra_body", "custom_headers", "idempotency_header", "connection_timeout")
)
"""Common keys that no program can honour; a program that talks to a provider is never local."""


_HALF_A_KEY = 4096
"""Characters at the start of errors that were cut: the end of a key may stand there, which no redactor knows."""


class CommandLine(NamedTuple):
    """What ``command_line`` returns: the arguments after the program, its input, and variables to set for it."""

    args: Sequence[str]
    stdin: str
    environment: Mapping[str, str | Secret] = EMPTY


class Failure(NamedTuple):
    """What ``read_answer`` returns for an error that the program tells of.

    ``status`` is the provider's HTTP status where the program says it. Without a status and a ``kind`` it is a
    BackendError, which is not retried here.
    """

    status: int | None
    error: WireError


class CommandBackend(Backend):
    """The base of backends that run a program, such as::

        class Clerk(CommandBackend):
            default_command = "clerk"

            def command_line(self, request, folder):
                return CommandLine(["--model", request.model or "small"], stdin=request.messages[-1].text)

            def read_answer(self, result, folder, request):
                return plain_answer(result.stdout.decode()) if result.code == 0 else None

    ``command`` is the program, by name (looked up in PATH) or absolute path; ``args`` are further arguments, which
    ``command_line`` puts where the program wants them (``self.args``). Any thread may call it; each call has its own
    process.
    """

    interruptible: ClassVar[bool] = True
    default_command: ClassVar[str] = ""
    install: ClassVar[str] = ""
    """How to get the program: a command, for the error where it is missing."""
    key_variables: ClassVar[tuple[str, ...]] = ()
    """Environment variables that usually hold the key; the first that is set counts where no ``api_key`` is given."""
    needs_key: ClassVar[bool] = False
    kept: ClassVar[tuple[str, ...]] = ()
    """Variables of this process that the program sees besides ``KEPT``, such as the folder with its login."""
    parameters: ClassVar[frozenset[str]] = frozenset()
    """The generation parameters that ``command_line`` passes on; others are refused as the config says."""

    def __init__(self, *, command: str | None = None, args: Sequence[str] = (), **keys: Any) -> None:
        super().__init__(**keys)
        refused = [key for key in keys if key in REFUSED_BY_PROGRAMS and keys[key] is not None]
        if refused:
            raise ConfigError(f"{self.id}: a program takes no {refused[0]}: leave it out")
        self.command = command or self.default_command
        if not self.command:
            raise ConfigError(f"{self.id}: no command: give the program to run")
        if isinstance(args, str) or not all(isinstance(each, str) for each in args):
            raise ConfigError(f"{self.id}: args is a list of texts")
        self.args = tuple(args)
        self.api_key: Secret | None = self.options.api_key or usual_key(self.key_variables)
        self.redact = Redactor([self.api_key])
        self._unsupported = UnsupportedParameters(self.options.unsupported_parameters, self.log)

    # -- what an author writes -----------------------------------------------------------------------------------

    def command_line(self, request: Request, folder: Path) -> CommandLine:
        """How to run the program for one attempt.

        ``folder`` is private to the attempt and deleted after it: for files that the program reads or writes. The
        program itself starts in an empty folder inside it.
        """
        raise InvalidRequestError(f"{type(self).__name__} has no command_line", sent=False)

    def read_answer(self, result: ProgramResult, folder: Path, request: Request) -> InferenceOutput | Failure | None:
        """The answer in what the program wrote, or the error that it tells of; None if there is neither."""
        raise InvalidRequestError(f"{type(self).__name__} has no read_answer", sent=False)

    def cost_bound(self, request: Request | EmbeddingRequest) -> Bound:
        """What a program puts before a prompt, and how often it asks, is its own matter: nothing bounds the price."""
        found = super().cost_bound(request)
        if found.unknown is None and not found.smallest:
            return found
        why = f"what {self.command} adds to a prompt has no upper bound: ask the provider's API under a budget"
        return found._replace(unknown=why)

    # -- one attempt ---------------------------------------------------------------------------------------------

    @property
    def at_own_provider(self) -> bool:
        return self.options.base_url is None

    @property
    def host(self) -> str | None:
        """The program that it runs."""
        return f"the program {self.command}"

    def answer(self, request: Request) -> InferenceOutput:
        self._check_key()
        if request.extra_body:
            raise InvalidRequestError("a program takes no extra_body: use args", sent=False)
        self._check_values(request)
        refused = tuple(name for name in request.params if name not in self.parameters)
        if refused:
            self._unsupported.check(refused, request.model or self.type)
        with tempfile.TemporaryDirectory(prefix="complaint-llm-", ignore_cleanup_errors=True) as made:
            folder = Path(made)
            line = self.command_line(request, folder)
            result = self._run_program(line, folder, request.deadline, request.cancel)
            output = self._answer_or_error(self.read_answer(result, folder, request), result)
        if folder.exists():
            self.log.warning("%s: cannot delete %s: it may hold what was asked", self.id, folder)
        return output._replace(metadata={**output.metadata, UNSUPPORTED: list(refused)}) if refused else output

    def _check_values(self, request: Request) -> None:
        """Raise where a value would reach the program as an option of its own."""
        for name, value in (("model", request.model), *request.params.items()):
            if isinstance(value, str) and value.startswith("-"):
                raise InvalidRequestError(f"{name} begins with a dash, which a program takes for an option", sent=False)

    def check(self, timeout: float = 10.0, *, connect: bool = True) -> None:
        """Raises BackendError if the program or a needed key is missing; with ``connect`` also if the program does
        not tell its version. No prompt is sent."""
        try:
            self._check_key()
            self._program()
            if connect:
                with tempfile.TemporaryDirectory(prefix="complaint-llm-", ignore_cleanup_errors=True) as made:
                    line = CommandLine(("--version",), "")
                    result = self._run_program(line, Path(made), Deadline(timeout), CancelToken())
                if result.code:
                    raise self._no_answer(result)
        except BackendError as error:
            named = self.as_backend_error(error)
            raise named from named.__cause__

    @property
    def local(self) -> bool:
        """Never: what the program sends where is its own affair."""
        return False

    # -- inside --------------------------------------------------------------------------------------------------

    def _answer_or_error(self, read: InferenceOutput | Failure | None, result: ProgramResult) -> InferenceOutput:
        if read is None:
            raise self._no_answer(result)
        if isinstance(read, Failure):
            error = read.error
            if read.status is None and error.kind is None:
                error = error._replace(kind=BackendError)
            raise make_error(read.status, error, EMPTY, redact=self.redact)
        return read

    def _no_answer(self, result: ProgramResult) -> BackendError:
        """The program ended without an answer in its own format: its exit code and what it said."""
        how = f"exit code {result.code}" if result.code >= 0 else f"signal {-result.code}"
        said = (result.stderr.strip() or result.stdout.strip()).decode("utf-8", "replace")
        said = self.redact(" ".join(said.split()))
        if len(result.stderr) >= MAX_ERRORS:
            said = said[_HALF_A_KEY:]
        words = f": {said[:300]}" if said else ""
        return BackendError(f"{Path(self.command).name} ended with {how} and no answer{words}", maybe_received=True)

    def _run_program(self, line: CommandLine, folder: Path, deadline: Deadline, cancel: CancelToken) -> ProgramResult:
        work, scratch = folder / "work", folder / "tmp"
        work.mkdir()
        scratch.mkdir()
        inherited = {name: os.environ[name] for name in (*KEPT, *self.kept) if name in os.environ}
        if self.options.verbose:
            self.log.debug("%s reads: %s", self.command, self.redact(line.stdin[:65536])[:4096])
        result = run_program(
            [self._program(), *line.args],
            stdin=_encode(line.stdin),
            environment={**inherited, "TMPDIR": str(scratch), "NO_COLOR": "1", **line.environment},
            folder=work,
            deadline=deadline,
            cancel=cancel,
        )
        if self.options.verbose:
            shown = self.redact(result.stdout[:65536].decode("utf-8", "replace"))[:4096]
            self.log.debug("%s ended with %d: %s", self.command, result.code, shown)
        return result

    def _program(self) -> str:
        """The program's absolute path: it starts in another folder than this process."""
        if os.name != "posix":
            raise BackendError("programs as backends need a POSIX system (Linux, macOS, WSL)", sent=False)
        found = shutil.which(Path(self.command).expanduser())
        if found is None:
            how = f": {self.install}, or set command" if self.install else ": set command"
            raise BackendError(f"{self.command} is not installed{how}", sent=False)
        return str(Path(found).absolute())

    def as_backend_error(self, error: Exception) -> BackendError:
        # Frames hold the answer and the environment in their locals.
        if isinstance(error, BackendError):
            without_frames(error)
        return without_secrets(super().as_backend_error(error), self.redact)

    def _check_key(self) -> None:
        if self.needs_key and self.api_key is None:
            raise AuthenticationError(f"no key: set api_key or {' or '.join(self.key_variables)}", sent=False)


def _encode(prompt: str) -> bytes:
    try:
        return prompt.encode("utf-8")
    except UnicodeEncodeError as cause:
        message = f"the prompt is no valid text: {cause.reason} at {cause.start}"
        raise InvalidRequestError(message, sent=False) from cause.with_traceback(None)


__all__ = ["KEPT", "REFUSED_BY_PROGRAMS", "CommandBackend", "CommandLine", "Failure", "ProgramResult"]
